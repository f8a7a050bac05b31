"""The planted truth: which records are one material, exact unit factors, avoidable purchases, and the stock that really lies
in the legacy systems, now or as it was built. Scoring reads it; the hub never does."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from demo.families import REC20
from demo.load import KINDS, LEGACY, system_dsn
from demo.plants import SYSTEMS
from demo.world import World, material_rows

FREE_DAYS = 90
_COLUMNS = ("item_id", "place_id", "lot", "owner", "status", "unit", "quantity", "reserved")

# How each kind of system names its item and place: the same keys that its mapping gives.
_ITEM_ID = """case i.system when 'songjian-k3' then cast(1000 + i.item_no as varchar) when 'wugang-odoo' then cast(100 + i.item_no as varchar)
    when 'baishi-jsh' then cast(600 + i.item_no as varchar) else i.code end"""

_PLACE_ID = """case p.system when 'songjian-k3' then cast(200 + p.place_no as varchar) when 'wugang-odoo' then cast(10 + p.place_no as varchar)
    when 'baishi-jsh' then cast(20 + p.place_no as varchar) else w.code end"""
_OWNER = "case when p.system = 'wugang-odoo' and p.owner <> '' then cast(20 + cast(p.owner[2:] as integer) as varchar) else p.owner end"

_QUERIES = {
    "source_materials": f"""
select i.system, s.organisation, {_ITEM_ID} as item_id, i.code as item_code, m.number, i.unit_word as unit, m.base_unit, i.num as numerator, i.den as denominator,
    i.gtin = m.gtin as gtin_is_right, i.gtin <> '' as has_gtin, i.mpn <> '' as has_mpn
from items i join materials m using (material) join systems s using (system) order by i.system, i.item_no""",
    "opening_stock": f"""
select i.system, s.organisation, {_ITEM_ID} as item_id, {_PLACE_ID} as place_id, p.lot, {_OWNER} as owner, w.status, i.unit_word as unit, p.quantity, p.reserved, p.expires_on
from positions p join items i using (system, item_no) join places w on w.system = p.system and w.place_no = p.place_no join systems s on s.system = p.system""",
    # A purchase was avoidable if at its order date a sister held at least the quantity, own and unrestricted, beyond what
    # she herself issued in the 90 days before.
    "avoidable_purchases": f"""
with bought as (
    select o.system, s.organisation, o.order_no, o.line_no, i.item_no, i.material, i.code as item_code, o.state, o.ordered_on, cast(o.ordered_on as timestamp) as moment,
        cast(o.base_quantity as double) * i.num / i.den as quantity, i.price_cny, row_number() over () as n
    from orders o join items i using (system, item_no) join systems s using (system) where o.state in ('open', 'closed')
), legs as (
    select s.organisation, i.material, at_local as moment, sum(q * factor) as change, sum(used * factor) as used from (
        select system, item_no, at_local, src_place as place, -cast(quantity as double) as q, case kind when 'issue' then cast(quantity as double) else 0 end as used from moves where src_place is not null and owner = ''
        union all select system, item_no, at_local, dst_place, cast(quantity as double), 0 from moves where dst_place is not null and owner = '') l
    join (select system, item_no, material, num::double / den as factor from items) i using (system, item_no) join systems s using (system)
    join places w on w.system = l.system and w.place_no = l.place and w.status = 'unrestricted'
    group by 1, 2, 3
), running as (
    select organisation, material, moment, sum(change) over w as held, sum(used) over w as used_so_far from legs window w as (partition by organisation, material order by moment)
), asked as (
    select b.*, r.organisation as sister, b.moment - interval {FREE_DAYS} day as before from bought b join (select distinct organisation, material from legs) r on r.material = b.material and r.organisation <> b.organisation
), held as (
    select a.*, r.held, r.used_so_far from asked a asof join running r on r.organisation = a.sister and r.material = a.material and r.moment <= a.moment
), spare as (
    select h.*, h.held - (h.used_so_far - coalesce(r.used_so_far, 0)) as free from held h asof left join running r on r.organisation = h.sister and r.material = h.material and r.moment <= h.before
)
select n, system, organisation, order_no, line_no, item_code, m.number, state, ordered_on, quantity, sister, round(free, 3) as free, round(quantity * spare.price_cny, 2) as value_cny
from spare join materials m using (material) where free >= quantity order by system, order_no, line_no, sister""",
}


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
        "system_rows", pa.Table.from_pylist([{"system": s.key, "organisation": s.organisation} for s in SYSTEMS])
    )
    con.execute("create or replace temp table materials as select * from material_rows")
    con.execute("create or replace temp table systems as select * from system_rows")
    con.execute(f"copy materials to '{folder / 'materials.parquet'}'")
    for name, query in _QUERIES.items():
        con.execute(f"copy ({query}) to '{folder / name}.parquet'")


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
    query = f"select coalesce(sum(v), 0) from (select n, any_value(value_cny) as v from '{folder}/avoidable_purchases.parquet' group by n)"
    found = duckdb.connect().execute(query).fetchone()
    return Decimal(str(found[0] if found else 0))
