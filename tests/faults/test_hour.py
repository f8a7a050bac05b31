"""The demonstration group lives, is killed and lied to for HUB_HOUR_MINUTES; then every number must be what lies in the
legacy systems, and every batch accounted for."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog

from connectors.config import read_config
from tests.demo import stock
from tests.demo.running import Running, running
from tests.faults.hour import Hour

pytestmark = pytest.mark.slow
MINUTES = float(os.environ.get("HUB_HOUR_MINUTES", "5"))
SCALE, EVENTS_PER_MINUTE = 0.1, 120.0
log = structlog.get_logger("faults")

_ACCOUNT = """
select state, count(*), sum(rows_in), sum(applied + unchanged + duplicate + quarantined), sum(pending) from batch
group by state order by state
"""
_ROWS = "select id::text, rows_in from batch"


@pytest.fixture(scope="module")
def lived() -> Iterator[Running]:
    """The group after its hour, at rest and built."""
    with running(SCALE) as group:
        group.settle(1_800)
        hour = Hour(group)
        hour.play(MINUTES * 60, EVENTS_PER_MINUTE)
        group.settle(1_800)
        log.info("hour_ended", minutes=MINUTES, **{k.replace(" ", "_"): n for k, n in sorted(hour.done.items())})
        group.end_agent()
        group.build()
        yield group


def test_live_view_and_lake_agree_and_nothing_is_damaged(lived: Running) -> None:
    ((figures, error),) = lived.rows("select figures, error from build where is_current")
    log.info("build_after_the_hour", **figures)
    assert figures["positions"] > 500
    assert (figures["differences"], figures["damaged"], error) == (0, 0, None)
    assert lived.rows("select figures from build where state = 'published' and figures ->> 'differences' <> '0'") == []


def test_stock_is_what_lies_in_the_legacy_systems(lived: Running) -> None:
    true = stock.true_stock(lived)
    assert len(true) > 500
    assert stock.different(stock.live_stock(lived), true) == {}
    assert stock.different(stock.lake_stock(lived), {k: q for k, (q, _) in true.items() if q}) == {}


def test_no_row_is_lost(lived: Running) -> None:
    """Every row an agent has read is in a batch of the hub, applied and accounted for."""
    for state, batches, rows, accounted, pending in lived.rows(_ACCOUNT):
        log.info("batches", state=state, batches=batches, rows=rows)
        assert (state, pending) == ("applied", 0) or state == "rejected"
        assert rows == accounted + pending
    held = dict(lived.rows(_ROWS))
    spooled = {batch: json.loads(header)["rows"] for batch, header in _spooled(lived)}
    assert len(spooled) > 20
    assert {batch: held.get(batch) for batch in spooled} == spooled


def _spooled(group: Running) -> Iterator[tuple[str, str]]:
    configured = read_config(group.config)
    for system in configured.config.systems:
        with closing(sqlite3.connect(configured.folder_of(system) / "spool" / "spool.db")) as db:
            yield from db.execute("select batch_id, header from batch").fetchall()
