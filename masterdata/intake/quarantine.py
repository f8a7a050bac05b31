"""Writing quarantined rows: out of a batch's frame, set-wise, in the transaction that applies the batch."""

from __future__ import annotations

import psycopg

from masterdata.intake import frame as frames
from masterdata.intake.frame import Frame
from masterdata.intake.models import Batch

_STAGE = """
create temp table if not exists stage_quarantine (
    row_no bigint, reason text, field text, value text, detail text, record jsonb, raw text, hash uuid)
    on commit delete rows;
delete from stage_quarantine"""

_KEEP = """
insert into quarantine (organisation_id, batch_id, system_id, stream, row_no, reason, field, value, detail, record, raw,
                        position_hash, state)
select %(org)s, %(batch)s, %(system)s, %(stream)s, row_no, reason, field, value, detail, record, raw, hash, 'open'
from stage_quarantine order by row_no"""


def keep(frame: Frame, connection: psycopg.Connection, batch: Batch) -> int:
    """Quarantine the frame's bad rows; how many."""
    if not frame.number("select count(*) from bad"):
        return 0
    # Row security forbids COPY into the fenced table itself.
    connection.execute(_STAGE)
    frame.copy(frames.quarantined_sql(frame), connection, "stage_quarantine")
    values = {"org": batch.organisation_id, "batch": batch.id, "system": batch.system_id, "stream": batch.stream}
    return connection.execute(_KEEP, values).rowcount
