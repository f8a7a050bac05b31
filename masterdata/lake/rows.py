"""Rows out of the lake as a stream: the first of them, all of them as a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from hub.errors import Unprocessable

WRITERS = {"parquet": pq.ParquetWriter, "csv": pa_csv.CSVWriter}


def first(found: pa.RecordBatchReader, most: int) -> Iterator[dict[str, Any]]:
    """The first rows."""
    return islice((row for batch in found for row in batch.to_pylist()), most)


def write(found: pa.RecordBatchReader, path: Path) -> int:
    """Write the rows as Parquet or CSV, by the name's end; how many. Raises Unprocessable for another."""
    form = path.suffix.removeprefix(".")
    if form not in WRITERS:
        raise Unprocessable(f"{path.name}: a file ends with .parquet or .csv.")
    with path.open("wb") as file:
        return put(found, file, form)


def put(found: pa.RecordBatchReader, file: IO[bytes], form: str) -> int:
    """Write the rows in one of WRITERS' forms; how many."""
    rows = 0
    with WRITERS[form](file, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
