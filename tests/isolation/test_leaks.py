"""No answer of any endpoint tells a tenant what belongs to another, and no request changes it: endpoints from the
OpenAPI, parameters from all tenants' ids and words, every answer searched for the others' marks."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from hub.database import Tenancy, make_engine
from hub.settings import settings as hub_settings
from hub.store import application_of
from identity.principal import authenticate
from tests.isolation.cases import Case, cases, plain_reads
from tests.isolation.world import GTIN, Tenant, World, build

AT_ONCE = 20
UNIT = """
    insert into unit (code, name_zh, name_en, symbol_zh, symbol_en, dimension, numerator, denominator, decimals)
    values ('C62', '个', 'piece', '个', 'pc', 'count', 1, 1, 0) on conflict do nothing"""
AUDIT = """
    create table probe_write (owner uuid);
    grant all on probe_write to hub_app;
    create function probe_note() returns trigger language plpgsql as $$ begin
        insert into probe_write values ((to_jsonb(coalesce(new, old)) ->> 'organisation_id')::uuid); return null;
    end $$;"""
# Who looks at another's stock leaves a line in the other's audit log: its one way in.
TENANT_TABLES = """
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> 'audit_event'"""

MARKED = {
    f"GET /v1/{path}"
    for path in (
        "agents", "agents/self", "audit", "batches", "clients", "data-assets", "domains", "feeds", "identity-providers",
        "inventory", "inventory/overview", "invitations", "me/factors", "movements", "people", "quarantine",
        "quarantine/causes", "reports", "scim/groups", "scim/tokens", "sessions", "systems",
    )
}  # fmt: skip


class Prober:
    def __init__(self, app: Any, connection: Any, world: World) -> None:
        self.app, self.connection, self.world = app, connection, world
        self.counts: Counter[str] = Counter()
        self.seen_own: set[str] = set()
        self.disclosed: Counter[tuple[UUID, ...]] = Counter()
        app.state.new_session = self._session
        app.dependency_overrides[authenticate] = lambda: self.caller

    def _session(self) -> Session:
        mode: Any = "create_savepoint"
        info = {"tenancy": Tenancy()}
        return Session(self.connection, join_transaction_mode=mode, info=info, expire_on_commit=False)

    async def run(self, cases: list[Case]) -> None:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
            for case in cases:
                await self._ask(client, case)

    async def _ask(self, client: httpx.AsyncClient, case: Case) -> None:
        self.caller = case.caller
        headers = {"content-type": "application/json"} if case.body is not None else {}
        request = client.build_request(case.method, case.path, params=case.query, content=case.body, headers=headers)
        with self.connection.begin_nested() as undone:
            answer = await client.send(request)
            self._judge(case, answer)
            undone.rollback()

    def _judge(self, case: Case, answer: httpx.Response) -> None:
        assert answer.status_code < 500, (case, answer.text)
        self.counts[str(answer.status_code)] += 1
        said = readable(answer)
        for tenant in self.world.tenants:
            if tenant.token in said and tenant.id in case.caller.readable:
                self.seen_own.add(f"{case.method} {case.path}")
        for word in case.sent:
            said = said.replace(word, "")
        for tenant in self.world.tenants:
            if tenant.id in case.caller.readable:
                continue
            assert tenant.token not in said, (case, said[:2_000])
            assert not (hit := self.world.secrets[tenant.id] & set(re.findall(r"[0-9a-f-]{36}", said))), (case, hit)
            self._judge_disclosed(case, tenant, said)
        written = {row[0] for row in self.connection.exec_driver_sql("select owner from probe_write")}
        assert written <= set(case.caller.readable), (case, written)

    def _judge_disclosed(self, case: Case, tenant: Tenant, said: str) -> None:
        """Of another's free stock: the figure where it is disclosed exactly, the name where it is not hidden."""
        is_sister = self.world.of(case.caller).kind == "subsidiary"
        if tenant.figure in said:
            assert is_sister and tenant.level == "full", (case, said[:2_000])
            self.disclosed[case.caller.readable] += 1
        if re.search(rf"\b{tenant.key}\b", said):
            allowed = ("full", "banded") if is_sister else ("full",)
            assert tenant.level in allowed, (case, tenant.key, said[:2_000])


def readable(answer: httpx.Response) -> str:
    """Body and headers as text; a workbook's parts and a report's rows unpacked."""
    body = answer.content
    if body.startswith(b"PAR1"):
        body = str(pq.read_table(io.BytesIO(body)).to_pylist()).encode()
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            body = b"\n".join(book.read(name) for name in book.namelist())
    return body.decode("utf-8", "replace") + str(answer.headers)


@pytest.fixture(scope="module")
def prober(server: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prober]:
    from hub.app import create_app

    patch = pytest.MonkeyPatch()
    patch.setattr(hub_settings(), "home", tmp_path_factory.mktemp("home"))
    url = server.create_database("leaks", template)
    engine = make_engine(application_of(url))
    with psycopg.connect(server.dsn("leaks", "postgres"), autocommit=True) as owner:
        owner.execute(UNIT)
        world = build(engine, owner)
        owner.execute(AUDIT)
        for (table,) in owner.execute(TENANT_TABLES).fetchall():
            owner.execute(
                f"create trigger probe_note after insert or update or delete on {table}"
                " for each row execute function probe_note()"
            )
        with engine.connect() as connection, connection.begin() as outer:
            yield Prober(create_app(), connection, world)
            outer.rollback()
    engine.dispose()
    server.drop_database("leaks")
    patch.undo()


def test_a_caller_is_shown_their_own_marks(prober) -> None:
    """Were they hidden from everyone, the marks would prove nothing."""
    asyncio.run(prober.run(list(plain_reads(prober.world, prober.app.openapi()))))
    assert prober.seen_own == MARKED


def test_what_a_plant_discloses_exactly_is_seen_by_its_sisters_alone(prober) -> None:
    """Were nothing disclosed to anyone, that no figure is told would prove nothing."""
    prober.disclosed.clear()
    asked = (("q", GTIN),)
    asyncio.run(
        prober.run([Case(t.principal("admin"), "GET", "/v1/holders", asked, None) for t in prober.world.tenants])
    )
    sisters = {(t.id,) for t in prober.world.tenants if t.kind == "subsidiary" and t.level != "full"}
    assert set(prober.disclosed) == sisters


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_answer_tells_and_no_request_changes_what_is_anothers(prober, count) -> None:
    some = st.lists(cases(prober.world, prober.app.openapi()), min_size=AT_ONCE, max_size=AT_ONCE)
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    prober.counts.clear()

    @settings(max_examples=count // AT_ONCE, database=None, suppress_health_check=quiet, phases=[Phase.generate])
    @given(some)
    def run(chosen: list[Case]) -> None:
        asyncio.run(prober.run(chosen))

    run()
    assert sum(prober.counts.values()) >= count, prober.counts
    # A prober that is refused everywhere finds nothing.
    assert prober.counts["200"] > count // 10, prober.counts
