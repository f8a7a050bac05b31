"""The planted truth: which records are one material, exact unit factors, avoidable purchases, and the stock that
really lies in the legacy systems, now or as it was built. Scoring reads it; the hub never does."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from demo.families import REC20
from demo.load import KINDS, LEGACY, sections, system_dsn
from demo.plants import SYSTEMS
from demo.world import World, material_rows

_COLUMNS = ("item_id", "place_id", "lot", "owner", "status", "unit", "quantity", "reserved")


@dataclass(frozen=True, slots=True, order=True)
class StockKey:
    system: str
    item_id: str
    place_id: str
    lot: str
    owner: str
    status: str
    unit: str


def write_truth(world: World, folder: Path) -> None:
    """Parquet files in `folder`: materials, source_materials, opening_stock, avoidable_purchases."""
    folder.mkdir(parents=True, exist_ok=True)
    con = world.con
    con.register("material_rows", material_rows(world))
    con.register(
        "system_rows",
        pa.Table.from_pylist(
            [{"system": s.key, "organisation": s.organisation, "rank": n} for n, s in enumerate(SYSTEMS)]
        ),
    )
    con.execute("create or replace temp table materials as select * from material_rows")
    con.execute("create or replace temp table systems as select * from system_rows")
    con.execute(f"copy materials to '{folder / 'materials.parquet'}'")
    for _, name, query in sections(LEGACY / "truth.sql"):
        table = con.sql(query).to_arrow_table()
        pq.write_table(_with_claims(table) if name == "avoidable_purchases" else table, folder / f"{name}.parquet")


def _with_claims(found: pa.Table) -> pa.Table:
    """Column `taken`: in the order of rows each purchase is taken from at most one sister, and what she has given to an
    earlier one she cannot give again. This is the definition of gold.purchase_orders, too."""
    claimed: dict[tuple[str, str], float] = {}
    served: set[int] = set()
    taken = []
    columns = (found[c].to_pylist() for c in ("n", "number", "sister", "quantity", "free"))
    for n, number, sister, quantity, free in zip(*columns, strict=True):
        key = (number, sister)
        takes = n not in served and round(free - claimed.get(key, 0.0), 3) >= quantity
        if takes:
            served.add(n)
            claimed[key] = claimed.get(key, 0.0) + quantity
        taken.append(takes)
    return found.append_column("taken", pa.array(taken))


def read_truth(folder: Path) -> dict[str, pa.Table]:
    """The planted truth by name, for scoring; `materials.base_unit` as a Rec 20 code where it has one."""
    tables = {path.stem: pq.read_table(path) for path in sorted(folder.glob("*.parquet"))}
    units = [REC20[u] for u in tables["materials"]["base_unit"].to_pylist()]
    at = tables["materials"].schema.get_field_index("base_unit")
    tables["materials"] = tables["materials"].set_column(at, "base_unit", pa.array(units))
    return tables


def true_stock(admin_dsn: str, system: str, *, as_exported: bool = False) -> dict[StockKey, tuple[Decimal, Decimal]]:
    """(quantity, reserved) by key, by the legacy system's own tables at this moment; zero keys included. `as_exported`
    gives what a plant that only exports has last written into its files."""
    query = (LEGACY / KINDS[system] / "stock.sql").read_text("utf-8")
    if as_exported:
        query = query.replace("from stock s", "from exported_stock s")
    with psycopg.connect(system_dsn(admin_dsn, system)) as con:
        rows = con.execute(query.encode()).fetchall()
    return {StockKey(system, *row[:6]): (Decimal(row[6]), Decimal(row[7])) for row in rows}


def avoidable_value(folder: Path) -> Decimal:
    """CNY that would have stayed in the group, every purchase counted once."""
    query = f"select coalesce(sum(value_cny), 0) from '{folder}/avoidable_purchases.parquet' where taken"
    found = duckdb.connect().execute(query).fetchone()
    return Decimal(str(found[0] if found else 0))
