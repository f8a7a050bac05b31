"""Backup and restore: the operational database and the landing files it names, as of one instant. The lake is rebuilt
of both."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import structlog
from sqlalchemy.engine import make_url

from hub import migrate
from hub.errors import Conflict, NotFound, Unavailable
from hub.logs import clean
from hub.postgres import tool
from hub.settings import Settings

log = structlog.get_logger("hub.backups")
DUMP, MANIFEST, LANDING = "database.dump", "manifest.json", "landing"
TRIES = 3
PREAMBLE = 2**16
# Set by the programs of PostgreSQL 17 and newer, unknown to older servers.
NEWER = b"SET transaction_timeout = 0;"
IF_KNOWN = b"select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout';"
COUNTED = ("organisation", "batch", "landing", "movement", "observation", "position")


@dataclass(frozen=True, slots=True)
class Backup:
    folder: Path
    files: int
    size: int


def back_up(url: str, settings: Settings, into: Path | None = None) -> Backup:
    """A backup in a folder of its own (default: HUB_HOME/backups/<instant>), whole or not there at all. `url` must be
    of a role that row security does not bind: else rows would be missing unseen."""
    _must_see_all(url)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = (into or settings.home / "backups") / stamp
    growing = folder.with_name(f".{stamp}.part")
    growing.mkdir(parents=True)
    try:
        files = _keep_all(url, settings.home, growing)
        manifest = {
            "made_at": datetime.now(UTC).isoformat(),
            "schema": migrate.current(url),
            "dump_sha256": _digest(growing / DUMP),
            "files": files,
        }
        (growing / MANIFEST).write_text(json.dumps(manifest, indent=1))
        growing.rename(folder)
    # Ctrl-C too leaves no part of a backup.
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    log.info("backup_made", folder=str(folder), files=len(files), size=size)
    return Backup(folder, len(files), size)


def restore(url: str, settings: Settings, folder: Path) -> dict[str, int]:
    """Put a backup into an empty database and the landing folder, then verify it: digests, every landing file that the
    database names, every constraint (pg_restore checks them). Answers rows per table."""
    manifest = _manifest(folder)
    if _digest(folder / DUMP) != manifest["dump_sha256"]:
        raise Conflict(f"{folder / DUMP} is damaged: its digest is not the one written with it. Take another backup.")
    if migrate.current(url) is not None:
        raise Conflict("The database is not empty. Restore into a new one: its data would be mixed with the backup's.")
    for name in manifest["files"]:
        _place(folder / LANDING / name, settings.home / name)
    migrate.prepare_role(url)
    _load(url, folder / DUMP)
    with psycopg.connect(url) as connection:
        missing = [path for path in _landing_paths(connection) if not _absolute(settings.home, path).exists()]
    if missing:
        raise Conflict(f"The backup lacks {len(missing)} landing files the database names, first {missing[0]}.")
    return dict(_counts(url))


def list_backups(settings: Settings) -> list[Path]:
    """Whole backups, oldest first."""
    return sorted(path.parent for path in (settings.home / "backups").glob(f"*/{MANIFEST}"))


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).exists():
        raise NotFound(f"{folder} holds no backup: {MANIFEST} is missing. `hub backup` prints where it wrote.")
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return found


def _keep_all(url: str, home: Path, into: Path) -> list[str]:
    """The dump and the files it names. Retention may remove some of them while they are kept: once more, then."""
    for _ in range(TRIES - 1):
        with suppress(FileNotFoundError):
            return _keep_instant(url, home, into)
    return _keep_instant(url, home, into)


def _keep_instant(url: str, home: Path, into: Path) -> list[str]:
    with _snapshot(url) as (connection, snapshot):
        files = [_keep(home, path, into) for path in _landing_paths(connection)]
        target = str(into / DUMP)
        _run("pg_dump", url, "--format=custom", "--no-owner", "--snapshot", snapshot, "--file", target)
        return files


@contextmanager
def _snapshot(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """One instant of the database, for as long as the block runs: a connection that sees it, and its name."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("set local idle_in_transaction_session_timeout = 0")
        row = connection.execute("select pg_export_snapshot()").fetchone()
        yield connection, row[0] if row else ""


def _landing_paths(connection: psycopg.Connection[Any]) -> list[str]:
    """Files that rows of the landing zone name."""
    if connection.execute("select to_regclass('landing')").fetchone() == (None,):
        return []
    _see_all(connection)
    return [row[0] for row in connection.execute("select distinct path from landing where path is not null")]


def _must_see_all(url: str) -> None:
    with psycopg.connect(url) as connection:
        role = connection.execute(
            "select rolname, rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        ).fetchone()
    if role is not None and not role[1]:
        raise Unavailable(
            f"Role {role[0]} is bound by row security, so a backup by it would lack rows. Have the administrator of "
            f"PostgreSQL run: alter role {role[0]} bypassrls; or back up with the tools of your PostgreSQL (before an "
            "upgrade, `hub migrate --without-backup` then goes on)."
        )


def _see_all(connection: psycopg.Connection[Any]) -> None:
    """Row security binds the owner too."""
    connection.execute("select set_config('hub.orgs', all_organisations()::text, true)")


def _counts(url: str) -> Iterator[tuple[str, int]]:
    with psycopg.connect(url) as connection:
        _see_all(connection)
        for table in COUNTED:
            row = connection.execute(f"select count(*) from {table}").fetchone()
            yield table, row[0] if row else 0


def _absolute(home: Path, path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else home / path


def _keep(home: Path, path: str, into: Path) -> str:
    source = _absolute(home, path)
    name = os.path.relpath(source, home)
    _place(source, into / LANDING / name)
    return name


def _place(source: Path, target: Path) -> None:
    """Landing files never change: a hard link is a copy where both lie on one disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(name: str, url: str, *arguments: str) -> None:
    address, environment = _reach(url)
    command = [tool(name), "--no-password", "--dbname", address, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{name} failed: {clean(done.stderr.strip()[-500:])}")


def _load(url: str, dump: Path) -> None:
    """The dump as a script that psql runs in one transaction: pg_restore by itself sets what only servers of its own
    version know. What it could not read to the end is not committed."""
    address, environment = _reach(url)
    write = [tool("pg_restore"), "--no-owner", "--file", "-", str(dump)]
    run = [tool("psql"), "--no-psqlrc", "--no-password", "--quiet", "--set", "ON_ERROR_STOP=1"]
    run += ["--output", os.devnull, address]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(write, stdout=subprocess.PIPE, stderr=said) as script,
        subprocess.Popen(run, env=environment, stdin=subprocess.PIPE, stderr=said) as psql,
    ):
        # Where psql stopped at an error, what it said is the reason.
        with suppress(BrokenPipeError), psql.stdin as into, script.stdout as lines:  # type: ignore[union-attr]
            into.write(b"begin;\n" + lines.read(PREAMBLE).replace(NEWER, IF_KNOWN, 1))
            shutil.copyfileobj(lines, into, PREAMBLE)
            into.write(b"commit;\n" if script.wait() == 0 else b"rollback;\n")
        failed = psql.wait() or script.wait()
        said.seek(0)
        if failed:
            raise Unavailable(
                f"The backup could not be loaded: {clean(said.read().decode(errors='replace').strip()[-500:])}"
            )


def _reach(url: str) -> tuple[str, dict[str, str]]:
    """Address and environment for PostgreSQL's programs. The password goes by environment, so that no list of
    processes shows it."""
    address = make_url(url)
    password = {"PGPASSWORD": str(address.password)} if address.password else {}
    target = address.set(password=None, drivername="postgresql").render_as_string(hide_password=False)
    return target, {**os.environ, **password, "PGOPTIONS": "-c row_security=off"}
