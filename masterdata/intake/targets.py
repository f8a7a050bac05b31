"""Where each stream of master records lives: its table, its columns as SQL over the staged record, its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def own(alias: str) -> str:
    """The rows of the batch's organisation and system."""
    return f"{alias}.organisation_id = %(org)s and {alias}.system_id = %(system)s"


MATERIAL = f"join source_material m on {own('m')} and m.item_id = s.item_id"


@dataclass(frozen=True)
class Target:
    """`columns` are expressions over the staged row `s` (and its material `m`); `gone` is the column, and the value
    it takes, by which a full read marks what it no longer lists."""

    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    gone: tuple[str, str]
    has_material: bool = False

    def matches(self, alias: str) -> str:
        return " and ".join(f"t.{k} = {alias}.{k}" for k in self.key)

    @property
    def upsert(self) -> str:
        """Insert or update by key where the record says something else and is not older."""
        said = [c for c in self.columns if c not in self.key]
        sets = ", ".join(f"{c} = excluded.{c}" for c in (*said, "modified_at", "batch_id", "row_no"))
        differs = " or ".join(f"t.{c} is distinct from excluded.{c}" for c in said)
        return f"""
insert into {self.table} as t (organisation_id, system_id, {", ".join(self.columns)}, modified_at, batch_id, row_no)
select %(org)s, %(system)s, {", ".join(self.columns.values())}, s.version_at, %(batch)s, s.row_no
from stage s {MATERIAL if self.has_material else ""}
order by {", ".join(self.columns[k] for k in self.key)}
on conflict (organisation_id, system_id, {", ".join(self.key)}) do update set {sets}
where (t.modified_at is null or t.modified_at <= excluded.modified_at) and ({differs})"""

    @property
    def older(self) -> str:
        """How many staged records are older than the stored ones."""
        return f"""
select count(*) from stage s join {self.table} t on {own("t")} and {self.matches("s")}
where t.modified_at > s.version_at"""

    @property
    def mark_gone(self) -> str:
        """Mark what neither `stage` nor `stage_bad` lists; newer records and stubs without a record stay."""
        column, value = self.gone
        return f"""
update {self.table} t set {column} = {value}
where {own("t")} and t.batch_id is not null and t.modified_at <= %(at)s and t.{column} <> {value}
  and not exists (select from stage s where {self.matches("s")})
  and not exists (select from stage_bad b where {self.matches("b")})"""


def _same(*names: str) -> dict[str, str]:
    return {name: f"s.{name}" for name in names}


_ACTIVE = {"is_active": "coalesce(s.active, true)"}
_FIELDS = {"fields": "jsonb_strip_nulls(to_jsonb(s) - array['version_at', 'row_no'])"}
_LINE = {**_same("document", "line"), "material_id": "m.id", **_FIELDS}

TARGETS: Mapping[str, Target] = {
    "materials": Target(
        "source_material",
        _same("item_id", "item_code", "name", "name_zh", "name_en", "specification", "class_code", "base_unit")
        | _same("gtin", "brand", "mpn")
        | _ACTIVE
        | {"is_deleted": "coalesce(s.deleted, false)"},
        ("item_id",),
        gone=("is_deleted", "true"),
    ),
    "locations": Target(
        "place",
        _same("place_id", "place_code", "name", "parent_id", "kind") | _ACTIVE,
        ("place_id",),
        gone=("is_active", "false"),
    ),
    "partners": Target(
        "partner",
        _same("partner_id", "partner_code", "name", "kind", "tax_id", "country") | _ACTIVE,
        ("partner_id",),
        gone=("is_active", "false"),
    ),
    "purchase_orders": Target(
        "purchase_order_line",
        _LINE | {"state": "s.state", "is_gone": "false"},
        ("document", "line"),
        gone=("is_gone", "true"),
        has_material=True,
    ),
    "demand": Target(
        "demand_line",
        _LINE | {"occurred_at": "s.occurred_at", "is_gone": "coalesce(s.voided, false)"},
        ("document", "line"),
        gone=("is_gone", "true"),
        has_material=True,
    ),
}
