"""A group of plants whose every text, number and id can be told apart: what belongs to one carries its token."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from joserfc.jwk import OKPKey
from sqlalchemy import Engine, select, text

from connectors.contract import BatchHeader
from hub import outbox
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from hub.models import Mail
from identity import links
from identity.models import Membership, Person
from identity.principal import Principal
from identity.scopes import AGENT_SCOPES, ROLES, effective
from identity.sessions.service import Browser, open_session
from masterdata.disclosure.models import DisclosureRule
from masterdata.lake.models import Build, BuildFinding, MartFeed, MartMonth
from masterdata.landscape.models import Coverage
from masterdata.reports import service as reports
from masterdata.reports.models import Report
from tests.conftest import GROUP
from tests.isolation import things
from tests.masterdata.plant import T0, Plant, move, stock
from tests.masterdata.reports.conftest import QUANTITIES, SCHEMA

GTIN = "6901234567892"
BUILD = UUID(int=70)
# A supplier that all of them let in; nobody of it asks.
GUEST = UUID(int=71)
HOUR = timedelta(hours=1)
# The class of the material all have. What each plant shows of it to sisters; the first one shows a band to suppliers.
COMMON = "0203"
LEVELS = {1: "full", 2: "banded", 3: "hidden", 4: "none"}
ANSWER = "answer.parquet"
OWN = """
    select min(g.number) from source_material m join golden_material g on g.id = m.golden_id
    where m.organisation_id = %s and m.item_id = %s"""
ORGANISATION = text("""
    insert into organisation (id, parent_id, key, kind, name_zh, name_en, seal, letter, rank, currency, zone)
    values (:id, :group, :key, :kind, :key, :key, '印', 'S', 1, 'CNY', 'Asia/Shanghai')""")
SYSTEM = text("""
    insert into source_system (id, organisation_id, organisations, key, kind, name_zh, name_en, zone)
    values (:id, :org, array[cast(:org as uuid)], :key, 'sql', :name, :name, 'Asia/Shanghai')""")
AGENT = text("insert into agent (id, organisation_id, name, public_jwk, health) values (:id, :org, :name, :jwk, '{}')")
GRANT = text("insert into agent_grant (organisation_id, agent_id, system) values (:org, :agent, :system)")


@dataclass
class Tenant(Plant):
    """A plant with one system, people, an agent, stock, movements, quarantined rows and a held snapshot."""

    number: int = 0
    kind: str = "subsidiary"
    person_id: UUID = field(default_factory=new_id)
    report_id: UUID = field(default_factory=new_id)
    words: list[str] = field(default_factory=list)
    # Ids of its own things by the parameters that take them, and the key its agent signs with.
    things: dict[str, str] = field(default_factory=dict)
    key_pair: OKPKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519"))

    def __post_init__(self) -> None:
        self.token, self.key, self.system = f"zq{self.number}k", f"plant{self.number}", f"zq{self.number}k-sys"
        with unit_of_work(self.engine, Tenancy((GROUP, self.id), GROUP)) as session:
            session.execute(ORGANISATION, {"id": self.id, "group": GROUP, "key": self.key, "kind": self.kind})
        with self.session() as session:
            session.execute(
                SYSTEM, {"id": self.system_id, "org": self.id, "key": self.system, "name": f"{self.token} U8"}
            )
            jwk = json.dumps(self.key_pair.as_dict(private=False))
            session.execute(AGENT, {"id": self.agent_id, "org": self.id, "name": f"{self.token} agent", "jwk": jwk})
            session.execute(GRANT, {"agent": self.agent_id, "org": self.id, "system": self.system})
        self._people()
        with self.session() as session:
            self.things = things.fill(session, self.id, self.person_id, self.token, GUEST)
        if self.kind == "subsidiary":
            self._stock()
            self._built()
            self._disclosed()

    def header(self, stream: str, body: bytes, rows: int, **more: Any) -> BatchHeader:
        return super().header(stream, body, rows, **{"system": self.system, "organisation": self.key} | more)

    def _people(self) -> None:
        with self.session() as session:
            email = f"{self.token}@mail.example"
            person = Person(id=self.person_id, organisation_id=self.id, email=email, name=f"{self.token} person")
            session.add(person)
            session.flush()
            session.add(Membership(organisation_id=self.id, person_id=person.id, scopes=sorted(ROLES["admin"])))
            links.issue(session, person.id, self.id, "reset")
            session.add(
                Mail(id=new_id(), organisation_id=self.id, recipient=email, subject=self.token, body=self.token)
            )
            session.flush()
            outbox.emit(session, "stock_changed", self.id, {"note": self.token})
            open_session(session, person.id, Browser("10.0.0.1", self.token))

    def _stock(self) -> None:
        """One material is every plant's (the same GTIN), the others are its own. What the group calls a common material
        comes from one of its holders and is told to all of them, so its name carries no token."""
        mine, shared = f"{self.token}-item", f"{self.token}-shared"
        materials = [self._material(mine), self._material(shared, gtin=GTIN, name="共有 轴承", class_code=COMMON)]
        self.deliver("materials", materials)
        rows = [
            stock(i, 70_000 + self.number, lot=f"{self.token}-lot", owner=f"{self.token}-owner") for i in (mine, shared)
        ]
        rows += [stock(shared, self.figure, lot=f"{self.token}-free")]
        rows += [stock(f"{self.token}-{n}", 5) for n in range(20)]
        self.snapshot([*rows, stock(f"{self.token}-bad", 2, unit=f"{self.token}-unit")])
        moves = [move(mine, 1, f"{n}", T0, document=f"{self.token}-doc") for n in range(3)]
        self.deliver("stock_movements", moves, sync="incremental", counts="movements")
        assert self.snapshot([], minutes=5)["state"] == "held"

    def _built(self) -> None:
        """What a build says of it: a difference, a measured feed, a month."""
        known = {"organisation_id": self.id, "system_id": self.system_id}
        with self.session() as session:
            if session.get(Build, BUILD) is None:
                made = {"snapshots": {}, "steps": [], "checks": [], "figures": {}, "known_at": T0, "is_current": True}
                session.add(Build(id=BUILD, state="published", **made))
            coverage = session.scalars(select(Coverage.id).where(Coverage.organisation_id == self.id)).first()
            detail = {
                "item": f"{self.token}-item",
                "place": self.token,
                "live": "1",
                "lake": "2",
                "field": "value",
                "lot": "",
                "status": "",
                "unit": "",
            }
            session.add_all([
                BuildFinding(organisation_id=self.id, build_id=BUILD, kind="difference", name="holding", detail=detail),
                MartFeed(**known, coverage_id=coverage, stream="stock_positions", batches=1, first_at=T0, last_at=T0,
                         rows_in=1, quarantined=0, sla_seconds=900, breaks=0),
                Report(organisation_id=self.id, id=self.report_id, kind="golden_inventory", as_of=T0 + HOUR,
                       known_at=T0, build_id=BUILD, state="ready", file=ANSWER, rows={str(self.id): 1},
                       asked_by=self.person_id),
                MartMonth(organisation_id=self.id, month=T0.date(), closing_value=4711.0 + self.number, mean_value=1,
                          issued_value=1, days=30, duplicate_value=0, shared_materials=0, materials=1),
            ])  # fmt: skip

    def _disclosed(self) -> None:
        kinds = {"subsidiary": self.level, "supplier": "banded" if self.number == 1 else "none"}
        with self.session() as session:
            for kind, level in kinds.items():
                session.add(DisclosureRule(organisation_id=self.id, partner_kind=kind, class_prefix=COMMON, level=level,
                                           valid_from=T0))  # fmt: skip

    def _material(self, item: str, **more: Any) -> dict[str, Any]:
        name = f"{self.token} 轴承"
        known = {"item_id": item, "item_code": item, "name": name, "base_unit": "C62", "is_active": True}
        return known | {"unit_cost": Decimal(f"4711.0{self.number}"), "currency": "CNY"} | more

    def principal(self, *roles: str) -> Principal:
        # Partners too are given all of them: fences hold whatever the scopes.
        scopes = effective(frozenset[str]().union(*(ROLES[r] for r in roles)), "subsidiary")
        return Principal("person", self.person_id, "Test", self.id, (self.id,), scopes, locale="en")

    @property
    def figure(self) -> str:
        """Its free quantity of the material all have: nine digits that nothing else has by chance."""
        return f"{self.number}83{self.number}57{self.number}41"

    @property
    def level(self) -> str | None:
        return LEVELS.get(self.number)

    @property
    def callers(self) -> list[Principal]:
        agent = Principal("agent", self.agent_id, "agent", self.id, (self.id,), AGENT_SCOPES, token_id="1")
        return [self.principal("admin"), self.principal("it"), agent]


@dataclass
class World:
    """`secrets` are the ids of each tenant's own rows, as they are written in answers."""

    tenants: list[Tenant]
    secrets: dict[UUID, set[str]]
    pools: dict[str, list[str]]

    def of(self, caller: Principal) -> Tenant:
        return next(tenant for tenant in self.tenants if tenant.id in caller.readable)


def build(engine: Engine, owner: Any) -> World:
    kinds = ["subsidiary"] * 4 + ["supplier", "carrier"]
    with unit_of_work(engine, Tenancy((GROUP, GUEST), GROUP)) as session:
        session.execute(ORGANISATION, {"id": GUEST, "group": GROUP, "key": "guest", "kind": "supplier"})
    tenants = [Tenant(engine, number=n, kind=kind) for n, kind in enumerate(kinds, 1)]
    _answer(owner, tenants)
    return World(tenants, {t.id: _ids(owner, t.id) for t in tenants}, _pools(owner, tenants))


def _answer(owner: Any, tenants: list[Tenant]) -> None:
    """One file for all their reports, a row of each: its own material, worth something in a currency of its own."""
    rows = []
    for tenant in tenants:
        ((number,),) = owner.execute(OWN, [tenant.id, f"{tenant.token}-item"]).fetchall()
        if number:
            held = dict.fromkeys(QUANTITIES, Decimal(1))
            known = {"organisation_id": str(tenant.id), "number": number, "unit": "C62", "currency": tenant.token}
            rows.append(known | held | {"value": Decimal(1), "positions": 1, "codes": 1, "is_apart": False})
    reports.folder().mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), reports.folder() / ANSWER)


IDS = """
    select c.table_name, c.column_name from information_schema.columns c
    join information_schema.columns o using (table_schema, table_name)
    where c.table_schema = 'public' and o.column_name = 'organisation_id' and c.udt_name = 'uuid'
      and c.column_name in ('id', 'person_id', 'agent_id', 'batch_id', 'system_id')"""


def _ids(owner: Any, organisation_id: UUID) -> set[str]:
    """Every id that appears in the tenant's rows."""
    found: set[str] = set()
    for table, column in owner.execute(IDS).fetchall():
        query = f"select {column}::text from {table} where organisation_id = %s and {column} is not null"
        found |= {row[0] for row in owner.execute(query, [organisation_id]).fetchall()}
    for table in ("passkey", "device"):
        query = f"select t.id::text from {table} t join person p on p.id = t.person_id where p.organisation_id = %s"
        found |= {row[0] for row in owner.execute(query, [organisation_id]).fetchall()}
    return found


# Parameters whose names say of what kind their value is.
NAMED = ("client_id", "secret_id", "invitation_id", "grant_id", "export_id", "token_id", "group_id", "provider_id",
         "domain_id", "passkey_id", "device_id")  # fmt: skip


def _pools(owner: Any, tenants: list[Tenant]) -> dict[str, list[str]]:
    """Values for parameters by their names, out of all tenants."""

    def column(query: str) -> list[str]:
        return [str(row[0]) for row in owner.execute(query).fetchall()]

    organisations = [str(t.id) for t in tenants] + [str(GROUP)]
    words = [f"{t.token}{end}" for t in tenants for end in ("-item", "-shared", " 轴承", "-doc")] + [GTIN, "轴承"]
    return {
        "organisation_id": organisations,
        "parent_id": organisations,
        "organisation": [t.key for t in tenants],
        "person_id": [str(t.person_id) for t in tenants],
        "agent_id": [str(t.agent_id) for t in tenants],
        "session_id": column("select id from login_session"),
        "batch_id": column("select id from batch"),
        "batch": column("select id from batch"),
        "build_id": [str(BUILD)],
        "report_id": column("select id from report"),
        "row_id": column("select id from quarantine"),
        "position_id": column("select id from position"),
        "place_id": column("select place_id from place"),
        "number": column("select number from golden_material"),
        "system": [t.system for t in tenants],
        "key": [t.system for t in tenants],
        "coverage": ["all"],
        "email": [f"{t.token}@mail.example" for t in tenants],
        "form": ["csv", "xlsx"],
        "format": ["csv", "parquet"],
        "text": words,
        "q": words,
        "row_no": ["0", "1", "21"],
        "item_id": [f"{t.token}-item" for t in tenants],
        "as_of": [(T0 + HOUR).isoformat()],
    } | {name: [t.things[name] for t in tenants] for name in NAMED}
