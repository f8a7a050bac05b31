"""Plants of a group with systems, materials and stock, written through the ledger and matching as the intake does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.models import Organisation
from masterdata.intake.models import Batch
from masterdata.landscape.models import Coverage, SourceSystem
from masterdata.ledger import recording, staging
from masterdata.ledger.batch import BatchRef
from masterdata.ledger.keys import content_sql, hash_sql, identity_sql
from masterdata.ledger.movements import apply_movements
from masterdata.ledger.observations import apply_positions
from masterdata.materials import matching
from masterdata.materials.models import MaterialUnit, SourceMaterial, UnitCost

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Plant:
    organisation: Organisation
    system: SourceSystem
    coverage: Coverage
    materials: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return self.organisation.id


class Shop:
    def __init__(self, session: Session, make_org: Callable[..., Organisation]) -> None:
        self.session, self._make_org = session, make_org
        self.group = session.info["tenancy"].acting

    def plant(self, key: str, sla: int = 3600, read: datetime | None = NOW, **fields: Any) -> Plant:
        org = self._make_org(key, **fields)
        self.act(org.id)
        system = SourceSystem(
            id=new_id(), organisation_id=org.id, organisations=[org.id], key=f"{key}-sys", kind="sql",
            name_zh=key, name_en=key, zone="UTC",
        )  # fmt: skip
        coverage = Coverage(
            organisation_id=org.id,
            system_id=system.id,
            name="all",
            sla_seconds=sla,
            read_through=read,
            read_clock="source",
        )
        self.session.add_all([system, coverage])
        self.session.flush()
        return Plant(org, system, coverage)

    def act(self, organisation_id: UUID) -> None:
        set_tenancy(self.session, Tenancy(self.session.info["tenancy"].readable, organisation_id))

    def see(self, *organisations: UUID, acting: UUID | None = None) -> None:
        set_tenancy(self.session, Tenancy(organisations, acting or organisations[0]))

    @property
    def connection(self) -> psycopg.Connection:
        connection = self.session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        return connection

    def material(self, plant: Plant, item: str, refresh: bool = True, **fields: Any) -> int:
        """A source material as its system tells it, matched on arrival."""
        self.act(plant.id)
        given = {"item_code": item, "name": item, "base_unit": "C62", "is_active": True, "is_deleted": False} | fields
        statement = insert(SourceMaterial).values(
            organisation_id=plant.id, system_id=plant.system.id, item_id=item, **given
        )
        plant.materials[item] = self.session.execute(statement.returning(SourceMaterial.id)).scalar_one()
        if refresh:
            self.refresh(plant, item)
        return plant.materials[item]

    def refresh(self, plant: Plant, *items: str) -> int:
        self.act(plant.id)
        self.session.flush()
        return matching.refresh(self.connection, plant.id, [plant.materials[item] for item in items])

    def change(self, plant: Plant, item: str, **fields: Any) -> None:
        self.act(plant.id)
        assignments = ", ".join(f"{name} = :{name}" for name in fields)
        statement = f"update source_material set {assignments} where organisation_id = :org and id = :id"
        self.session.execute(text(statement), fields | {"org": plant.id, "id": plant.materials[item]})
        self.refresh(plant, item)

    def unit(self, plant: Plant, item: str, unit: str, numerator: Any, denominator: Any = 1) -> None:
        self.act(plant.id)
        self.session.add(
            MaterialUnit(
                organisation_id=plant.id, material_id=plant.materials[item], unit=unit,
                valid_from=NOW - timedelta(days=900),
                numerator=Decimal(str(numerator)), denominator=Decimal(str(denominator)),
            )
        )  # fmt: skip
        self.refresh(plant, item)

    def cost(self, plant: Plant, item: str, cost: str, currency: str = "CNY", since: datetime | None = None) -> None:
        self.act(plant.id)
        self.session.add(
            UnitCost(
                organisation_id=plant.id, material_id=plant.materials[item], cost=Decimal(cost), currency=currency,
                valid_from=since or NOW - timedelta(days=900),
            )
        )  # fmt: skip
        self.change(plant, item, unit_cost=Decimal(cost), currency=currency)

    def _batch(self, plant: Plant, at: datetime, stream: str, sync: str) -> BatchRef:
        self.act(plant.id)
        batch = Batch(
            id=new_id(), organisation_id=plant.id, system_id=plant.system.id, stream=stream, coverage="all", sync=sync,
            observed_at=at, header={}, sha256="0", size=0, state="applied", rows_in=0, clock="source", counts="balance",
            traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
        )  # fmt: skip
        self.session.add(batch)
        self.session.flush()
        ids = recording.begin(self.connection)
        staging.create(self.connection)
        counts: Any = "balance+movements"
        return BatchRef(batch.id, plant.id, plant.system.id, plant.coverage.id, at, sync, counts, ids)  # type: ignore[arg-type]

    def observe(self, plant: Plant, *rows: dict[str, Any], at: datetime = NOW, sync: str = "full") -> datetime:
        """One read of the plant's stock; the instant from which it is known."""
        batch = self._batch(plant, at, "stock_positions", sync)
        for number, row in enumerate(rows):
            given = {
                "place": "W1",
                "lot": "",
                "owner": "",
                "status": "unrestricted",
                "unit": "C62",
                "reserved": None,
            } | row
            self.connection.execute(
                "insert into stage_position (item_id, place_id, lot, owner, status, unit, quantity, reserved, row_no,"
                " n) values (%(item)s, %(place)s, %(lot)s, %(owner)s, %(status)s, %(unit)s, %(quantity)s,"
                " %(reserved)s, %(n)s, 1)",
                given | {"n": number},
            )
        self.connection.execute(f"update stage_position set hash = {hash_sql(self._literal(plant))}")
        apply_positions(self.connection, batch)
        return self._close(batch)

    def move(self, plant: Plant, item: str, quantity: Any, at: datetime, booked: bool = True, **more: Any) -> datetime:
        batch = self._batch(plant, at, "stock_movements", "incremental")
        given = {
            "item": item, "place": "W1", "unit": "C62", "quantity": quantity, "booked": at if booked else None,
            "at": at, "kind": "receipt", "document": str(new_id()),
        } | more  # fmt: skip
        self.connection.execute(
            "insert into stage_movement (item_id, place_id, lot, owner, status, unit, quantity, booked_at, occurred_at,"
            " is_voided, kind, document, line, row_no) values (%(item)s, %(place)s, '', '', 'unrestricted', %(unit)s,"
            " %(quantity)s, %(booked)s, %(at)s, false, %(kind)s, %(document)s, '1', 0)",
            given,
        )
        literal = self._literal(plant)
        self.connection.execute(f"update stage_movement set hash = {hash_sql(literal)}")
        self.connection.execute(f"update stage_movement set content = {content_sql()}")
        self.connection.execute(f"update stage_movement set identity = {identity_sql(literal).replace('ordinal', '1')}")
        apply_movements(self.connection, batch)
        return self._close(batch)

    def _literal(self, plant: Plant) -> str:
        return f"'{plant.system.id}'"

    def _close(self, batch: BatchRef) -> datetime:
        at = recording.close(self.connection, batch.recording_id)
        for table in ("stage_position", "stage_gap", "stage_movement", "fresh", "seen", "effect", "version", "touched"):
            if self.connection.execute("select to_regclass(%s)", [f"pg_temp.{table}"]).fetchone() != (None,):
                self.connection.execute(f"truncate pg_temp.{table}")
        return at

    def rate(self, currency: str, rate: str, on: Any = None) -> None:
        self.session.execute(
            text("insert into exchange_rate (currency, rate_on, rate) values (:currency, :on, :rate)"),
            {"currency": currency, "on": on or (NOW - timedelta(days=1)).date(), "rate": rate},
        )

    def goldens(self) -> dict[tuple[str, str], str]:
        """(plant, item) → golden number."""
        rows = self.session.execute(
            text(
                "select o.key, m.item_id, g.number from source_material m join golden_material g on g.id = m.golden_id"
                " join organisation o on o.id = m.organisation_id"
            )
        )
        return {(key, item): number for key, item, number in rows}

    def partition(self) -> set[frozenset[tuple[str, str]]]:
        """Which records are one, whatever their numbers."""
        groups: dict[str, set[tuple[str, str]]] = {}
        for record, number in self.goldens().items():
            groups.setdefault(number, set()).add(record)
        return {frozenset(group) for group in groups.values()}
