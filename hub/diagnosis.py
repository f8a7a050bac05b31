"""What `hub doctor` finds: one finding per concern, with what to do about it. Nothing is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from hub import backups, migrate
from hub.settings import Settings
from hub.store import Store

State = Literal["ok", "warn", "bad"]
SIGNS: dict[State, str] = {"ok": "✓", "warn": "!", "bad": "✗"}
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: State
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    store: Store
    settings: Settings
    connection: psycopg.Connection[Any]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


def examine(store: Store, settings: Settings) -> list[Finding]:
    """Every finding, in the order in which a person would look."""
    with psycopg.connect(store.url, connect_timeout=10) as connection:
        patient = Patient(store, settings, connection)
        findings = [*_server(patient), *_disk(patient), *_schema(patient)]
        if findings[-1].state == "bad":
            return findings
        connection.execute("select set_config('hub.orgs', all_organisations()::text, true)")
        return [*findings, *(finding for look in LOOKS for finding in look(patient))]


def _server(patient: Patient) -> Iterable[Finding]:
    version, size = patient.rows("select version(), pg_size_pretty(pg_database_size(current_database()))")[0]
    where = "embedded" if patient.store.server else "HUB_DATABASE_URL"
    yield Finding("PostgreSQL", "ok", f"{version.split(' on ')[0]} ({where}), {size}")


def _disk(patient: Patient) -> Iterable[Finding]:
    patient.settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(patient.settings.home).free
    state: State = "bad" if free < GIB else "warn" if free < 5 * GIB else "ok"
    do = "" if state == "ok" else f"Free space under {patient.settings.home.absolute()}, or move HUB_HOME."
    yield Finding("Disk", state, f"{free / GIB:,.1f} GiB free", do)


def _schema(patient: Patient) -> Iterable[Finding]:
    found, expected = migrate.current(patient.store.url), migrate.head()
    if found == expected:
        yield Finding("Schema", "ok", str(found))
    else:
        yield Finding("Schema", "bad", f"{found or 'none'}, expected {expected}", "Run `hub up` or `hub migrate`.")


def _worker(patient: Patient) -> Iterable[Finding]:
    query = "select extract(epoch from now() - max(last_heartbeat)) from procrastinate_workers"
    age = patient.rows(query)[0][0]
    if age is None or age > 30:
        seen = "none was seen yet" if age is None else f"last seen {age:,.0f} s ago"
        yield Finding("Worker", "bad", seen, "Start the hub with `hub up`; its log is HUB_HOME/logs/worker.jsonl.")
    else:
        yield Finding("Worker", "ok", f"heard from {age:,.0f} s ago")


def _jobs(patient: Patient) -> Iterable[Finding]:
    query = "select task_name, count(*) from procrastinate_jobs where status = 'failed' group by 1 order by 2 desc"
    for task, count in patient.rows(query):
        do = "Its reason stands in worker.jsonl (job_failed) and, for batches, on the feeds page."
        yield Finding("Failed jobs", "warn", f"{count} × {task}", do)
    query = (
        "select count(*), coalesce(extract(epoch from now() - min(coalesce(j.scheduled_at, e.at))), 0) "
        "from procrastinate_jobs j join procrastinate_events e on e.job_id = j.id and e.type = 'deferred' "
        "where j.status = 'todo' and coalesce(j.scheduled_at, e.at) < now()"
    )
    waiting, oldest = patient.rows(query)[0]
    late = oldest > 300
    do = "The worker cannot follow, or a held lock waits: start more with `hub worker`." if late else ""
    yield Finding("Job queue", "warn" if late else "ok", f"{waiting} waiting, the oldest {oldest:,.0f} s", do)


def _outbox(patient: Patient) -> Iterable[Finding]:
    query = (
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0) "
        "from outbox where seq is null"
    )
    waiting, lag = patient.rows(query)[0]
    late = lag > 60
    do = "The relay runs in an API process: is one up? Their logs are HUB_HOME/logs/api*.jsonl." if late else ""
    yield Finding("Outbox", "bad" if late else "ok", f"{waiting} waiting, the oldest {lag:,.0f} s", do)


def _feeds(patient: Patient) -> Iterable[Finding]:
    query = """select s.key, f.stream, f.coverage, extract(epoch from clock_timestamp() - f.read_through) as age,
                      f.sla_seconds, f.error
               from feed f join source_system s on s.id = f.system_id order by 1, 2, 3"""
    rows = patient.rows(query)
    late = [row for row in rows if row[3] is None or row[3] > row[4]]
    for system, stream, coverage, age, sla, error in late:
        told = f"{age:,.0f} s old, promised {sla:,} s" if age is not None else "never read"
        do = error or "Look at the agent: `hub-agent status` on its machine."
        state: State = "bad" if age is not None and age > 2 * sla else "warn"
        yield Finding(f"Feed {system}/{stream}/{coverage}", state, told, do)
    yield Finding("Feeds", "ok" if not late else "warn", f"{len(rows) - len(late)} of {len(rows)} in time")


def _held(patient: Patient) -> Iterable[Finding]:
    query = "select state, count(*) from batch where state in ('held', 'failed') group by 1 order by 1"
    for state, count in patient.rows(query):
        do = (
            "A steward releases or rejects it." if state == "held" else "Its reason stands on the feeds page; retry it."
        )
        yield Finding("Batches", "warn", f"{count} {state}", do)


def _mail(patient: Patient) -> Iterable[Finding]:
    waiting = patient.rows("select count(*) from mail where sent_at is null")[0][0]
    if waiting and patient.settings.smtp_url is not None:
        yield Finding("Mail", "warn", f"{waiting} not sent", "The reason stands on the outbox page.")


def _backups(patient: Patient) -> Iterable[Finding]:
    made = backups.list_backups(patient.settings)
    if made:
        yield Finding("Backup", "ok", f"last {made[-1].name}")
    else:
        yield Finding("Backup", "warn", "none yet", "Run `hub backup`, best by the machine's scheduler each night.")


def _growth(patient: Patient) -> Iterable[Finding]:
    query = """select relname, n_live_tup, pg_total_relation_size(relid) from pg_stat_user_tables
               order by 3 desc limit 6"""
    tables = ", ".join(f"{name} {size / 2**20:,.0f} MiB ({rows:,} rows)" for name, rows, size in patient.rows(query))
    yield Finding("Largest tables", "ok", tables)


LOOKS: tuple[Callable[[Patient], Iterable[Finding]], ...] = (
    _worker,
    _jobs,
    _outbox,
    _feeds,
    _held,
    _mail,
    _backups,
    _growth,
)
