"""What is not disclosed leaves no trace: stocks that the policies make one give byte-identical answers, by the function
that discloses and over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from sqlalchemy import text

from masterdata import directory
from masterdata.golden import inventory, overview, totals
from tests.masterdata.disclosure.conftest import Mills
from tests.masterdata.disclosure.worlds import Worlds, row, worlds

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
PHASES = [Phase.explicit, Phase.generate]
WHO = {"subsidiary": "a", "supplier": "s", "carrier": "t"}
TOLD = text("select s.* from disclosed_stock(array(select id from golden_material where number = :number)) s")
# Two piles at places whose order and number differ: the sum is what counts.
SPREAD = Worlds(
    {"b": "banded", "c": "hidden", "d": "none"},
    {"b": [row("b", 1, 40)], "c": [row("c", 1, 5)], "d": [row("d", 1, 8)]},
    {"b": [row("b", 2, 30), row("b", 9, 30)], "c": [row("c", 3, 1)], "d": [row("d", 1, 0)]},
)
# What differs between two answers to one question: the reader's own age as a fraction, the request's id.
OWN = re.compile(rb'"(main_)?ratio":[^,}]+|"trace_id":"[^"]+"')
PATHS = {
    "json": "/v1/materials/{number}/holders",
    "found": "/v1/holders?q=b-1",
    "material": "/v1/materials/{number}",
    "rows": "/materials/{number}/holders",
    "page": "/materials/{number}",
    "list": "/v1/inventory?sort=quantity",
    "by holders": "/v1/inventory?sort=holders",
    "totals": "/v1/inventory/totals",
    "facets": "/v1/inventory/facets",
    "csv": "/v1/inventory/export.csv",
    "positions": "/v1/materials/{number}/positions",
    "history": "/v1/materials/{number}/movements",
    "search": "/v1/search?q=轴承",
    "changes": "/v1/inventory/changes",
}


def told(mills: Mills, which: Worlds, stocks: Any, kind: str) -> list[Any]:
    with mills.undone():
        which.enter(mills, stocks, kind)
        mills.look(WHO[kind])
        return list(mills.shop.session.execute(TOLD, {"number": mills.number}).all())


@pytest.mark.parametrize("kind", WHO)
def test_stocks_of_one_band_are_told_alike(mills: Mills, kind: str) -> None:
    @settings(max_examples=40, database=None, suppress_health_check=QUIET, phases=PHASES)
    @example(SPREAD)
    @given(worlds())
    def run(given_worlds: Worlds) -> None:
        first = told(mills, given_worlds, given_worlds.one, kind)
        assert str(first) == str(told(mills, given_worlds, given_worlds.other, kind))
        assert all(line.free is None and line.place is None for line in first if line.level != "full")
        assert not [name for name in given_worlds.names("hidden", "none") if name in str(first)]

    run()


def forget() -> None:
    for cache in (inventory._ahead, overview._cache, overview._slow, totals._cache, totals._choices):
        cache.clear()
    directory._kept.clear()


def answers(mills: Mills, ask: Any, which: Worlds, stocks: Any, kind: str = "subsidiary") -> dict[str, bytes]:
    """Every road's answer; of the material's page what says who holds it: its chart is drawn from the present on."""
    forget()
    with mills.undone():
        which.enter(mills, stocks, kind)
        given = {name: OWN.sub(b"", ask(WHO[kind], path).content) for name, path in PATHS.items()}
    holders = re.search(rb'<section class="sec" id="holders">.*?</section>', given["page"], re.DOTALL)
    return given | {"page": holders.group() if holders else b"", "rows": given["rows"] if holders else b""}


@pytest.mark.parametrize("kind", ["subsidiary", "supplier"])
def test_every_road_over_http_tells_them_alike(mills: Mills, ask: Any, kind: str) -> None:
    @settings(max_examples=8, database=None, suppress_health_check=QUIET, phases=PHASES)
    @example(SPREAD)
    @given(worlds())
    def run(given_worlds: Worlds) -> None:
        first = answers(mills, ask, given_worlds, given_worlds.one, kind)
        other = answers(mills, ask, given_worlds, given_worlds.other, kind)
        assert {name: first[name] for name in PATHS if first[name] != other[name]} == {}
        said = b"".join(first.values()).decode()
        assert not [name for name in given_worlds.names("hidden", "none") if name in said]

    run()


def test_a_band_is_written_on_the_page_and_the_figure_is_not(mills: Mills, ask: Any) -> None:
    mills.apply({"b": [4711], "c": [4713]})
    mills.rule("b", "banded")
    mills.rule("c", "hidden")
    for path in ("/materials/{number}", "/materials/{number}/holders"):
        page = ask("a", path).text
        assert page.count("1,000–9,999") == 2 and "Holder not named" in page and "ead office" in page
        assert "4,71" not in page and "471" not in page and "Mill Czq" not in page
    assert "some in 2 more places" in ask("a", "/materials/{number}").text
