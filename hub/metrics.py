"""What Prometheus reads: latencies counted here as they happen, states of the database asked at each scrape."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.orm import Session

# The variable that names the folder in which processes of one hub count together; without it each counts for itself.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10)
REGISTRY = CollectorRegistry()
REQUESTS = Histogram(
    "hub_request_seconds", "Time to answer a request", ["method", "path", "status"], registry=REGISTRY, buckets=BUCKETS
)
EVENTS = Counter("hub_events_relayed_total", "Events numbered and passed on", registry=REGISTRY)
SUBSCRIBERS = Gauge("hub_event_subscribers", "Open event streams", registry=REGISTRY, multiprocess_mode="livesum")


@dataclass(frozen=True, slots=True)
class Query:
    """A gauge that the database answers: label columns first, the value last."""

    name: str
    help: str
    labels: tuple[str, ...]
    sql: str


QUERIES = (
    Query(
        "hub_jobs",
        "Jobs by queue and state",
        ("queue", "state"),
        "select queue_name, status::text, count(*) from procrastinate_jobs where status <> 'succeeded' group by 1, 2",
    ),
    Query("hub_outbox_waiting", "Events not yet numbered", (), "select count(*) from outbox where seq is null"),
    Query(
        "hub_outbox_lag_seconds",
        "Age of the oldest event not yet numbered",
        (),
        "select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0) from outbox where seq is null",
    ),
    Query("hub_batches", "Batches by state", ("state",), "select state, count(*) from batch group by state"),
    Query(
        "hub_feed_age_seconds",
        "Seconds since the newest source time of a feed",
        ("organisation", "system", "stream", "coverage"),
        """select o.key, s.key, f.stream, f.coverage, extract(epoch from clock_timestamp() - f.read_through)
           from feed f join organisation o on o.id = f.organisation_id join source_system s on s.id = f.system_id
           where f.read_through is not null""",
    ),
)


@dataclass(frozen=True, slots=True)
class _States(Collector):
    session: Session

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for query in QUERIES:
            gauge = GaugeMetricFamily(query.name, query.help, labels=query.labels)
            for row in self.session.execute(text(query.sql)):
                gauge.add_metric([*map(str, row[:-1])], float(row[-1]))
            yield gauge


def exposition(session: Session) -> bytes:
    """Everything in Prometheus' text format, of the organisations that `session` may read."""
    states = CollectorRegistry()
    states.register(_States(session))
    return generate_latest(_counted()) + generate_latest(states)


def _counted() -> CollectorRegistry:
    """What all processes of this hub counted; of those that died, what lasts."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return REGISTRY
    for file in Path(folder).glob("gauge_live*.db"):
        pid = int(re.sub(r"\D", "", file.stem))
        # Another process may be at the same.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    together = CollectorRegistry()
    MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
    return together
