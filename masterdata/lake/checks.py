"""What a build must keep beside the tests of its models: figures drawn from its file, judged by Great Expectations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True, slots=True)
class Rule:
    """A figure and the bounds it must keep; `rows` selects some of those that break it."""

    name: str
    stage: str
    figure: str
    most: float
    rows: str = ""


RULES: tuple[Rule, ...] = (
    Rule(
        "every_batch_in_bronze",
        "bronze",
        "select count(*) from pinned.batches b where b.stream in ('stock_positions', 'stock_movements')"
        " and b.batch_id not in (select batch_id from pinned.placed)",
        0,
    ),
    Rule(
        "every_line_in_bronze",
        "bronze",
        """select count(*) from (
            select b.batch_id from pinned.batches b
            left join bronze.stock_movement m on m.batch_id = b.batch_id
            where b.stream = 'stock_movements' group by b.batch_id, b.rows_in, b.quarantined
            having count(m.batch_id) <> b.rows_in - b.quarantined)""",
        0,
        """select b.batch_id, b.rows_in, b.quarantined, count(m.batch_id) as lines from pinned.batches b
           left join bronze.stock_movement m on m.batch_id = b.batch_id
           where b.stream = 'stock_movements' group by b.batch_id, b.rows_in, b.quarantined
           having count(m.batch_id) <> b.rows_in - b.quarantined""",
    ),
    Rule(
        "keys_as_written",
        "bronze",
        """select count(*) from bronze.stock_observation where kind = 'listed' and position_key <> cast(md5(concat_ws(
            chr(31), system_id, item_id, place_id, lot, owner, status, unit)) as uuid)""",
        0,
        """select batch_id, row_no, item_id, place_id from bronze.stock_observation
           where kind = 'listed' and position_key <> cast(md5(concat_ws(
            chr(31), system_id, item_id, place_id, lot, owner, status, unit)) as uuid)""",
    ),
    Rule(
        "every_position_in_the_golden_inventory",
        "gold",
        """select abs((select count(*) from silver.int_positions_current)
                     - (select coalesce(sum(positions), 0) from gold.golden_inventory))""",
        0,
    ),
    Rule(
        "ageing_adds_up",
        "gold",
        """select count(*) from (
            select s.material_id from silver.int_own_stock s
            left join gold.inventory_ageing a on a.material_id = s.material_id and a.unit = s.unit
            where s.on_hand > 0 group by s.material_id, s.unit, s.on_hand
            having sum(a.quantity) is distinct from s.on_hand)""",
        0,
    ),
    Rule(
        "history_ends_at_today",
        "gold",
        """select count(*) from silver.int_positions_current c
           left join (select position_key, quantity from gold.stock_history
                      where valid_to is null and known_to is null) h
             on h.position_key = c.position_key
           where coalesce(h.quantity, 0) <> c.quantity""",
        0,
        """select c.item_id, c.place_id, c.quantity, h.quantity as history from silver.int_positions_current c
           left join (select position_key, quantity from gold.stock_history
                      where valid_to is null and known_to is null) h
             on h.position_key = c.position_key
           where coalesce(h.quantity, 0) <> c.quantity""",
    ),
)
ROWS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule's figure, whether it was kept, and some rows that break it."""

    rule: Rule
    figure: float
    is_kept: bool
    rows: tuple[Mapping[str, str], ...] = ()


def check(db: duckdb.DuckDBPyConnection, stage: str) -> list[Checked]:
    """Judge the rules of a stage; raises RuntimeError where they could not be judged."""
    rules = [rule for rule in RULES if rule.stage == stage]
    figures = {rule.name: _number(db, rule.figure) for rule in rules}
    kept = _judged(figures, {rule.name: rule.most for rule in rules})
    return [
        Checked(rule, figures[rule.name], kept[rule.name], () if kept[rule.name] else _rows(db, rule)) for rule in rules
    ]


def _number(db: duckdb.DuckDBPyConnection, query: str) -> float:
    ((found,),) = db.execute(query).fetchall()
    return float(found or 0)


def _rows(db: duckdb.DuckDBPyConnection, rule: Rule) -> tuple[Mapping[str, str], ...]:
    if not rule.rows:
        return ()
    found = db.sql(rule.rows).limit(ROWS_SHOWN)
    return tuple(dict(zip(found.columns, map(str, row), strict=True)) for row in found.fetchall())


def _judged(figures: Mapping[str, float], most: Mapping[str, float]) -> dict[str, bool]:
    from masterdata.intake import expectations

    return expectations.within(figures, most)
