"""Master records: the newest version of each key by the source's own modification time (else the read's instant).
What a full read no longer lists is marked gone, never dropped; stock of it stays."""

from __future__ import annotations

import psycopg

from connectors.contract import Stream
from masterdata.intake import costs
from masterdata.intake import frame as frames
from masterdata.intake.frame import Frame
from masterdata.intake.targets import MATERIAL, TARGETS, Target, own
from masterdata.ledger.batch import Account, BatchRef

_TYPES = {
    "VARCHAR": "text",
    "DECIMAL(38,9)": "numeric",
    "TIMESTAMPTZ": "timestamptz",
    "DATE": "date",
    "BOOLEAN": "boolean",
}

# The same record twice is one; rows that contradict each other are all refused, as nobody can say which one holds.
_CONTRADICTING = """
    select _row, 'duplicate_key|{first}' as fault, false as is_readable, null::uuid as hash from judged
    where fault is null and ({key}) in (
        select ({key}) from judged where fault is null group by {key} having count(distinct ({said})) > 1)"""

_ROWS = """
    select {fields}, _row,
           case when modified_at is null then timestamptz '{at}' else least(modified_at, latest()) end as version_at
    from judged where fault is null and _row not in (select _row from bad)
    qualify row_number() over (partition by {key} order by modified_at desc nulls last, _row) = 1"""

_KEYS_BAD = "select {key} from judged where fault is not null"

_STUBS = f"""
insert into source_material (organisation_id, system_id, item_id, is_active, is_deleted)
select distinct %(org)s::uuid, %(system)s::uuid, s.item_id, true, false from stage s
where not exists (select from source_material m where {own("m")} and m.item_id = s.item_id)
on conflict (organisation_id, system_id, item_id) do nothing"""

_FACTORS = f"""
insert into material_unit (organisation_id, material_id, unit, valid_from, numerator, denominator, batch_id, row_no)
select %(org)s, m.id, s.unit, s.version_at, s.numerator, s.denominator, %(batch)s, s.row_no
from stage s {MATERIAL}
left join lateral (
    select u.numerator, u.denominator from material_unit u
    where u.organisation_id = %(org)s and u.material_id = m.id and u.unit = s.unit and u.valid_from <= s.version_at
    order by u.valid_from desc, u.recorded_at desc limit 1) before on true
where before.numerator is distinct from s.numerator or before.denominator is distinct from s.denominator"""

_COSTS = f"""
insert into stage_cost (material_id, cost, currency, valid_from)
select m.id, s.unit_cost, coalesce(s.currency, o.currency), s.version_at
from stage s {MATERIAL} join organisation o on o.id = m.organisation_id
where s.unit_cost is not null"""


def apply(frame: Frame, connection: psycopg.Connection, batch: BatchRef) -> Account:
    """Write the staged records; account in rows: records that change nothing are unchanged, older ones and repetitions
    duplicates."""
    stream = frame.stream.name
    staged = _count(connection, "select count(*) from stage")
    sound = frame.number("select count(*) from judged where fault is null and _row not in (select _row from bad)")
    if stream == "material_units":
        connection.execute(_STUBS, batch.parameters)
        written, older = connection.execute(_FACTORS, batch.parameters).rowcount, 0
    else:
        written, older = _write(connection, batch, TARGETS[stream])
    if stream == "materials":
        costs.stage(connection)
        connection.execute(_COSTS, batch.parameters)
        costs.keep(connection, batch)
    return Account(written, staged - written - older, sound - staged + older)


def stage(frame: Frame, connection: psycopg.Connection, batch: BatchRef) -> None:
    """Fill `stage` with the newest sound record of each key. Records that contradict each other become bad."""
    stream = frame.stream
    key = ", ".join(stream.key)
    said = ", ".join(f.name for f in stream.fields if f.name != "modified_at")
    frames.add_bad(frame, _CONTRADICTING.format(first=stream.key[0], key=key, said=said))
    connection.execute("drop table if exists stage")
    connection.execute(_stage_sql(stream))
    fields = ", ".join(f.name for f in stream.fields)
    frame.copy(_ROWS.format(fields=fields, key=key, at=batch.observed_at.isoformat()), connection, "stage")
    connection.execute("analyze stage")


def mark_gone(frame: Frame, connection: psycopg.Connection, batch: BatchRef) -> int:
    """Mark what a full read no longer lists; how many. Not after an unreadable row, which may be any of them."""
    target = TARGETS.get(frame.stream.name)
    if target is None or frame.number("select count(*) from bad where fault like 'unreadable%'"):
        return 0
    key = ", ".join(target.key)
    connection.execute("drop table if exists stage_bad")
    connection.execute(f"create temp table stage_bad as select {key} from stage limit 0")
    frame.copy(f"select {key} from judged where _row in (select _row from bad)", connection, "stage_bad")
    return connection.execute(target.mark_gone, batch.parameters).rowcount


def _write(connection: psycopg.Connection, batch: BatchRef, target: Target) -> tuple[int, int]:
    """Records written, and records left out because the stored one is newer."""
    if target.has_material:
        connection.execute(_STUBS, batch.parameters)
    older = _count(connection, target.older, batch)
    return connection.execute(target.upsert, batch.parameters).rowcount, older


def _stage_sql(stream: Stream) -> str:
    columns = ", ".join(f"{f.name} {_TYPES[f.type]}" for f in stream.fields)
    return f"create temp table stage ({columns}, row_no bigint, version_at timestamptz)"


def _count(connection: psycopg.Connection, query: str, batch: BatchRef | None = None) -> int:
    row = connection.execute(query, batch.parameters if batch else None).fetchone()
    return int(row[0]) if row else 0
