"""The whole group before it enters its legacy systems: one DuckDB database of items, places, positions, movements,
orders. Every system's tables are SELECTs over these (`legacy/*/load.sql`); the truth is read off them too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo.catalogue import Material, draw_materials
from demo.history import DAYS, History
from demo.plants import ORGANISATIONS, PLACES, SYSTEMS
from demo.sources import source_items, suppliers

SOURCE_ITEMS, MOVEMENTS, SEED = 5_000, 500_000, 20_260


_TABLES = (Path(__file__).parent / "legacy" / "world.sql").read_text("utf-8")


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
            "pos": np.arange(history.n),
            "item": pos["item"],
            "item_no": items["item_no"].to_numpy()[pos["item"]],
            "place_no": pos["place"] + 1,
            "lot_no": pos["lot"],
            "owner_no": pos["owner"],
            "born_on": pa.array([datetime.fromtimestamp(b, UTC).date() for b in born]),
            "expires_on": pa.array(expires, pa.date32()),
            "quantity": _thousandths(balance),
            "reserved": _thousandths(np.where(free, share, 0)),
        }
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
    """The true materials as a table: material (index), number, family, names, specification, base unit, brand, mpn,
    gtin, price."""
    rows = [
        {
            "material": i,
            "number": m.number,
            "family": m.family.key,
            "name_zh": f"{m.family.zh[0]} {m.spec}",
            "name_en": f"{m.family.en[0]} {m.spec_en}",
            "specification": m.spec,
            "base_unit": m.family.units[0][0],
            "brand": m.brand.split("|")[0],
            "mpn": m.mpn,
            "gtin": m.gtin,
            "price_cny": float(m.price),
        }
        for i, m in enumerate(world.materials)
    ]
    return pa.Table.from_pylist(rows)


def group_keys() -> list[str]:
    return [o.key for o in ORGANISATIONS]
