"""When facts became known. A transaction takes its recording's id early and gives it an instant last of all, under
one short lock held to the commit: instants rise in commit order, so what is known at an instant never changes."""

from __future__ import annotations

from datetime import datetime

import psycopg

_LOCK = 7_310_001


def begin(connection: psycopg.Connection) -> int:
    """The id under which this transaction's facts will be known."""
    row = connection.execute("select nextval(pg_get_serial_sequence('recording', 'id'))").fetchone()
    assert row is not None  # noqa: S101 - nextval always answers
    return int(row[0])


def close(connection: psycopg.Connection, recording_id: int) -> datetime:
    """Give the recording its instant. The last statement of the transaction: the lock is held until it commits."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    row = connection.execute(
        "insert into recording (id, recorded_at) select %s, greatest(clock_timestamp(),"
        " coalesce((select max(recorded_at) from recording), '-infinity') + interval '1 microsecond')"
        " returning recorded_at",
        [recording_id],
    ).fetchone()
    assert row is not None  # noqa: S101 - insert returning always answers
    instant: datetime = row[0]
    return instant
