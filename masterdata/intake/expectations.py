"""The gate's judge: Great Expectations on a frame of one row. Imported in workers only, on first use: it takes
seconds and 200 MB."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

from masterdata.intake.gate import LIMITS


def failed(figures: Mapping[str, float | None], limits: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """The limits that the figures do not keep, as (name, measured, limit). `limits` overrides by name."""
    bounds = {name: float(limits.get(name, limit.bound or 0)) for name, limit in LIMITS.items()}
    judged = {name: figures[LIMITS[name].figure] for name in bounds}
    known = {name: value for name, value in judged.items() if value is not None}
    if not known:
        return []
    sides = {name: "max_value" if LIMITS[name].minimum is None else "min_value" for name in known}
    outcome = _validate(known, {name: {sides[name]: bounds[name]} for name in known})
    return [(name, known[name], bounds[name]) for name in known if not outcome[name]]


def within(figures: Mapping[str, float], most: Mapping[str, float]) -> dict[str, bool]:
    """Which figures do not exceed what they may be at most."""
    return _validate(figures, {name: {"max_value": most[name]} for name in figures})


def _validate(known: Mapping[str, float], bounds: Mapping[str, Mapping[str, float]]) -> dict[str, bool]:
    """One column per limit, so that every expectation names itself by its column."""
    import pandas as pd  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gx, batches = _library()
        suite = gx.ExpectationSuite(name="figures")
        for name in known:
            suite.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column=name, **bounds[name]))
        batch = batches.get_batch(batch_parameters={"dataframe": pd.DataFrame([dict(known)])})
        results = batch.validate(suite).results
    crashed = [r for r in results if _raised(r.exception_info)]
    if crashed or len(results) != len(known):
        raise RuntimeError(f"the figures could not be judged: {crashed[0].exception_info if crashed else 'no result'}")
    return {r.expectation_config.kwargs["column"]: bool(r.success) for r in results}


def _raised(info: Mapping[str, Any]) -> bool:
    """What went wrong within a metric stands one level deeper, by the metric's name."""
    within = [one for one in info.values() if isinstance(one, Mapping)]
    return any(one.get("raised_exception") for one in (info, *within))


@cache
def _library() -> tuple[Any, Any]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("figures")
    asset = source.add_dataframe_asset("snapshot")
    return gx, asset.add_batch_definition_whole_dataframe("row")


def warm() -> None:
    """Load the library before the first snapshot waits for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _library()
