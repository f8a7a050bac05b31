"""Coverages and feeds as intake keeps them: made on first sight, told how each batch went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from connectors.contract import streams
from masterdata.intake.models import Batch
from masterdata.landscape.models import Coverage

# Delays kept per feed for its percentiles.
DELAYS = 200

_COVERAGE = text("""
    insert into coverage (organisation_id, system_id, name, sla_seconds, read_clock)
    values (:org, :system, :name, :sla, :clock)
    on conflict (organisation_id, system_id, name) do update
    set sla_seconds = case when :leads then excluded.sla_seconds else coverage.sla_seconds end
    where :leads and coverage.sla_seconds <> excluded.sla_seconds""")

_GOOD = text("""
    insert into feed (organisation_id, system_id, stream, coverage, sla_seconds, mapping, last_batch_id, last_good_at,
                      read_through, rows, delays)
    values (:org, :system, :stream, :coverage, :sla, :mapping, :batch, clock_timestamp(), :at, :rows,
            jsonb_build_object('all', jsonb_build_array(cast(:delay as float)), 'p50', cast(:delay as float),
                               'p95', cast(:delay as float)))
    on conflict (organisation_id, system_id, stream, coverage) do update set
        sla_seconds = excluded.sla_seconds,
        mapping = case when excluded.mapping <> '' then excluded.mapping else feed.mapping end,
        last_batch_id = excluded.last_batch_id, last_good_at = excluded.last_good_at, error = null,
        read_through = greatest(feed.read_through, excluded.read_through),
        rows = case when :full then excluded.rows else feed.rows end,
        delays = (
            select jsonb_build_object('all', jsonb_agg(d.delay order by d.n desc),
                                      'p50', percentile_cont(0.5) within group (order by d.delay),
                                      'p95', percentile_cont(0.95) within group (order by d.delay))
            from (select x.delay, x.n from (
                      select cast(e.value as float) as delay, 0 - e.n as n
                      from jsonb_array_elements(coalesce(feed.delays -> 'all', '[]')) with ordinality e (value, n)
                      union all select cast(:delay as float), 1) x
                  order by x.n desc limit :keep) d)""")

_BAD = text("""
    insert into feed (organisation_id, system_id, stream, coverage, sla_seconds, mapping, rows, error)
    values (:org, :system, :stream, :coverage, :sla, :mapping, 0, :error)
    on conflict (organisation_id, system_id, stream, coverage) do update set error = excluded.error""")


def sla_seconds(batch: Batch) -> int:
    """The mapping's promise for this stream, else the contract's."""
    promised = batch.header.get("sla_seconds")
    return int(promised) if promised else streams()[batch.stream].sla_seconds


def coverage(session: Session, batch: Batch) -> Coverage:
    """The batch's coverage, made on first sight; its promise follows the stock balances, where there are any. One that
    is as it should be is not locked: it is written under the ledger's lock, and may be read before."""
    values = {
        "org": batch.organisation_id,
        "system": batch.system_id,
        "name": batch.coverage,
        "sla": sla_seconds(batch),
        "clock": batch.clock,
        "leads": batch.stream == "stock_positions",
    }
    query = select(Coverage).where(
        Coverage.organisation_id == batch.organisation_id,
        Coverage.system_id == batch.system_id,
        Coverage.name == batch.coverage,
    )
    query = query.execution_options(populate_existing=True)
    found = session.scalars(query).one_or_none()
    if found is None or (values["leads"] and found.sla_seconds != values["sla"]):
        session.execute(_COVERAGE, values)
        found = session.scalars(query).one()
    return found


def went_well(session: Session, batch: Batch, applied_at: datetime) -> None:
    """The feed's newest good batch, with the delay from the source's instant to this one."""
    delay = max((applied_at - batch.observed_at).total_seconds(), 0)
    full = batch.sync == "full"
    values = _values(batch) | {"batch": batch.id, "at": batch.observed_at, "rows": batch.rows_in, "full": full}
    session.execute(_GOOD, values | {"delay": delay, "keep": DELAYS})


def went_wrong(session: Session, batch: Batch, error: str) -> None:
    session.execute(_BAD, _values(batch) | {"error": error})


def _values(batch: Batch) -> dict[str, Any]:
    return {
        "org": batch.organisation_id,
        "system": batch.system_id,
        "stream": batch.stream,
        "coverage": batch.coverage,
        "sla": sla_seconds(batch),
        "mapping": batch.header.get("mapping", ""),
    }
