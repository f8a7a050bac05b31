"""Session-lived temporary tables through which facts enter the ledger; emptied at every commit."""

from __future__ import annotations

import psycopg

# What the intake fills: one row per key (rows of one read summed, `n` of them), readable keys of quarantined rows,
# and movements as delivered. lot and owner are '' where absent. Of several batches staged as one, a movement names its
# own and the row number `first` at which that one begins.
_INTAKE = """
create temp table if not exists stage_position (
    hash uuid, item_id text, place_id text, lot text, owner text, status text, unit text,
    quantity numeric, reserved numeric, value numeric, currency text, expires_on date,
    row_no bigint, rows bigint[], n int) on commit delete rows;
create temp table if not exists stage_gap (hash uuid) on commit delete rows;
create temp table if not exists stage_movement (
    hash uuid, item_id text, place_id text, lot text, owner text, status text, unit text,
    identity uuid, content uuid, quantity numeric,
    booked_at timestamptz, occurred_at timestamptz, modified_at timestamptz, is_voided boolean,
    kind text, document text, line text, partner_id text, row_no bigint, batch_id uuid, first bigint)
    on commit delete rows;
"""

# The columns of a movement that a batch file brings.
DELIVERED = (
    "hash, item_id, place_id, lot, owner, status, unit, identity, content, quantity, booked_at, occurred_at,"
    " modified_at, is_voided, kind, document, line, partner_id, row_no"
)

# What the ledger works with between its statements: keys of movements without a position yet; keys whose observation
# must be written or whose late value must be looked at (with what is held; the words of the key only where it is new);
# versions of movements; what they do to positions; which positions were moved.
_WORK = """
create temp table if not exists fresh (
    position_id bigint, hash uuid, item_id text, place_id text, lot text, owner text, status text, unit text,
    row_no bigint)
    on commit delete rows;
create temp table if not exists seen (
    position_id bigint, material_id bigint, held numeric, hash uuid, item_id text, place_id text, lot text, owner text,
    status text, unit text, listed numeric, reserved numeric, value numeric, currency text, expires_on date,
    row_no bigint, rows bigint[], n int, is_late boolean, is_changed boolean, is_new boolean) on commit delete rows;
create temp table if not exists version (
    position_id bigint, identity uuid, content uuid, quantity numeric, booked_at timestamptz, occurred_at timestamptz,
    modified_at timestamptz, is_voided boolean, is_current boolean, is_known boolean, kind text, document text,
    line text, partner_id text, row_no bigint, batch_id uuid, first bigint) on commit delete rows;
create temp table if not exists effect (
    position_id bigint, at timestamptz, delta numeric, row_no bigint) on commit delete rows;
create temp table if not exists moved (
    position_id bigint, material_id bigint, place_id bigint, at timestamptz) on commit delete rows;
"""

_EMPTY_INTAKE = "delete from stage_position; delete from stage_gap; delete from stage_movement"
_EMPTY_WORK = "delete from fresh; delete from seen; delete from version; delete from effect; delete from moved"


def create(connection: psycopg.Connection) -> None:
    """Make the tables of this session if it has none yet; they are empty for the batch to come."""
    row = connection.execute("select to_regclass('pg_temp.moved')").fetchone()
    connection.execute(_EMPTY_INTAKE if row and row[0] else _INTAKE + _WORK)


def empty_work(connection: psycopg.Connection) -> None:
    """Forget the batch applied before in this transaction."""
    connection.execute(_EMPTY_WORK)


def moving(statement: str, *, also: str = "", those: str = "") -> str:
    """A statement that writes positions `p` and keeps in `moved` which, or `those` of them; `also` are named queries it
    needs."""
    return (
        f"with {also} told (id, material_id, place_id, at) as ({statement} returning p.id, p.material_id, p.place_id,"
        f" greatest(p.observed_at, p.moved_at)) insert into moved select * from told {those}"
    )
