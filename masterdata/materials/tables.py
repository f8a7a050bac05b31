"""Uploaded tables: CSV with a header or a JSON list of objects, as rows checked one by one."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hub.errors import TooLarge, Unprocessable

ROWS_MAX = 100_000
ENCODINGS = ("utf-8-sig", "gb18030")

M = TypeVar("M", bound=BaseModel)


def rows_of(body: bytes, content_type: str, model: type[M]) -> list[M]:
    """Every row as `model`; raises Unprocessable naming the first bad row and field."""
    raw = _json(body) if "json" in content_type else _csv(body, model)
    if not raw:
        raise Unprocessable("The file holds no rows. Expected: " + ", ".join(model.model_fields))
    if len(raw) > ROWS_MAX:
        raise TooLarge(f"The file holds {len(raw)} rows; at most {ROWS_MAX:,} at once. Split it.")
    return [_checked(model, row, number) for number, row in enumerate(raw, start=1)]


def _checked(model: type[M], row: Any, number: int) -> M:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "row"
        raise Unprocessable(f"Row {number}, {field}: {first['msg']}.", row=number, field=field) from error


def _json(body: bytes) -> list[Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unprocessable(f"The body is no JSON: {error}.") from error
    if not isinstance(found, list):
        raise Unprocessable("The body must be a JSON list of objects, one per row.")
    return found


def _csv(body: bytes, model: type[BaseModel]) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(_text(body), newline=""))
    try:
        missing = [name for name in model.model_fields if name not in (reader.fieldnames or [])]
        if missing:
            raise Unprocessable(f"The header lacks {', '.join(missing)}. It must name {', '.join(model.model_fields)}.")
        return [{name: (row[name] or "").strip() for name in model.model_fields} for row in reader]
    except csv.Error as error:
        raise Unprocessable(f"Line {reader.line_num} is no CSV: {error}.") from error


def _text(body: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unprocessable("The file is neither UTF-8 nor GB18030. Save it as UTF-8 and send it again.")
