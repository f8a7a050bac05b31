"""The whole group before it enters its legacy systems: one DuckDB database of items, places, positions, movements, orders.
Every system's tables are SELECTs over these (`legacy/*/load.sql`); the truth is read off them too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo.catalogue import Material, draw_materials
from demo.history import DAYS, History
from demo.plants import ORGANISATIONS, PLACES, SYSTEMS
from demo.sources import source_items, suppliers

SOURCE_ITEMS, MOVEMENTS, SEED = 5_000, 500_000, 20_260

_OWNERS = "case when owner_no = 0 then '' else format('V{:04d}', owner_no) end"

_TABLES = f"""
create table positions as
select i.system, p.pos, p.item_no, p.place_no, p.lot_no, {_OWNERS} as owner, p.quantity, p.reserved, p.expires_on,
    case when p.lot_no = 0 then '' else format('L{{}}{{:02d}}', strftime(p.born_on, '%y%m%d'), p.lot_no) end as lot
from raw_positions p join items i using (item) order by p.pos;

create table moves as
with places as (
    select m.*, i.system, i.item_no, s.place_no as src_place, d.place_no as dst_place, coalesce(s.lot, d.lot) as lot,
        coalesce(s.owner, d.owner) as owner, make_timestamp(m.epoch * 1000000) as stamp,
        case when m.kind = 'receipt' then 1 + (i.item_no * 7) % n.suppliers end as supplier_no
    from raw_moves m
    left join positions s on s.pos = m.src left join positions d on d.pos = m.dst
    join raw_positions p on p.pos = coalesce(d.pos, s.pos) join items i using (item)
    join (select system, count(*) as suppliers from suppliers group by system) n on n.system = i.system
), documents as (
    select *, max(stamp) over doc as booked_at, row_number() over (doc order by epoch, src, dst) as line_no,
        dense_rank() over (partition by system order by epoch // 3600, kind, src_place, dst_place, supplier_no, owner) as doc_no
    from places
    window doc as (partition by system, epoch // 3600, kind, src_place, dst_place, supplier_no, owner)
)
select system, doc_no, line_no, row_number() over (partition by system order by doc_no, line_no) as move_no, kind, item_no,
    src_place, dst_place, src, dst, lot, owner, cast(cast(qty as decimal(18, 0)) * 0.001 as decimal(18, 3)) as quantity, supplier_no,
    booked_at as at_utc, booked_at + interval 8 hour as at_local
from documents order by system, move_no;

create table orders as
with lines as (
    select m.move_no, m.system, m.item_no, m.supplier_no, m.dst_place as place_no, m.quantity, m.quantity as received, 'closed' as state,
        cast(m.at_local as date) as received_on, hash(m.move_no, m.system) as roll
    from moves m where kind = 'receipt' and owner = '' and at_local >= $start + interval 365 day
    union all
    select null, i.system, i.item_no, 1 + (i.item_no * 7) % n.suppliers, 1, greatest(i.lot_size, 1), 0,
        case when hash(i.name) % 20 = 0 then 'cancelled' when hash(i.name) % 20 = 1 then 'draft' else 'open' end,
        cast($now as date) + cast(hash(i.item_no) % 40 as integer), hash(i.item_no, i.system, 1)
    from items i join (select system, count(*) as suppliers from suppliers group by system) n using (system)
    where hash(i.item_no, i.system, 2) % 100 < 7 and i.active
), dated as (
    select *, received_on - cast(8 + roll % 30 as integer) as asked_on from lines
), units as (
    select d.*, least(asked_on, cast($now as date)) as ordered_on, received_on as due_on, i.cost, i.currency, i.unit_word,
        case when i.unit = 'kg' and d.quantity >= 1000 then 1000 else 1 end as factor
    from dated d join items i using (system, item_no)
)
select system, dense_rank() over (partition by system order by ordered_on, supplier_no) as order_no,
    row_number() over (partition by system, ordered_on, supplier_no order by item_no, due_on, roll) as line_no,
    move_no, item_no, supplier_no, place_no, state, ordered_on, due_on, factor,
    case factor when 1000 then case system when 'kongxi-erpnext' then 'Tonne' when 'wugang-odoo' then 't' else '吨' end
        else unit_word end as unit_word,
    cast(quantity as decimal(18, 3)) as base_quantity, cast(received as decimal(18, 3)) as base_received,
    cast(quantity / factor as decimal(18, 6)) as quantity, cast(received / factor as decimal(18, 6)) as received,
    round(cost * factor, 4) as price, currency
from units order by system, order_no, line_no;

create view order_lines as select *, row_number() over (partition by system order by order_no, line_no) as n from orders;

create table unit_words as
select system, w, row_number() over (partition by system order by w) as n from (
    select system, unit_word as w from items union select system, base_word from items union select system, unit_word from orders);
"""


class World:
    """`con` holds the tables; `materials` the true materials by index; `start` and `now` bound the history."""

    def __init__(self, scale: float, now: datetime, seed: int = SEED) -> None:
        rng = np.random.default_rng(seed)
        count = max(60, round(SOURCE_ITEMS * scale))
        self.now = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        self.start = self.now - timedelta(days=DAYS)
        self.materials: list[Material] = draw_materials(round(count * 0.42), rng)
        items = source_items(self.materials, count, rng)
        history = History(items, round(MOVEMENTS * scale), DAYS * 86_400, rng)
        self.con = duckdb.connect(config={"threads": 2})
        self._fill(items, history, suppliers(rng), rng)

    def _fill(self, items: pa.Table, history: History, sellers: pa.Table, rng: np.random.Generator) -> None:
        con = self.con
        lot = np.bincount(history.pos["item"], weights=history.size, minlength=items.num_rows)
        size = pa.array(np.maximum(np.rint(lot * 2), 1).astype(np.int64))
        con.register(
            "new_items", items.append_column("lot_size", size).append_column("item", pa.array(range(items.num_rows)))
        )
        con.register("new_suppliers", sellers)
        con.register("new_positions", self._positions(items, history, rng))
        con.register("new_moves", self._moves(history))
        for name in ("items", "suppliers"):
            con.execute(f"create table {name} as select * from new_{name}")
        con.execute("create table raw_positions as select * from new_positions")
        con.execute("create table raw_moves as select * from new_moves")
        con.register("new_places", _places())
        con.execute("create table places as select * from new_places")
        con.execute("create macro iso(t) as strftime(t, '%Y-%m-%d %H:%M:%S')")
        bounds = {"start": self.start.replace(tzinfo=None), "now": self.now.replace(tzinfo=None)}
        for statement in _TABLES.strip().rstrip(";").split(";\n"):
            con.execute(statement, {k: v for k, v in bounds.items() if f"${k}" in statement})

    def _positions(self, items: pa.Table, history: History, rng: np.random.Generator) -> pa.Table:
        pos, balance = history.pos, history.balance()
        born = self.start.timestamp() + history.lot_born
        shelf = items["shelf_days"].to_numpy()[pos["item"]]
        free = np.isin(pos["role"], (0, 1, 2)) & (balance > 0) & (rng.random(history.n) < 0.12)
        share = (balance * 0.4 * rng.random(history.n)).astype(np.int64) // history.grain * history.grain
        expires = [
            datetime.fromtimestamp(b + d * 86_400, UTC).date() if lot and d else None
            for b, d, lot in zip(born, shelf, pos["lot"], strict=True)
        ]
        columns = {
            "pos": np.arange(history.n), "item": pos["item"], "item_no": items["item_no"].to_numpy()[pos["item"]], "place_no": pos["place"] + 1,
            "lot_no": pos["lot"], "owner_no": pos["owner"], "born_on": pa.array([datetime.fromtimestamp(b, UTC).date() for b in born]),
            "expires_on": pa.array(expires, pa.date32()), "quantity": _thousandths(balance), "reserved": _thousandths(np.where(free, share, 0)),
        }  # fmt: skip
        return pa.table(columns)

    def _moves(self, history: History) -> pa.Table:
        moves = history.moves.table()
        kinds = pa.DictionaryArray.from_arrays(pa.array(moves["kind"].astype(np.int32)), pa.array(History.KINDS)).cast(
            pa.string()
        )
        epoch = moves["at"] + int(self.start.timestamp())
        columns = {name: moves[name] for name in ("src", "dst", "qty")}
        return pa.table({"kind": kinds, "epoch": epoch, **columns})


def _thousandths(values: np.ndarray) -> pa.Array:
    whole = pa.array(values.astype(np.int64)).cast(pa.decimal128(19, 0))
    return pc.divide(whole, pa.scalar(1000, pa.decimal128(4, 0))).cast(pa.decimal128(24, 3))


def _places() -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "system": s.key,
                "place_no": n,
                "code": p.code,
                "name_zh": p.name_zh,
                "name_en": p.name_en,
                "status": p.status,
            }
            for s in SYSTEMS
            for n, p in enumerate(PLACES[s.key], start=1)
        ]
    )


def organisation_of(system: str) -> str:
    return next(s.organisation for s in SYSTEMS if s.key == system)


def material_rows(world: World) -> pa.Table:
    """The true materials as a table: material (index), number, family, names, specification, base unit, brand, mpn, gtin, price."""
    rows = [
        {
            "material": i, "number": m.number, "family": m.family.key, "name_zh": f"{m.family.zh[0]} {m.spec}", "name_en": f"{m.family.en[0]} {m.spec_en}",
            "specification": m.spec, "base_unit": m.family.units[0][0], "brand": m.brand.split("|")[0], "mpn": m.mpn, "gtin": m.gtin, "price_cny": float(m.price),
        }
        for i, m in enumerate(world.materials)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def group_keys() -> list[str]:
    return [o.key for o in ORGANISATIONS]
