"""Column types that mean one thing everywhere."""

from __future__ import annotations

import os
import time
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import mapped_column


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562 §6.2, method 3: the clock goes on below the millisecond), so that what one process
    makes one after another sorts that way. Made here so that PostgreSQL 15 is enough."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") & ~(0x3 << 62)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0x2 << 62) | random)


Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
# Surrogate keys of tables with millions of rows.
Serial = Annotated[int, mapped_column(BigInteger, Identity())]
# Without a foreign key, for tables written a million rows at a time.
OrganisationKey = Annotated[UUID, mapped_column()]
OrganisationId = Annotated[UUID, mapped_column(ForeignKey("organisation.id"))]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))]
Quantity = Annotated[Decimal, mapped_column(Numeric(38, 9))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
