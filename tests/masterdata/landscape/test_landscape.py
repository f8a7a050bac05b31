"""Systems, feeds and places as they are at the moment of asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hub.errors import Conflict, NotFound, Unprocessable
from masterdata.landscape import service
from masterdata.landscape.schemas import SystemIn
from tests.masterdata.plant import Plant, stock


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


# So long that a slow machine changes no state.
SLA = 100_000

# Age of the newest read in units of its promise, and the state that follows.
STATES = ((0.1, "fresh"), (0.99, "fresh"), (1.05, "late"), (1.95, "late"), (2.05, "stale"), (50, "stale"))


@pytest.mark.parametrize(("ratio", "state"), STATES)
def test_state_follows_age_by_promise(plant: Plant, ratio: float, state: str) -> None:
    plant.deliver("stock_positions", [stock("A", 1)], observed_at=ago(SLA * ratio), sla_seconds=SLA)
    with plant.session(acting=False) as session:
        (feed,) = service.list_feeds(session)
        (system,) = service.list_systems(session)
    assert (feed.state, system.state, feed.sla_seconds, feed.rows) == (state, state, SLA, 1)
    assert feed.age_seconds is not None
    assert abs(feed.age_seconds - SLA * ratio) < 60
    assert feed.delay_p50 is not None
    assert abs(feed.delay_p50 - SLA * ratio) < 60


def test_a_held_feed_says_so_and_a_waiting_batch_is_lag(plant: Plant) -> None:
    plant.deliver("stock_positions", [stock("A", 1)], observed_at=ago(60))
    plant.deliver("stock_positions", [], observed_at=ago(30))
    plant.land("partners", [])
    plant.deliver("partners", [])
    plant.land("partners", [], observed_at=ago(10))
    with plant.session(acting=False) as session:
        feeds = {f.stream: f for f in service.list_feeds(session)}
    assert (feeds["stock_positions"].state, feeds["stock_positions"].held_batch_id is not None) == ("held", True)
    assert feeds["stock_positions"].error
    assert feeds["partners"].waiting == 2
    assert feeds["partners"].lag_seconds > 0


def test_agents_and_what_they_report(plant: Plant) -> None:
    plant.deliver("stock_positions", [stock("A", 1)], observed_at=ago(60))
    report = """{"systems": [{"system": "u8", "spool": {"ready": 3},
                 "streams": [{"stream": "stock_positions", "last_error": "login failed"}]}]}"""
    with plant.session() as session:
        session.execute(text("update agent set last_seen_at = now(), health = cast(:h as jsonb)"), {"h": report})
    with plant.session(acting=False) as session:
        (system,) = service.list_systems(session)
    (feed,), (agent,) = system.feeds, system.agents
    assert (feed.spool, feed.agent_error) == (3, "login failed")
    assert (agent.name, agent.is_disabled) == ("edge", False)
    assert agent.seen_seconds is not None


def test_delay_percentiles_over_the_newest_batches(plant: Plant) -> None:
    for seconds in (1_000, 2_000, 3_000, 40_000):
        plant.deliver("stock_positions", [stock("A", seconds)], observed_at=ago(seconds), sync="incremental")
    with plant.session(acting=False) as session:
        (feed,) = service.list_feeds(session)
    assert feed.delay_p50 is not None
    assert feed.delay_p95 is not None
    assert 2_500 <= feed.delay_p50 < 2_560
    assert 34_440 < feed.delay_p95 < 34_520
    kept = plant.one("select delays -> 'all' as kept from feed")["kept"]
    assert [round(delay / 1_000) for delay in kept] == [40, 3, 2, 1]


def test_a_silent_place_inside_a_healthy_feed(plant: Plant) -> None:
    both = [stock("A", 1), stock("A", 1, place="W2")]
    plant.deliver("stock_positions", both, observed_at=ago(10_000))
    plant.deliver("stock_positions", [stock("A", 2), both[1]], observed_at=ago(5))
    with plant.session() as session:
        for place in service.list_places(session, "u8"):
            service.set_place_sla(session, "u8", place.id, 3_600)
    with plant.session(acting=False) as session:
        states = {p.place_id: p.state for p in service.list_places(session, "u8")}
        (feed,) = service.list_feeds(session)
    assert (states, feed.state) == ({"W1": "fresh", "W2": "stale"}, "fresh")


def given(**more: Any) -> SystemIn:
    return SystemIn.model_validate({"key": "k3", "kind": "kingdee-k3", "name_zh": "金蝶", "name_en": "K3"} | more)


def test_registering_a_system(plant: Plant) -> None:
    with plant.session() as session:
        service.register_system(session, given(organisations=["qingyu"]))
    with plant.session(acting=False) as session:
        system = service.get_system(session, "k3")
    assert (system.organisation, system.organisations, system.state) == ("qingyu", ("qingyu",), "unknown")


@pytest.mark.parametrize(
    ("change", "error"), [({"key": "u8"}, Conflict), ({"organisations": ["nobody"]}, Unprocessable)]
)
def test_a_system_that_cannot_be_registered(plant: Plant, change: dict[str, Any], error: type[Exception]) -> None:
    with plant.session() as session, pytest.raises(error):
        service.register_system(session, given(**change))


def test_limits_of_a_coverage_and_taking_them_back(plant: Plant) -> None:
    plant.deliver("stock_positions", [stock("A", 1)], observed_at=ago(5))
    with plant.session() as session:
        assert service.set_limits(session, "u8", "all", {"rows_min": 0.2, "overlap_min": 0.1}) == {
            "rows_min": 0.2,
            "overlap_min": 0.1,
        }
        assert service.set_limits(session, "u8", "all", {"rows_min": None}) == {"overlap_min": 0.1}
        with pytest.raises(NotFound):
            service.set_limits(session, "u8", "north", {})


def test_a_limit_nobody_knows_is_refused_with_the_known_ones(plant: Plant) -> None:
    with plant.session() as session, pytest.raises(Unprocessable, match=r"no limit row_min\..*rows_min"):
        service.set_limits(session, "u8", "all", {"row_min": 0.2})
