"""Every tenant table is fenced, the application role can get round nothing, and no policy is there in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from psycopg import sql

from tests.isolation.probe import Probe, owner_findings, self_findings, tenant_findings

# Tables the application reaches that hold no tenant's data, and why.
SHARED = {
    "alembic_version": "the schema's revision",
    "sign_in_failure": "digests of doors that were tried",
    "oauth_signing_key": "the provider's keys, the private ones encrypted",
    "unit": "units of measure, the same for everyone",
    "golden_material": "numbers and keys of the group's materials",
    "exchange_rate": "the group's rates",
    "recording": "instants of recording",
    "live_holding": "a view with the reader's own rights on a fenced table",
    "iceberg_tables": "the lake's catalog: where each table's metadata lies",
    "iceberg_namespace_properties": "the lake's catalog: its schemas",
    "lake_token": "tokens of the lake's commits",
    "build": "when the marts were built, which checks they kept; rows are in build_finding",
    "procrastinate_jobs": "the queue: ids only",
    "procrastinate_events": "the queue",
    "procrastinate_workers": "the queue",
    "procrastinate_periodic_defers": "the queue",
}
REACHED = """
    select c.relname, c.relrowsecurity and c.relforcerowsecurity from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (has_table_privilege('hub_app', c.oid, 'select, insert, update, delete')
           or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organisation_id'))
    order by 1"""
POLICIES = """
    select tablename, policyname, cmd, 'hub' = any (roles) from pg_policies where schemaname = 'public' order by 1, 2"""


class Policy(NamedTuple):
    table: str
    name: str
    command: str
    is_owners: bool


@pytest.fixture(scope="module")
def probe(server: Any, template: str) -> Iterator[Probe]:
    import psycopg

    server.create_database("probe", template)
    with psycopg.connect(server.dsn("probe", "postgres")) as connection:
        made = Probe(connection)
        made.loosen()
        for table in {p.table for p in policies(made)}:
            made.fill(table)
        connection.commit()
        yield made
    server.drop_database("probe")


def policies(probe: Probe) -> list[Policy]:
    return [Policy(*row) for row in probe.connection.execute(POLICIES).fetchall()]


def findings(probe: Probe, table: str) -> list[str]:
    """Everything wrong with one table's fence."""
    mine = [p for p in BASELINE[table] if p.table == table]
    found = tenant_findings(probe, table)
    if any(p.name.endswith("_self") for p in mine):
        found += self_findings(probe, table)
    return found + [f for p in mine if p.is_owners for f in owner_findings(probe, table, p.command)]


BASELINE: dict[str, list[Policy]] = {}


@pytest.fixture(scope="module")
def baseline(probe: Probe) -> list[Policy]:
    every = policies(probe)
    BASELINE.update({p.table: [q for q in every if q.table == p.table] for p in every})
    return every


def test_every_table_the_application_reaches_is_fenced_or_shared(probe) -> None:
    open_tables = {name for name, is_fenced in probe.connection.execute(REACHED).fetchall() if not is_fenced}
    assert open_tables == set(SHARED)


def test_every_fenced_table_has_a_policy_for_each_way(probe, baseline) -> None:
    ways = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    held: dict[str, set[str]] = {}
    for policy in baseline:
        if not policy.is_owners:
            held.setdefault(policy.table, set()).add(policy.command)
    fenced = {name for name, is_fenced in probe.connection.execute(REACHED).fetchall() if is_fenced}
    assert {t: w for t, w in held.items() if w != ways} == {} and set(held) == fenced


def test_every_fence_lets_its_own_through_and_nobody_else(probe, baseline) -> None:
    wrong = {table: found for table in BASELINE if (found := findings(probe, table))}
    assert wrong == {}


def test_without_any_one_policy_the_fence_is_found_wanting(probe, baseline) -> None:
    unnoticed = []
    for policy in baseline:
        right = {"ALL": "select"}.get(policy.command, policy.command.lower())
        if not policy.is_owners and not probe.may(policy.table, right):
            continue  # the application has not even the right; test_every_fenced_table_… asks for the policy
        with probe.undone():
            drop = sql.SQL("drop policy {} on {}")
            probe.connection.execute(drop.format(sql.Identifier(policy.name), sql.Identifier(policy.table)))
            if not findings(probe, policy.table):
                unnoticed.append(f"{policy.table}.{policy.name}")
    assert unnoticed == []


@pytest.mark.parametrize(
    "change",
    [
        "alter table {} disable row level security",
        "alter policy {}_read on {} using (true)",
        "alter policy {}_insert on {} with check (true)",
        "alter policy {}_update on {} using (true)",
        "alter policy {}_update on {} with check (true)",
        "alter policy {}_delete on {} using (true)",
    ],
)
def test_a_fence_left_open_is_found(probe, baseline, change) -> None:
    right = change.split("}_")[1].split(" ")[0].replace("read", "select") if "policy" in change else "select"
    missed = []
    for table in BASELINE:
        with probe.undone():
            probe.connection.execute(change.replace("{}", table))
            if probe.may(table, right) and not findings(probe, table):
                missed.append(table)
    assert missed == []


def test_the_application_role_owns_nothing_and_bypasses_nothing(probe) -> None:
    role = "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = 'hub_app'"
    assert probe.connection.execute(role).fetchall() == [(False,) * 4]
    owned = "select count(*) from pg_shdepend where refobjid = 'hub_app'::regrole and deptype = 'o'"
    member = "select count(*) from pg_auth_members where member = 'hub_app'::regrole"
    for query in (owned, member):
        assert probe.connection.execute(query).fetchone() == (0,)
    create = "select has_schema_privilege('hub_app', 'public', 'create')"
    assert probe.connection.execute(create).fetchone() == (False,)


def test_functions_that_run_as_the_owner_cannot_be_misled(probe) -> None:
    """Their search path is pinned with pg_temp last, and only the application role may call them."""
    definers = """
        select proname, coalesce(array_to_string(proconfig, ';'), ''), has_function_privilege('public', oid, 'execute')
        from pg_proc where pronamespace = 'public'::regnamespace and prosecdef and proname not like 'procrastinate%'"""
    rows = probe.connection.execute(definers).fetchall()
    assert len(rows) > 10
    wrong = [name for name, path, is_open in rows if is_open or "search_path=pg_catalog, public, pg_temp" not in path]
    assert wrong == []
