"""A shop whose build is published, and answers written as a worker would leave them: rows of both plants in one
file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from masterdata.reports import service
from masterdata.reports.models import Report
from tests.masterdata.lake_pages.conftest import Lake, lake, reader, shop
from tests.masterdata.shop import NOW

__all__ = ["lake", "reader", "shop"]
THEN = NOW - timedelta(days=1)
QUANTITY = pa.decimal128(38, 9)
MONEY = pa.decimal128(38, 2)
QUANTITIES = ("on_hand", "unrestricted", "quality", "blocked", "in_transit", "consigned")
SCHEMA = pa.schema([
    ("organisation_id", pa.string()), ("number", pa.string()), ("unit", pa.string()),
    *((name, QUANTITY) for name in QUANTITIES),
    ("currency", pa.string()), ("value", MONEY), ("group_value", MONEY), ("positions", pa.int64()),
    ("codes", pa.int64()), ("is_apart", pa.bool_()),
])  # fmt: skip


@dataclass
class Desk:
    """Asks over HTTP, and answers in the worker's place."""

    lake: Lake
    client: Any

    def ask(self, **given: Any) -> Any:
        asked = {"kind": "golden_inventory", "as_of": THEN.isoformat()} | given
        return self.client.post("/v1/reports", json={k: v for k, v in asked.items() if v is not None})

    def row(self, plant: str, on_hand: int = 5, number: str | None = None, **more: Any) -> dict[str, Any]:
        quantities = dict.fromkeys(QUANTITIES[2:], Decimal(0))
        held = Decimal(on_hand)
        known = {"organisation_id": str(self.lake.plants[plant].id), "number": number or self.lake.numbers[plant]}
        known |= {"unit": "C62", "on_hand": held, "unrestricted": held, "currency": "CNY", "value": held * 10}
        return known | {"group_value": held * 10, "positions": 1, "codes": 1, "is_apart": False} | quantities | more

    def answer(self, report_id: str, *rows: dict[str, Any], schema: pa.Schema = SCHEMA) -> Path:
        """Default: five of plant a's material, six of plant b's."""
        given = list(rows) or [self.row("a"), self.row("b", 6)]
        session = self.lake.shop.session
        owner, file = session.execute(
            text("select organisation_id, file from report where id = :id"), {"id": report_id}
        ).one()
        path = service.folder() / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(given, schema), path)
        counts = {str(plant.id): sum(r["organisation_id"] == str(plant.id) for r in given)
                  for plant in self.lake.plants.values()}  # fmt: skip
        self._ready(owner, report_id, counts)
        return path

    def _ready(self, owner: UUID, report_id: str, counts: dict[str, int]) -> None:
        shop = self.lake.shop
        shop.act(owner)
        report = shop.session.get_one(Report, (owner, UUID(report_id)))
        report.state, report.rows = "ready", counts
        shop.session.flush()
        shop.act(shop.group)

    def made(self, *rows: dict[str, Any], **given: Any) -> str:
        """The id of a report that is ready."""
        asked: str = self.ask(**given).json()["id"]
        self.answer(asked, *rows)
        return asked


@pytest.fixture
def desk(lake: Lake, client: Any, home: Path, reader: Callable[..., Any]) -> Desk:
    """Head office is signed in."""
    reader()
    return Desk(lake, client)


def moment(at: datetime) -> str:
    """As answers write it."""
    return at.isoformat().replace("+00:00", "Z")
