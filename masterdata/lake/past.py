"""The golden inventory of the whole group at another instant, as it was known then, out of the published lake. The same
question with the same `known_at` has the same answer, whatever has arrived since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
from sqlalchemy import Engine

from hub import lake
from hub.database import NOBODY, unit_of_work
from hub.errors import Unprocessable
from hub.settings import settings
from masterdata.lake.models import current
from masterdata.lake.reading import published


@dataclass(frozen=True, slots=True)
class Question:
    """`as_of`: what was so at that instant; `known_at`: counting only what was recorded by then (None: all the current
    build knows)."""

    as_of: datetime
    known_at: datetime | None = None


@contextmanager
def golden_as_of(
    engine: Engine, readable: Sequence[UUID] | lake.Everyone, asked: Question
) -> Iterator[pa.RecordBatchReader]:
    """Rows per organisation, golden material, unit and currency, in that order; quantities in the golden unit (apart:
    in their own), values in own currency and the group's. Raises NotFound before the first build, Unprocessable where
    the build does not reach `known_at`."""
    with unit_of_work(engine, NOBODY) as session:
        build = current(session)
        reached, queries = (build.known_at, build.queries) if build else (None, {})
    known = asked.known_at or reached
    if known and reached and known > reached:
        raise Unprocessable(f"The lake knows what was recorded until {reached.isoformat()}. Build it first.")
    with published(engine, readable, build_id=build.id if build else None) as db:
        rate_day = asked.as_of.astimezone(ZoneInfo(settings().zone)).date()
        given = {"as_of": asked.as_of, "known_at": known, "rate_day": rate_day}
        yield db.sql(queries["question"], params=given).to_arrow_reader(10_000)
