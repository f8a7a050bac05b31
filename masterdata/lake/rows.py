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
    """Write the rows as Parquet or CSV, by the name's end; how many. What is there is replaced when all are written.
    Raises Unprocessable for another end, or where the file cannot be written."""
    form = path.suffix.removeprefix(".")
    if form not in WRITERS:
        raise Unprocessable(f"{path.name}: a file ends with .parquet or .csv.")
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            rows = put(found, file, form)
        part.replace(path)
    except (OSError, pa.ArrowException) as error:
        part.unlink(missing_ok=True)
        raise Unprocessable(f"{path} could not be written: {error}") from error
    return rows


def put(found: pa.RecordBatchReader, file: IO[bytes], form: str) -> int:
    """Write the rows in one of WRITERS' forms; how many."""
    rows = 0
    with WRITERS[form](file, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
