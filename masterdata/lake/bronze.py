"""Applied batches as rows of the lake, read anew from their landed bodies: what the ledger made of them plays no part.
A full snapshot is kept as what differs from the one before it in its coverage's chain."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from hub.errors import Unprocessable
from hub.lake.tables import TableSpec
from masterdata.ledger import keys

_QUANTITY, _INSTANT = pa.decimal128(38, 9), pa.timestamp("us", "UTC")
_KEY = [
    ("organisation_id", pa.string()),
    ("system_id", pa.uuid()),
    ("coverage_id", pa.int64()),
    ("batch_id", pa.uuid()),
    ("row_no", pa.int64()),
    ("position_key", pa.uuid()),
    ("item_id", pa.string()),
    ("place_id", pa.string()),
    ("lot", pa.string()),
    ("owner", pa.string()),
    ("status", pa.string()),
    ("unit", pa.string()),
    ("quantity", _QUANTITY),
]

# One row per key that an incremental read or an event lists, or in which a full snapshot differs from its forerunner:
# `listed`; `gone` is no longer listed; of a `gap` the snapshot could not say anything.
OBSERVATION = TableSpec(
    "bronze.stock_observation",
    pa.schema(
        [
            *_KEY,
            ("reserved", _QUANTITY),
            ("value", _QUANTITY),
            ("currency", pa.string()),
            ("expires_on", pa.date32()),
            ("kind", pa.string()),
            ("chain_no", pa.int64()),
        ]
    ),
    partition=("organisation_id",),
    sort=("coverage_id", "position_key"),
)
# Every sound movement line as delivered, repeats and restatements included.
MOVEMENT = TableSpec(
    "bronze.stock_movement",
    pa.schema(
        [
            *_KEY,
            ("identity", pa.uuid()),
            ("content", pa.uuid()),
            ("booked_at", _INSTANT),
            ("occurred_at", _INSTANT),
            ("modified_at", _INSTANT),
            ("is_voided", pa.bool_()),
            ("kind", pa.string()),
            ("document", pa.string()),
            ("line", pa.string()),
            ("partner_id", pa.string()),
        ]
    ),
    partition=("organisation_id",),
    sort=("coverage_id", "position_key"),
)
TABLES: Mapping[str, TableSpec] = {"stock_positions": OBSERVATION, "stock_movements": MOVEMENT}


# What a round of batches is worked on in: the batches, rows the intake set aside, rows for the lake.
_ROUND = """
create table batch (batch_id varchar, organisation_id varchar, system_id varchar, coverage_id bigint, sync varchar,
                    chain_no bigint, base_no bigint);
create table bad (batch_id varchar, row_no bigint, position_key varchar);
"""

_HASH = keys.hash_sql("system_id").replace("::uuid", "")
_CONTENT = keys.content_sql().replace("::uuid", "")
_IDENTITY = keys.identity_sql("system_id").replace("::uuid", "")
_FIELDS = "item_id, place_id, coalesce(lot, '') as lot, coalesce(owner, '') as owner, status, unit, quantity"
_FIELDS_OF = {
    "stock_positions": f"{_FIELDS}, reserved, value, currency, expires_on",
    "stock_movements": f"{_FIELDS}, booked_at, occurred_at, modified_at, coalesce(voided, false) as is_voided, kind,"
    " document, line, partner_id",
}

_SOUND = """
create or replace temp table sound as
select *, {hash} as {key} from (
    select b.organisation_id, b.system_id, b.coverage_id, b.batch_id, b.sync, b.chain_no, d._row as row_no, {fields}
    from delivered d join batch b on b.batch_id = d.batch_id
    where not exists (select 1 from bad q where q.batch_id = d.batch_id and q.row_no = d._row))
"""
# Their keys were read when they were judged: what cannot be read again was changed since.
_UNREAD = "select batch_id, row_no from sound where item_id is null or place_id is null or quantity is null limit 1"

# One row per key: of a read its rows summed, of an event the last.
_KEYED = """
    select organisation_id, system_id, coverage_id, batch_id, min(row_no) as row_no, position_key,
           max(item_id) as item_id, max(place_id) as place_id, max(lot) as lot, max(owner) as owner,
           max(status) as status, max(unit) as unit, cast(sum(quantity) as decimal(38,9)) as quantity,
           cast(sum(reserved) as decimal(38,9)) as reserved,
           case when count(distinct currency) <= 1 then cast(sum(value) as decimal(38,9)) end as value,
           case when count(distinct currency) <= 1 then max(currency) end as currency, min(expires_on) as expires_on
    from sound where sync <> 'event' group by organisation_id, system_id, coverage_id, batch_id, position_key
    union all
    select organisation_id, system_id, coverage_id, batch_id, row_no, position_key, item_id, place_id, lot, owner,
           status, unit, quantity, reserved, value, currency, expires_on
    from sound where sync = 'event'
    qualify row_number() over (partition by batch_id, position_key order by row_no desc) = 1"""

_EXPLICIT = f"insert into observation select *, 'listed', null from ({_KEYED})"

# Of one full snapshot and what its forerunner listed (`past`, empty for the first of a chain) or had gaps at.
_CHANGED = """
insert into observation
select n.*, 'listed', $chain from now n left join past p on p.position_key = n.position_key
where p.position_key is null or p.is_gap
   or (n.quantity, n.reserved, n.value, n.currency, n.expires_on)
      is distinct from (p.quantity, p.reserved, p.value, p.currency, p.expires_on)
"""
_GONE = """
insert into observation by name
select b.organisation_id, b.system_id, b.coverage_id, b.batch_id, p.position_key, 0 as quantity, 'gone' as kind,
       b.chain_no
from past p cross join batch b
where b.batch_id = $batch and not exists (select 1 from now n where n.position_key = p.position_key)
  and not exists (select 1 from bad q where q.batch_id = $batch and q.position_key = p.position_key)
"""
_GAPS = """
insert into observation by name
select distinct b.organisation_id, b.system_id, b.coverage_id, b.batch_id, q.position_key, 'gap' as kind, b.chain_no
from bad q join batch b on b.batch_id = q.batch_id where b.batch_id = $batch and q.position_key is not null
"""
_PAST = """
create or replace temp table past as
select position_key, quantity, reserved, value, currency, expires_on, false as is_gap from now
union all
select distinct position_key, null, null, null, null, null, true from bad where batch_id = $batch
   and position_key is not null
"""

_MOVED = f"""
insert into movement by name
with said as (select *, {_CONTENT.replace("hash::text", "hash")} as content from sound),
counted as (
    select *, case when coalesce(document, '') <> '' then 0
                   else row_number() over (partition by batch_id, content order by row_no) end as ordinal from said)
select * exclude (hash, ordinal, sync, chain_no), hash as position_key, {_IDENTITY} as identity from counted
"""


class BronzeError(Unprocessable):
    """A landed body does not say today what it said when it was applied; names batch and row."""


def begin(db: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of a round: `batch` and `bad` for the caller to fill, `observation` and `movement` to be read."""
    db.execute("set TimeZone = 'UTC'")
    db.execute(_ROUND)
    for name, spec in (("observation", OBSERVATION), ("movement", MOVEMENT)):
        db.register("empty", spec.schema.empty_table())
        db.execute(f"create table {name} as select * from empty")
        db.unregister("empty")


def take_listed(db: duckdb.DuckDBPyConnection) -> None:
    """Rows of incremental reads and events in `delivered` become observations."""
    _read(db, "stock_positions")
    db.execute(_EXPLICIT)


def take_snapshot(db: duckdb.DuckDBPyConnection, batch_id: str, chain_no: int) -> None:
    """The full snapshot in `delivered` becomes what differs from `past`; afterwards it is `past` itself."""
    keep_snapshot(db)
    db.execute(_CHANGED, {"chain": chain_no})
    db.execute(_GONE, {"batch": batch_id})
    db.execute(_GAPS, {"batch": batch_id})
    db.execute(_PAST, {"batch": batch_id})


def know_snapshot(db: duckdb.DuckDBPyConnection, batch_id: str) -> None:
    """The full snapshot in `delivered` is `past`: the forerunner of the next."""
    keep_snapshot(db)
    db.execute(_PAST, {"batch": batch_id})


def forget_past(db: duckdb.DuckDBPyConnection) -> None:
    """The next snapshot begins a chain: it is kept whole."""
    db.execute("create or replace temp table now as select * exclude (kind, chain_no) from observation limit 0")
    db.execute(_PAST, {"batch": ""})


def keep_snapshot(db: duckdb.DuckDBPyConnection) -> None:
    _read(db, "stock_positions")
    db.execute(f"create or replace temp table now as {_KEYED}")


def take_movements(db: duckdb.DuckDBPyConnection) -> None:
    """Movement lines in `delivered`, each with the identity of its source line."""
    _read(db, "stock_movements")
    db.execute(_MOVED)


def _read(db: duckdb.DuckDBPyConnection, stream: str) -> None:
    key = "hash" if stream == "stock_movements" else "position_key"
    db.execute(_SOUND.format(hash=_HASH, key=key, fields=_FIELDS_OF[stream]))
    for batch_id, row_no in db.execute(_UNREAD).fetchall():
        raise BronzeError(f"Row {row_no} of batch {batch_id} cannot be read from its landed body any more.")
