"""A folder of exported files: which of them are complete, which make the snapshot, when it was taken. How a file's
cells are read is in `tables.py`."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.sources.base import Abort, Page, Retry
from connectors.sources.checks import require_columns, required
from connectors.sources.tables import WORKBOOKS, is_text, read_table

SETTLE_SECONDS = 2.0
PATIENCE = timedelta(minutes=1)
BESIDE = ("_file", "_file_at", "_arrived_at")
LINE_ENDS = (b"\n", b"\r", b"\n\0", b"\0\n")
NAMED_AT = re.compile(
    r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)[-_T ]?([01]\d|2[0-3])[-_:.]?([0-5]\d)(?:[-_:.]?([0-5]\d))?(?!\d)"
)
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class FilesSource:
    """`connection`: `folder`, and `zone` for the instants in file names."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._folder = Path(str(required(connection, "folder", "files"))).expanduser()
        try:
            self._zone = ZoneInfo(str(connection.get("zone", "UTC")))
        except (ZoneInfoNotFoundError, ValueError):
            raise Abort(f"There is no time zone {connection['zone']!r}: name one such as Asia/Shanghai.") from None

    def fingerprint(self, table: Mapping[str, Any]) -> str | None:
        """Names, sizes and times of the files a read would take; None while there are none."""
        try:
            return " ".join(f"{p.name}:{_stand(p)}" for p in self._chosen(table, None)) or None
        except Retry:
            return None

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        chosen = [(self._taken_at(path, table), path) for path in self._chosen(table, since)]
        # Files that follow each other tell of everything until the last; parts of one snapshot stand as of the oldest.
        observed_at = (max if _is_feed(table) else min)((at for at, _ in chosen), default=None)
        yield Page([*map(str, table.get("columns", ())), *BESIDE], [], observed_at)
        for at, path in chosen:
            yield from self._file(path, at, table, observed_at)

    def _file(self, path: Path, at: datetime, table: Mapping[str, Any], observed_at: datetime | None) -> Iterator[Page]:
        before, beside = _stand(path), (path.name, _text(at), _arrived_at(path, table))
        for columns, rows, skipped in read_table(path, table):
            require_columns({"columns": table.get("columns", ())}, columns, f"{path.name}, row of the header")
            yield Page([*columns, *BESIDE], [(*row, *beside) for row in rows], observed_at, skipped)
        if _stand(path) != before:
            raise Retry(f"{path.name} changed while it was read: read again when it is complete.")

    def _chosen(self, table: Mapping[str, Any], since: str | None) -> list[Path]:
        """The files to read, in order. Retry while there is none."""
        pattern = str(required(table, "glob", "the table"))
        if not self._folder.is_dir():
            raise Abort(f"The folder {self._folder} is not there or cannot be read.")
        found = [p for p in self._folder.glob(pattern) if p.is_file() and not _is_beside(p.name, table)]
        if not found and table.get("optional"):
            return []
        if not found:
            raise Retry(f"No file {pattern} in {self._folder} yet.")
        if table.get("take", "newest") == "all":
            return _feed(found, table, since if _is_feed(table) else None)
        return self._newest(found, table)

    def _newest(self, found: list[Path], table: Mapping[str, Any]) -> list[Path]:
        doubts = {path: _doubt(path, table) for path in found}
        complete = [p for p in found if not doubts[p]]
        if not complete:
            newest = max(found, key=lambda p: p.stat().st_mtime_ns)
            raise Retry(f"{newest.name} is not complete: {doubts[newest]}")
        return [max(complete, key=lambda p: (self._taken_at(p, table), p.name))]

    def _taken_at(self, path: Path, table: Mapping[str, Any]) -> datetime:
        pattern = table.get("at")
        if pattern:
            try:
                return datetime.strptime(path.name, str(pattern)).replace(tzinfo=self._zone).astimezone(UTC)
            except ValueError:
                raise Abort(f"The name of {path.name} does not hold an instant as `at: {pattern}` says.") from None
        return _named_at(path.name, self._zone) or _time(path)


def _is_feed(table: Mapping[str, Any]) -> bool:
    return table.get("take") == "all" and table.get("cursor") == "_arrived_at"


def _feed(found: list[Path], table: Mapping[str, Any], since: str | None) -> list[Path]:
    """Files in order of arrival, up to the first that is not complete: the cursor must not pass it. Retry where all
    are asked for, or where it stays incomplete."""
    arrived = sorted((_arrived_at(path, table), path) for path in found)
    complete: list[Path] = []
    for at, path in arrived:
        if since is not None and at < since:
            continue
        doubt = _doubt(path, table)
        if doubt and (since is None or at < _text(datetime.now(UTC) - PATIENCE)):
            raise Retry(f"{path.name} is not complete: {doubt}")
        if doubt:
            break
        complete.append(path)
    return complete


def _arrived_at(path: Path, table: Mapping[str, Any]) -> str:
    """When the file came to stand here as it is. Copying may keep the time of its last change, never that of its
    inode (on Windows: of its making)."""
    paths = [path, *(_marks(path, str(table["done"])) if table.get("done") else ())]
    stats = [p.stat() for p in paths]
    return _text(datetime.fromtimestamp(max(max(s.st_mtime, s.st_ctime) for s in stats), UTC))


def _named_at(name: str, zone: ZoneInfo) -> datetime | None:
    """The instant in a file's name, such as 20261122-1930 or 2026-11-22_19.30.05; a bare date says no time of day."""
    found = NAMED_AT.search(name)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(g or 0) for g in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None


def _doubt(path: Path, table: Mapping[str, Any]) -> str | None:
    """Why the file may still be in the writer's hands; None when it is complete."""
    settle = float(table.get("settle", SETTLE_SECONDS))
    if table.get("done"):
        return None if _marks(path, str(table["done"])) else "its done-file is not there yet."
    if time.time() - path.stat().st_mtime < settle:
        return f"it was written less than {settle:g} s ago."
    if path.stat().st_size == 0:
        return "it is empty."
    if is_text(path):
        return None if _ends_with_line(path) else "its last line has no end."
    return _workbook_doubt(path)


def _is_beside(name: str, table: Mapping[str, Any]) -> bool:
    """Hidden and lock files, and the done-files themselves, whatever `glob` matches."""
    return name.startswith((".", "~$")) or bool(table.get("done") and fnmatch(name, str(table["done"])))


def _marks(path: Path, pattern: str) -> list[Path]:
    """The file's done-files, those older than it left out."""
    marks = [path.with_name(pattern.replace("*", name)) for name in (path.stem, path.name)]
    return [m for m in marks if m.exists() and m.stat().st_mtime_ns >= path.stat().st_mtime_ns]


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-min(2, path.stat().st_size), 2)
        return file.read().endswith(LINE_ENDS)


def _workbook_doubt(path: Path) -> str | None:
    if WORKBOOKS[path.suffix.lower()] == "ole":
        with path.open("rb") as file:
            return None if file.read(8) == OLE_MARK else "it does not begin as an .xls workbook does."
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError):
        return "its end is missing."
    return f"its part {broken} is damaged." if broken else None


def _stand(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
