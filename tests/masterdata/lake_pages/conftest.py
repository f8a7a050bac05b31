"""A shop with a published build: findings, months, feeds and stock of two plants, as the marts leave them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from hub.columns import new_id
from identity.principal import Principal
from masterdata.intake.models import Batch
from masterdata.lake.models import Build, BuildFinding, MartFeed, MartMaterial, MartMonth
from tests.masterdata.golden.conftest import shop
from tests.masterdata.shop import NOW, Plant, Shop

__all__ = ["shop"]
READ = frozenset({"inventory:read", "feeds:read"})
LOCK = text("select pg_advisory_xact_lock(hashtextextended('build', 0))")


@dataclass
class Lake:
    """What a build left, written as the plants' own rows."""

    shop: Shop
    plants: dict[str, Plant] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    build_id: UUID = field(default_factory=new_id)

    def build(self, state: str = "published", **more: Any) -> Build:
        given = {
            "id": new_id(), "state": state, "reason": "command", "known_at": NOW, "started_at": NOW, "ended_at": NOW,
            "snapshots": {}, "steps": [], "checks": [], "figures": {"positions": 4, "holdings": 2, "differences": 0},
        } | more  # fmt: skip
        made = Build(**given)
        self.shop.session.add(made)
        self.shop.session.flush()
        return made

    def keep(self, plant: Plant, *rows: Any) -> None:
        self.shop.act(plant.id)
        self.shop.session.add_all(rows)
        self.shop.session.flush()
        self.shop.act(self.shop.group)

    def batch(self, plant: Plant) -> UUID:
        given = {"stream": "stock_positions", "coverage": "all", "sync": "full", "counts": "balance", "clock": "source"}
        given |= {"state": "applied", "sha256": "0", "traceparent": ""}
        batch = Batch(
            id=new_id(), organisation_id=plant.id, system_id=plant.system.id, observed_at=NOW, header={}, size=0,
            rows_in=0, **given,
        )  # fmt: skip
        self.keep(plant, batch)
        return batch.id

    def finding(self, plant: Plant, **detail: Any) -> None:
        told = {
            "what": "holding",
            "item": "X",
            "place": "all",
            "lot": "",
            "status": "",
            "unit": "C62",
            "field": "value",
        }
        told |= {"live": "1", "lake": "2", "position_id": None, "batch_id": None, "row_no": None} | detail
        made = {"organisation_id": plant.id, "build_id": self.build_id, "kind": "difference", "name": "holding"}
        self.keep(plant, BuildFinding(**made, detail=told))

    def month(self, plant: Plant, month: date, **more: float) -> None:
        given = {"closing_value": 100.0, "mean_value": 90.0, "issued_value": 30.0, "duplicate_value": 10.0} | more
        days = given.pop("days", 30)
        self.keep(plant, MartMonth(
            organisation_id=plant.id, month=month, days=days, shared_materials=1, materials=2, **given))  # fmt: skip

    def feed(self, plant: Plant, **more: Any) -> None:
        given = {
            "stream": "stock_positions", "batches": 20, "first_at": NOW - timedelta(days=2), "last_at": NOW,
            "rows_in": 100, "quarantined": 0, "interval_seconds": 60.0, "delay_p50_seconds": 5.0,
            "delay_p95_seconds": 9.0, "completeness": 1.0, "sla_seconds": 900, "breaks": 0,
        } | more  # fmt: skip
        self.keep(plant, MartFeed(
            organisation_id=plant.id, coverage_id=plant.coverage.id, system_id=plant.system.id, **given))  # fmt: skip

    def broken(self, key: str) -> Plant:
        """A plant whose 5 of X were made 9 by hand; the build found it."""
        plant = self.plants[key]
        self.shop.observe(plant, {"item": "X", "quantity": 5})
        changed = "update position set quantity = 9 where organisation_id = :org returning id"
        position_id = self.shop.session.execute(text(changed), {"org": plant.id}).scalar_one()
        self.finding(plant, what="position", field="quantity", position_id=position_id)
        return plant

    def held(self, plant: Plant) -> Decimal:
        self.shop.act(plant.id)
        query = text("select quantity from position where organisation_id = :org")
        quantity: Decimal = self.shop.session.execute(query, {"org": plant.id}).scalar_one()
        self.shop.act(self.shop.group)
        return quantity

    def stock(self, plant: Plant) -> None:
        self.keep(plant, MartMaterial(
            organisation_id=plant.id, material_id=plant.materials["X"], unit="C62", golden_id=1, on_hand=Decimal(7),
            value=Decimal(70), days_of_cover=14.0, excess=Decimal(2), excess_value=Decimal(20),
            last_moved_on=NOW.date(), dormant_value=Decimal(0), ages=[3, 0, 4, 0, 0]))  # fmt: skip


@pytest.fixture
def lake(shop: Shop) -> Lake:
    """Plants a and b, each with a material X of its own, a finding, a month, a feed and stock of the current build."""
    made = Lake(shop)
    made.build(id=made.build_id, is_current=True, figures={"positions": 4, "holdings": 2, "differences": 2})
    for key in ("a", "b"):
        plant = made.plants[key] = shop.plant(key)
        shop.material(plant, "X", name=f"{key} 机械密封")
        made.finding(plant)
        made.month(plant, date(2026, 10, 1), days=31)
        made.feed(plant)
        made.stock(plant)
    made.numbers = {key: shop.goldens()[key, "X"] for key in made.plants}
    return made


@pytest.fixture
def reader(lake: Lake, as_principal: Any) -> Callable[..., Principal]:
    """Signs somebody in: of head office, who reads all, or of one plant."""

    def sign_in(plant: str | None = None, scopes: frozenset[str] = READ, locale: str = "en") -> Principal:
        everyone = lake.shop.session.info["tenancy"].readable
        readable = everyone if plant is None else (lake.plants[plant].id,)
        acting = lake.shop.group if plant is None else readable[0]
        person = Principal(
            "person", new_id(), "Reader", acting, readable, scopes, is_group=plant is None, locale=locale, csrf="c"
        )
        as_principal(person)
        return person

    return sign_in
