"""Every operation of the OpenAPI document, and every page that names a thing, asked with what is really organisation
A's by another subsidiary, a supplier, a carrier, nobody, and those who are out: nothing of A is told or changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from hub.database import Tenancy, make_engine, unit_of_work
from hub.settings import settings as hub_settings
from hub.store import application_of
from identity.organisations import handover
from identity.principal import agents
from tests.conftest import GROUP
from tests.isolation import callers, things
from tests.isolation.matrix import Ask, Caller, Filler, known_of, pages
from tests.isolation.test_leaks import AUDIT, TENANT_TABLES, UNIT, readable
from tests.isolation.world import GUEST, OWN, World, build

log = structlog.get_logger("matrix")


class Matrix:
    """Each request in a savepoint that is undone."""

    def __init__(self, app: Any, connection: Connection, world: World) -> None:
        self.app, self.connection, self.world, self.a = app, connection, world, world.tenants[0]
        app.state.new_session = self._session
        self.others: list[Caller] = []
        self.out: list[Caller] = []
        self.proving: list[Caller] = []
        self.asks: list[Ask] = []
        self.pages: list[Ask] = []
        place = str(self.a.id)
        self.form = {"organisation_id": place, "of": place, "action": "disable", "roles": "planner", "grants": ""}

    def _session(self) -> Session:
        info = {"tenancy": Tenancy()}
        mode: Any = "create_savepoint"
        return Session(self.connection, join_transaction_mode=mode, info=info, expire_on_commit=False)

    def ask(self, asked: list[tuple[Ask, Caller]]) -> list[tuple[Ask, Caller, httpx.Response, set[Any]]]:
        """With each answer whose rows were written."""
        return asyncio.run(self._ask_all(asked))

    async def _ask_all(self, asked: list[tuple[Ask, Caller]]) -> list[Any]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
            return [(ask, caller, *await self._ask(client, ask, caller)) for ask, caller in asked]

    async def _ask(self, client: httpx.AsyncClient, ask: Ask, caller: Caller) -> tuple[httpx.Response, set[Any]]:
        agents.clear()
        body: dict[str, Any] = {"data": self.form} if ask.form else {"json": ask.body}
        headers = caller.headers | ask.headers
        with self.connection.begin_nested() as undone:
            self.connection.exec_driver_sql("delete from probe_write")
            answer = await client.request(ask.method, ask.target, params=ask.query, headers=headers, **body)
            written = {row[0] for row in self.connection.exec_driver_sql("select owner from probe_write")}
            undone.rollback()
        assert answer.status_code < 500, (ask.name, caller.name, answer.text)
        return answer, written

    def leaks(self, ask: Ask, answer: httpx.Response) -> set[str]:
        """Marks and ids of A in an answer that the question did not hold."""
        said = readable(answer)
        sent = f"{ask.target} {ask.query} {ask.body}"
        for word in sorted(set(re.findall(r"[\w@.-]{3,}", sent)), key=len, reverse=True):
            said = said.replace(word, "")
        told = self.world.secrets[self.a.id] & set(re.findall(r"[0-9a-f-]{36}", said))
        return told | ({self.a.token} if self.a.token in said else set())


@pytest.fixture(scope="module")
def matrix(server: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    from hub.app import create_app

    patch = pytest.MonkeyPatch()
    patch.setattr(hub_settings(), "home", tmp_path_factory.mktemp("home"))
    url = server.create_database("matrix", template)
    engine = make_engine(application_of(url))
    with psycopg.connect(server.dsn("matrix", "postgres"), autocommit=True) as owner:
        owner.execute(UNIT)
        world = build(engine, owner)
        asking = callers.others(engine, world), callers.out(engine, owner, world.tenants[0], patch)
        proving = callers.proving(engine, world.tenants[0])
        owner.execute(AUDIT)
        for (table,) in owner.execute(TENANT_TABLES).fetchall():
            owner.execute(
                f"create trigger probe_note after insert or update or delete on {table}"
                " for each row execute function probe_note()"
            )
        with engine.connect() as connection, connection.begin() as outer:
            made = Matrix(create_app(), connection, world)
            (made.others, made.out), made.proving = asking, proving
            fill(made, engine, owner)
            yield made
            outer.rollback()
    engine.dispose()
    server.drop_database("matrix")
    patch.undo()


def fill(made: Matrix, engine: Engine, owner: Any) -> None:
    a = made.a

    def one(query: str, *values: Any) -> str:
        return str(owner.execute(query, values).fetchone()[0])

    mine, held = " where organisation_id = %s", "select id from batch where organisation_id = %s and state = 'held'"
    known = known_of(
        a,
        batch_id=one(held, a.id),
        batch=one(held, a.id),
        row_id=one(f"select id from quarantine{mine} and resolved_at is null", a.id),
        position_id=one(f"select id from position{mine} limit 1", a.id),
        place_id=one(f"select id from place{mine} limit 1", a.id),
        number=one(OWN, a.id, f"{a.token}-item"),
        build_id=one("select id from build"),
        partner="guest",
    )
    with unit_of_work(engine, Tenancy((GROUP, a.id), a.id)) as session:
        guest = str(things.let_in(session, a.id, GUEST))
    handover.folder().mkdir()
    (handover.folder() / f"{known['export_id']}.zip").write_bytes(b"PK\5\6" + bytes(18))
    filler = Filler(made.app.openapi(), known)
    row = {"batch_id": one(f"select batch_id from quarantine{mine}", a.id)}
    row["row_no"] = one(f"select row_no from quarantine{mine}", a.id)
    filler.known_at = {
        "/v1/batches/{batch_id}/rows/{row_no}": row,
        "/v1/partner-grants/{grant_id}/people/{person_id}": {"person_id": guest},
        "/v1/disclosure/preview": {"partner": "subsidiary"},
        "/v1/audit/export": {"format": "jsonl"},
        "/v1/reports/{report_id}/file": {"format": "csv"},
    }
    made.asks, made.pages = list(filler.asks()), list(pages(made.app, known | row))


# Operations for which A itself is told 404 or 422 here, and why.
UNPROVED = {
    "POST /v1/disclosure/enquiries/{number}": "asks after holders that are hidden; A's own material is nobody else's",
    "POST /v1/domains/{domain_id}/verification": "the proof lies in the DNS; for others it is 404, for A 422",
    "POST /v1/reports": "there is no lake behind the build; what it names is an instant alone",
}
# A build is of the whole group: the findings in it are fenced.
COMMON = {
    "GET /v1/builds/{build_id}",
    "GET /v1/builds/{build_id}/findings",
    "POST /v1/builds/{build_id}/repair",
    "GET /v1/inventory/export.{form}",
}
# For the operator's machine alone; the feeds of all are in it.
OPERATORS = {"GET /metrics"}
# Whoever knows an address has a link mailed to it.
MAILED = {"POST /v1/password-resets"}


# They name nothing but a secret or a proof of one's own, which is invented here and so refused to everyone.
KEYED = {
    f"{method} /v1/{path}"
    for method, paths in {
        "POST": (
            "session", "passwords", "session/second-factor", "session/passkey", "me/passkeys", "me/totp/confirmation",
            "me/step-up", "me/step-up/passkey", "me/merges", "invitations/accept", "invitations/address",
            "invitations/accept-mailed", "invitations/account", "emails", "emails/undo", "agents/enrol",
        ),
        "PUT": ("me/password",),
        "DELETE": ("me/totp",),
        # Before the first seal.
        "GET": ("audit/head",),
    }.items()
    for path in paths
}  # fmt: skip


def test_every_operation_is_asked_with_what_is_really_as(matrix: Matrix) -> None:
    """For A or head office each address and body is right; were it not, 404 for others would prove nothing."""
    refused = {ask.name for ask in matrix.asks if not is_right(matrix, ask)}
    naming = {ask.name for ask in matrix.asks if ask.names}
    share = 1 - len(refused - KEYED) / (len(matrix.asks) - len(KEYED))
    log.info(f"{len(matrix.asks)} operations, {len(naming)} name a thing by its address, {len(KEYED)} only a secret")
    log.info(f"{share:.1%} of the others asked with what is really A's; but for {sorted(refused & naming)}")
    assert refused == KEYED | set(UNPROVED)
    assert not KEYED & naming and share >= 0.95


def is_right(matrix: Matrix, ask: Ask) -> bool:
    answers = matrix.ask([(ask, caller) for caller in matrix.proving])
    return any(one.status_code < 400 or one.status_code == 409 for _, _, one, _ in answers)


def test_what_is_as_is_not_there_for_others(matrix: Matrix) -> None:
    wrong, asked = [], 0
    for ask in matrix.asks:
        for _, caller, answer, written in matrix.ask([(ask, caller) for caller in matrix.others]):
            asked += 1
            right = expected(ask, caller)
            if right is not None and answer.status_code != right:
                wrong.append((ask.name, caller.name, answer.status_code, right))
            if (matrix.leaks(ask, answer) and ask.name not in OPERATORS) or (
                matrix.a.id in written and ask.name not in MAILED
            ):
                wrong.append((ask.name, caller.name, "leak", answer.text[:500]))
    log.info(f"{asked} questions of others about {len(matrix.asks)} operations, {len(wrong)} wrong")
    assert wrong == []


# No application does it in a person's name.
IN_BROWSER = {"DELETE /v1/me/passkeys/{passkey_id}"}


def expected(ask: Ask, caller: Caller) -> int | None:
    """None where the operation names nothing of one organisation."""
    if ask.scopes is None or not ask.names or ask.name in COMMON:
        return None
    is_own_browsers = ask.name in IN_BROWSER and "authorization" in caller.headers
    return 404 if ask.scopes <= caller.scopes and not is_own_browsers else 403


def test_pages_do_not_know_what_is_as_for_others(matrix: Matrix) -> None:
    wrong = []
    for ask in matrix.pages:
        for _, caller, answer, written in matrix.ask([(ask, caller) for caller in matrix.others]):
            is_common = f"{ask.method} /v1{ask.path}" in COMMON
            refused = answer.status_code in ((403, 404) if ask.method == "GET" else (303, 403, 404, 422))
            if (not refused and not is_common) or matrix.leaks(ask, answer) or matrix.a.id in written:
                wrong.append((ask.name, caller.name, answer.status_code, answer.text[:500]))
    log.info(f"{len(matrix.pages)} pages and forms that name a thing, {len(wrong)} wrong")
    assert len(matrix.pages) > 30
    assert wrong == []


def test_nobody_and_those_who_are_out_are_refused(matrix: Matrix) -> None:
    wrong, asked = [], 0
    for ask in (*matrix.asks, *matrix.pages):
        for _, caller, answer, written in matrix.ask([(ask, caller) for caller in matrix.out]):
            asked += 1
            is_open = ask.scopes is None
            leaks = matrix.leaks(ask, answer) and ask.name not in OPERATORS
            if (not is_open and answer.status_code != 401) or leaks or (written and ask.name not in MAILED):
                wrong.append((ask.name, caller.name, answer.status_code))
    log.info(f"{asked} questions of those who are out, {len(wrong)} wrong")
    assert wrong == []
