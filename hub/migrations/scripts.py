"""SQL files that migrations run as they are, and the rows they seed; both frozen by the first release."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import op

FOLDER = Path(__file__).parent
FUNCTION = re.compile(r"create function (\w+)\(", re.IGNORECASE)


def run_script(name: str, change: Callable[[str], str] = str) -> None:
    """Run `sql/<name>.sql` (as `change` makes it), several statements at once; percent signs and colons in it are no
    placeholders."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(change(_read(name)))
    cursor.close()


def drop_functions(name: str) -> None:
    """Drop the functions `sql/<name>.sql` made, with the triggers and policies that use them."""
    for function in FUNCTION.findall(_read(name)):
        op.execute(f"drop function {function} cascade")


def seed(table: str, name: str) -> None:
    """Insert the rows of `data/<name>.csv`; empty cells are null."""
    with (FOLDER / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]
    op.bulk_insert(sa.table(table, *(sa.column(key) for key in rows[0])), rows)


def _read(name: str) -> str:
    return (FOLDER / "sql" / f"{name}.sql").read_text(encoding="utf-8")
