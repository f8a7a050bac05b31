"""One raw row of a batch, read out of its landed body: only the Parquet row group that holds it is decoded."""

from __future__ import annotations

import json
from typing import Any, BinaryIO
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.contract import ENVELOPE
from hub.errors import NotFound
from masterdata.intake import landing
from masterdata.intake.models import Batch
from masterdata.intake.schemas import RawRow


def get_row(session: Session, batch_id: UUID, row_no: int) -> RawRow:
    """The row as the legacy system gave it, and the record made of it; raises NotFound, landing.Missing."""
    batch = session.scalars(select(Batch).where(Batch.id == batch_id)).one_or_none()
    if batch is None or batch.state == "announced":
        raise NotFound(f"There is no batch {batch_id}.")
    found = landing.find(session, batch.organisation_id, batch.sha256)
    with landing.open_body(found) as body:
        row = _line(body, row_no) if batch.sync == "event" and body.read(1) == b"[" else _parquet(body, row_no)
    if row is None:
        raise NotFound(f"Batch {batch_id} has no row {row_no}.")
    problem, raw = row.pop("_problem", None), row.pop("_raw", None)
    row.pop("_row", None)
    said = raw if raw is None or isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    return RawRow(batch_id, row_no, said, {k: _text(v) for k, v in row.items()}, problem)


def _line(body: BinaryIO, row_no: int) -> dict[str, Any] | None:
    body.seek(0)
    lines: list[dict[str, Any]] = json.load(body)
    return lines[row_no] if 0 <= row_no < len(lines) else None


def _parquet(body: BinaryIO, row_no: int) -> dict[str, Any] | None:
    """Row numbers rise within a file, but need not be dense: a read may be split by organisation."""
    body.seek(0)
    file = pq.ParquetFile(body)
    column = file.schema_arrow.get_field_index(next(iter(ENVELOPE)))
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(column).statistics
        if known is not None and known.has_min_max and not known.min <= row_no <= known.max:
            continue
        table = file.read_row_group(group, use_threads=False)
        rows: pa.Table = table.filter(pc.equal(table["_row"], row_no))
        if rows.num_rows:
            first: dict[str, Any] = rows.slice(0, 1).to_pylist()[0]
            return first
    return None


def _text(value: Any) -> Any:
    """Numbers and instants as exact text, as JSON would round them."""
    return value if value is None or isinstance(value, bool | str) else str(value)
