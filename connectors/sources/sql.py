"""Any SQL database SQLAlchemy reaches, read only: one query per table, streamed out of one consistent transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from connectors.sources.base import Abort, Page, Retry, SourceError
from connectors.sources.checks import require_columns, required

if TYPE_CHECKING:
    from connectors.sources.postgresql import Copied

PAGE_ROWS = 50_000
START = "1900-01-01 00:00:00"
EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "mssql": "mssql", "oracle": "oracle"}

# dialect → the statement that asks the source's clock; naive answers are UTC.
CLOCKS = {
    "postgresql": "select clock_timestamp()",
    "mysql": "select utc_timestamp(6)",
    "mariadb": "select utc_timestamp(6)",
    "mssql": "select sysutcdatetime()",
    "oracle": "select sys_extract_utc(systimestamp) from dual",
    "sqlite": "select strftime('%Y-%m-%d %H:%M:%f', 'now')",
}

# dialect → statements that open a consistent read-only transaction on a fresh connection.
OPENINGS = {
    "mysql": (
        "set transaction isolation level repeatable read",
        "start transaction with consistent snapshot, read only",
    ),
    "mariadb": (
        "set transaction isolation level repeatable read",
        "start transaction with consistent snapshot, read only",
    ),
    "oracle": ("set transaction read only",),
    "sqlite": ("pragma query_only = on", "begin"),
}

# What drivers say, first match wins; everything else that is not a lost connection stops the run with their words.
MEANINGS: tuple[tuple[str, type[SourceError], str], ...] = (
    (
        r"authentication failed|access denied for user|login failed|ORA-01017|ORA-28000|no password supplied",
        Abort,
        "The database refuses the login: check user and password in the agent's configuration.",
    ),
    (
        r"database .* does not exist|unknown database|cannot open database",
        Abort,
        "The database of that name is not there: check the connection URL.",
    ),
    (r"role .* does not exist|user .* does not exist", Abort, "The database does not know this user."),
    (
        r"column .* does not exist|unknown column|no such column|invalid column name|ORA-00904",
        Abort,
        "A column the mapping names is not there: the source was changed, or the mapping is for another version.",
    ),
    (
        r"relation .* does not exist|table .* doesn't exist|no such table|invalid object name|ORA-00942",
        Abort,
        "A table the mapping names is not there: the source was changed, or the mapping is for another version.",
    ),
    (
        r"permission denied|command denied|permission was denied|ORA-01031",
        Abort,
        "The user has no right to read this: grant select on it.",
    ),
    (r"unable to open database file|file is not a database", Abort, "The database file cannot be opened."),
    (
        r"deadlock|lock wait timeout|database is locked|could not serialize|snapshot too old"
        r"|too many (clients|connections)",
        Retry,
        "The database is busy.",
    ),
    (
        r"connection|server closed|terminating|gone away|timed? ?out|could not translate host|can't connect|recovery"
        r"|unable to connect|shutting down|adaptive server is unavailable|DPY-6005|ORA-125\d\d|ORA-03113",
        Retry,
        "The database does not answer.",
    ),
)


class SqlSource:
    """`connection`: `url`, and `password` where the URL should not hold it."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._engine = _engine(str(required(connection, "url", "sql")), connection.get("password"))
        self._dialect = self._engine.dialect.name
        self._refused: set[str] = set()

    def read(self, table: Mapping[str, Any], since: str | None) -> Iterator[Page]:
        query, values = _query(table, since, self._dialect)
        try:
            with self._connect() as connection:
                observed_at = self._open(connection)
                copied = None if values or query in self._refused else self._copied(connection, query)
                if not connection.in_transaction():  # the refusal ended it
                    observed_at = self._open(connection)
                if copied:
                    require_columns(table, copied.columns, "the query's result")
                    yield from (Page(copied.columns, rows, observed_at) for rows in copied.pages())
                else:
                    yield from self._pages(connection, query, values, table, observed_at)
        except DBAPIError as error:
            raise self._in_words(error) from None

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        if self._dialect == "postgresql":
            return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        if self._dialect == "mssql" and _allows_snapshot(connection):
            return connection.execution_options(isolation_level="SNAPSHOT")
        return connection

    def _open(self, connection: Connection) -> datetime | None:
        for statement in OPENINGS.get(self._dialect, ()):
            connection.exec_driver_sql(statement)
        clock = CLOCKS.get(self._dialect)
        return _aware(connection.exec_driver_sql(clock).scalar_one()) if clock else None

    def _copied(self, connection: Connection, query: str) -> Copied | None:
        """The query as PostgreSQL copies it out; None for other databases and drivers, texts that are not UTF-8, and
        servers that speak its protocol but do not copy queries."""
        dialect, driver = self._engine.dialect, connection.connection.driver_connection
        if (dialect.name, dialect.driver) != ("postgresql", "psycopg") or driver.info.encoding != "utf-8":  # type: ignore[union-attr]
            return None
        from connectors.sources.postgresql import REFUSALS, Copied

        try:
            copied = Copied(connection, text(query).compile(dialect=dialect).string.replace("%%", "%"), PAGE_ROWS)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in REFUSALS:
                raise
            self._refused.add(query)
            connection.rollback()
            return None
        return copied if copied.columns else None

    def _pages(
        self, connection: Connection, query: str, values: dict[str, Any], table: Mapping[str, Any], at: datetime | None
    ) -> Iterator[Page]:
        streamed = text(query).execution_options(stream_results=True, yield_per=PAGE_ROWS)
        result = connection.execute(streamed, values)
        columns = list(result.keys())
        require_columns(table, columns, "the query's result")
        sent = False
        for rows in result.partitions(PAGE_ROWS):
            sent = True
            yield Page(columns, [tuple(row) for row in rows], at)
        if not sent:
            yield Page(columns, [], at)

    def _in_words(self, error: DBAPIError) -> SourceError:
        said = " ".join(str(error.orig).split())
        secret = self._engine.url.password
        if secret:
            said = said.replace(str(secret), "***")
        for pattern, kind, words in MEANINGS:
            if re.search(pattern, said, re.IGNORECASE):
                return kind(f"{words} ({said})")
        if error.connection_invalidated:
            return Retry(f"The database closed the connection. ({said})")
        return Abort(f"The database cannot run the mapping's query. ({said})")


def _engine(url: str, password: Any) -> Engine:
    try:
        parsed = make_url(url)
        if password is not None:
            parsed = parsed.set(password=str(password))
        return create_engine(parsed, poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ImportError):
        name = url.split(":", 1)[0].split("+", maxsplit=1)[0]
        how = f"pip install 'group-hub[{EXTRAS[name]}]'" if name in EXTRAS else "install its SQLAlchemy driver"
        raise Abort(f"The driver for '{name}' is not installed: {how}.") from None
    except (ArgumentError, ValueError):
        raise Abort(
            "The connection's `url` is not an SQLAlchemy URL, such as mssql+pymssql://user@host/database."
        ) from None


def _query(table: Mapping[str, Any], since: str | None, dialect: str) -> tuple[str, dict[str, Any]]:
    query, cursor = _escaped(str(required(table, "query", "the table")).strip().rstrip(";")), table.get("cursor")
    if re.search(r"(?<!:):since\b", query):
        return query, {"since": _bound(str(table.get("start", START)) if since is None else since, dialect)}
    if cursor and since is not None:
        return f"select * from ({query}) since_query where {cursor} >= :since", {"since": _bound(since, dialect)}
    return query, {}


def _escaped(query: str) -> str:
    """A colon before any other word (in a text literal, say) is no parameter."""
    return re.sub(r"(?<![:\w\\]):(?!since\b)(?=\w)", r"\:", query)


def _bound(since: str, dialect: str) -> Any:
    """The cursor as the driver wants it. PostgreSQL and MySQL convert text themselves; SQL Server and Oracle do not
    read ISO instants with a `T`, a zone or six digits, so those go as datetime."""
    if dialect in {"mssql", "oracle"} and re.match(r"\d{4}-\d\d-\d\d[T ]", since):
        return datetime.fromisoformat(since)
    return int(since) if dialect == "sqlite" and re.fullmatch(r"-?\d+", since) else since


def _allows_snapshot(connection: Connection) -> bool:
    state = connection.exec_driver_sql(
        "select snapshot_isolation_state from sys.databases where name = db_name()"
    ).scalar()
    connection.rollback()
    return state == 1


def _aware(value: Any) -> datetime:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        raise Retry(f"The source's clock answered {value!r}.")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
