"""What the fences let through, tried table by table as the application role: own rows in all four ways, foreign rows in
none. The database is a copy without foreign keys, checks and triggers: rows can be made from types alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors, sql

from hub.columns import new_id

COLUMNS = """
    select a.attname, t.typname, a.attnotnull, a.atthasdef or a.attidentity <> '' or a.attgenerated <> ''
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped"""
LOOSEN = """
    select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('f', 'c') and conparentid = 0 and conrelid <> 0
    union all
    select distinct format('alter table %s disable trigger user', tgrelid::regclass) from pg_trigger
    where not tgisinternal and tgparentid = 0"""
BY_TYPE: dict[str, str] = {
    "varchar": "{token}", "text": "{token}", "uuid": "{uuid}", "bytea": "\\x{hex}", "jsonb": "{{}}", "bool": "false",
    "timestamptz": "2026-01-01T00:00Z", "date": "2026-01-0{n}", "int4": "{n}", "int8": "{n}", "int2": "{n}",
    "numeric": "{n}", "float8": "{n}",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One tenant, one caller of it (person or agent), and what marks their rows."""

    organisation: UUID
    caller: UUID
    n: int

    def value(self, column: str, kind: str) -> str:
        if column == "organisation_id":
            return str(self.organisation)
        if column in ("person_id", "agent_id"):
            return str(self.caller)
        if kind.startswith("_"):
            return "{}"
        token = f"side{self.n}"
        return BY_TYPE[kind].format(token=token, uuid=new_id(), hex=token.encode().hex(), n=self.n)


OURS, THEIRS = (Side(new_id(), new_id(), n) for n in (1, 2))


class Probe:
    """A superuser's connection to the loosened copy; `as_role` becomes the application or the owner."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def loosen(self) -> None:
        for (statement,) in self.connection.execute(LOOSEN).fetchall():
            self.connection.execute(statement)

    def fill(self, table: str) -> None:
        """One row of ours and one of theirs; a person and an agent are their own callers."""
        columns = self.connection.execute(COLUMNS, [table]).fetchall()
        for side in (OURS, THEIRS):
            row = {c: side.value(c, kind) for c, kind, required, given in columns if required and not given}
            if table in ("person", "agent"):
                row["id"] = str(side.caller)
            if table == "organisation":
                row |= {"id": str(side.organisation), "parent_id": str(side.organisation)}
            names = sql.SQL(", ").join(map(sql.Identifier, row))
            values = sql.SQL(", ").join(map(sql.Literal, row.values()))
            self.connection.execute(
                sql.SQL("insert into {} ({}) values ({})").format(sql.Identifier(table), names, values)
            )

    @contextmanager
    def undone(self) -> Iterator[None]:
        with self.connection.transaction(force_rollback=True):
            yield

    @contextmanager
    def as_role(self, role: str, readable: str = "{}", acting: str = "", person: str = "") -> Iterator[None]:
        with self.undone():
            settings = sql.SQL(", ").join(
                sql.SQL("set_config({}, {}, true)").format(name, value)
                for name, value in (("hub.orgs", readable), ("hub.org", acting), ("hub.person", person))
            )
            self.connection.execute(sql.SQL("select {}").format(settings))
            self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            yield

    def may(self, table: str, right: str) -> bool:
        query = "select has_table_privilege('hub_app', %s, %s)"
        return bool(self.connection.execute(query, [table, right]).fetchone()[0])  # type: ignore[index]

    def count(self, statement: str, side: Side) -> int | str:
        """Rows the statement touched, or "refused" by row security; anything later than row security is 1."""
        try:
            with self.undone():
                return self.connection.execute(statement, {"id": side.organisation, "who": side.caller}).rowcount  # type: ignore[arg-type]
        except errors.InsufficientPrivilege:
            return "refused"
        # Where a tenant has one row at most, an update that reached two of them made them clash.
        except errors.UniqueViolation:
            return 2 if statement.startswith("update") else 1
        except errors.IntegrityError:
            return 1


# The column that says whose a row is, where it is not organisation_id.
OWNED_BY = {
    "organisation": "parent_id", "login_session": "person_id", "agent_nonce": "agent_id", "passkey": "person_id",
    "totp": "person_id", "recovery_code": "person_id", "device": "person_id", "email_change": "person_id",
    "account_merge": "person_id", "audit_subject": "person_id",
}  # fmt: skip


def owner_of(table: str) -> tuple[str, str]:
    """That column, and the parameter of `count` that fills it."""
    column = OWNED_BY.get(table, "organisation_id")
    return column, "%(who)s" if column in ("person_id", "agent_id") else "%(id)s"


def tenant_findings(probe: Probe, table: str) -> list[str]:
    """What is wrong with the table's fence; empty: nothing. Who reads only itself sees only itself; who reads both, as
    head office does, still writes only for whom it acts, even where a statement names no row."""
    column, who = owner_of(table)
    seen = "id" if table == "organisation" else column
    tries = [
        ("select", f"select from {table} where {seen} = {who}", OURS, 1),
        ("select", f"select from {table} where {seen} = {who}", THEIRS, 0),
        ("insert", f"insert into {table} ({column}) values ({who})", OURS, 1),
        ("insert", f"insert into {table} ({column}) values ({who})", THEIRS, "refused"),
        ("update", f"update {table} set {column} = {who}", OURS, 1),
        ("update", f"update {table} set {column} = {who}", THEIRS, "refused"),
        ("delete", f"delete from {table}", OURS, 1),
    ]
    return [f for verb, *tried in tries if probe.may(table, verb) for f in _try(probe, table, verb, *tried)]


def _try(probe: Probe, table: str, verb: str, statement: str, side: Side, *expected: int | str) -> list[str]:
    ours, both = f"{{{OURS.organisation}}}", f"{{{OURS.organisation},{THEIRS.organisation}}}"
    is_personal = owner_of(table)[1] == "%(who)s"
    person = str(OURS.caller) if is_personal else ""
    with probe.as_role("hub_app", ours if verb == "select" else both, str(OURS.organisation), person):
        found = probe.count(statement, side)
    return [] if found == expected[0] else [f"{statement} for {side.n}: {found} instead of {expected[0]}"]


def self_findings(probe: Probe, table: str) -> list[str]:
    """A caller without any organisation still reads and changes its own row, and no other."""
    with probe.as_role("hub_app", person=str(OURS.caller)):
        changed = probe.count(f"update {table} set name = 'x'", OURS)
        seen = probe.count(f"select from {table}", OURS)
    return [] if (changed, seen) == (1, 1) else [f"own row: {changed} changed, {seen} seen"]


def owner_findings(probe: Probe, table: str, verb: str) -> list[str]:
    """The owner, as whom the definer functions run, reaches foreign rows in the way its policy says."""
    column, who = owner_of(table)
    # The owner makes and keeps roots alone among organisations.
    value = "null" if table == "organisation" else who
    change = f"update {table} set {column} = {value} where {column} = {who}"
    what = {"ALL": change, "UPDATE": change, "DELETE": f"delete from {table}", "SELECT": f"select from {table}"}
    statement = what.get(verb, f"insert into {table} ({column}) values ({who})")
    with probe.as_role("hub"):
        reached = probe.count(statement, THEIRS)
    return [] if isinstance(reached, int) and reached else [f"the owner's {verb}: {reached}"]
