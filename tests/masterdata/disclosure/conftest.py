"""A mill whose sisters hold the same material; a material, a policy and a reader of the test's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from hub.columns import new_id
from identity.principal import Principal
from identity.scopes import ROLES
from tests.masterdata.golden.conftest import shop
from tests.masterdata.shop import NOW, Plant, Shop

__all__ = ["shop"]
GTIN = "4006381333931"
SISTERS = ("b", "c", "d")
SOON = NOW + timedelta(days=30)
RULE = text("""
    insert into disclosure_rule (organisation_id, partner_kind, class_prefix, level, valid_from)
    values (:org, :kind, :prefix, :level, clock_timestamp() + cast(:wait as interval))""")


@dataclass
class Mills:
    """Plants a (who looks) and b, c, d, each with the material under its own code; a supplier and a carrier. Reads lie
    in the future, so that every age is 0 s whenever it is asked."""

    shop: Shop
    plants: dict[str, Plant] = field(default_factory=dict)
    number: str = ""

    def rule(self, plant: str, level: str | None, kind: str = "subsidiary", prefix: str = "", wait: str = "0") -> None:
        org = self.plants[plant].id
        self.shop.act(org)
        given = {"org": org, "kind": kind, "prefix": prefix, "level": level, "wait": wait}
        self.shop.session.execute(RULE, given)

    def hold(self, plant: str, *quantities: Any, unit: str = "C62") -> None:
        """Free quantities, each at a place of its own."""
        rows = [{"item": f"{plant}-1", "quantity": Decimal(q), "place": f"{plant}-W{n}", "unit": unit}
                for n, q in enumerate(quantities)]  # fmt: skip
        self.shop.observe(self.plants[plant], *rows)

    def look(self, plant: str) -> Plant:
        seen = self.plants[plant]
        self.shop.see(seen.id)
        return seen

    def principal(self, plant: str, *roles: str) -> Principal:
        org = self.plants[plant]
        scopes = frozenset[str]().union(*(ROLES[role] for role in roles or ("admin",) if role in ROLES))
        return Principal("person", new_id(), "Reader", org.id, (org.id,), scopes, locale="en", csrf="c")

    @contextmanager
    def undone(self) -> Any:
        """What a block writes is taken back, so that two worlds start from the same one."""
        tenancy = self.shop.session.info["tenancy"]
        nested = self.shop.session.begin_nested()
        try:
            yield
        finally:
            nested.rollback()
            self.shop.see(*tenancy.readable, acting=tenancy.acting)

    def apply(self, stocks: Mapping[str, list[Any]]) -> None:
        for plant, quantities in stocks.items():
            self.hold(plant, *quantities)


@pytest.fixture
def mills(shop: Shop) -> Mills:
    made = Mills(shop)
    for rank, key in enumerate(("a", *SISTERS), 1):
        made.plants[key] = plant = shop.plant(key, rank=rank, read=SOON, name_en=f"Mill {key.upper()}zq")
        shop.material(plant, f"{key}-1", name="轴承", gtin=GTIN, class_code="0203", unit_cost=2, currency="CNY")
    for key, kind in (("s", "supplier"), ("t", "carrier")):
        made.plants[key] = shop.plant(key, kind=kind, read=SOON)
    shop.observe(made.plants["a"], {"item": "a-1", "quantity": 1})
    made.number = shop.goldens()["a", "a-1"]
    return made


@pytest.fixture
def ask(client: Any, as_principal: Callable[[Any], None], mills: Mills) -> Callable[..., Any]:
    """`ask("a", "/v1/…")`: the answer to somebody of that organisation."""

    def get(plant: str, path: str, method: str = "GET", **given: Any) -> Any:
        mills.shop.session.flush()
        as_principal(mills.principal(plant, *given.pop("roles", ())))
        return client.request(method, path.format(number=mills.number), **given)

    return get
