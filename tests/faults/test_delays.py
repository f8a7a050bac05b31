"""A source stops: every number from it says late, then stale, wherever the API shows it; nothing else does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.masterdata.plant import Plant, stock

SLA = 3
BOUND = timedelta(seconds=60)
STATES = ("fresh", "late", "stale")

# A hub of its own, and promises of seconds: on a busy machine it needs minutes.
pytestmark = pytest.mark.slow


def second_system(plant: Plant) -> None:
    with plant.session() as session:
        session.execute(
            text(
                "insert into source_system (id, organisation_id, organisations, key, kind, name_zh, name_en, zone)"
                " values (gen_random_uuid(), :org, array[cast(:org as uuid)], 'k3', 'x', 'x', 'x', 'UTC')"
            ),
            {"org": plant.id},
        )
        session.execute(
            text("insert into agent_grant (organisation_id, agent_id, system) values (:org, :agent, 'k3')"),
            {"org": plant.id, "agent": plant.agent_id},
        )


def shown(group: TestClient, item: str, system: str) -> set[str]:
    """The state of a material that one system holds, at every place where the API shows one."""
    (material,) = group.get("/v1/holders", params={"q": item}).json()["holders"]
    number = material["number"]
    (row,) = [r for r in group.get("/v1/inventory").json()["items"] if r["number"] == number]
    positions = group.get(f"/v1/materials/{number}/positions").json()["items"]
    feeds = group.get("/v1/feeds", params={"system": system}).json()
    own = group.get(f"/v1/systems/{system}").json()
    return {
        row["age"]["state"],
        *(holder["age"]["state"] for holder in material["holders"]),
        *(p["age"]["state"] for p in positions),
        *(f["state"] for f in feeds),
        own["state"],
        group.get(f"/v1/materials/{number}").json()["holders"]["age"]["state"],
    }


def wait_for(group: TestClient, state: str, since: datetime) -> timedelta:
    """How long after `since` every number of the stopped source says `state`; none of it may come before."""
    while (said := shown(group, "A", "u8")) != {state}:
        assert datetime.now(UTC) - since < BOUND, said
        time.sleep(0.2)
    return datetime.now(UTC) - since


def test_a_stopped_source_turns_late_then_stale_and_others_do_not(plant: Plant, group: TestClient) -> None:
    second_system(plant)
    read = datetime.now(UTC)
    plant.deliver("stock_positions", [stock("B", 7)], system="k3", observed_at=read, sla_seconds=3_600)
    plant.deliver("stock_positions", [stock("A", 5)], observed_at=read, sla_seconds=SLA)
    for n, state in enumerate(STATES[1:], 1):
        due = read + timedelta(seconds=SLA * n)
        lag = wait_for(group, state, due)
        assert timedelta(0) <= lag < BOUND
        assert shown(group, "B", "k3") == {"fresh"}
    # The number itself stays: an old one is better than none.
    (kept,) = group.get("/v1/holders", params={"q": "A"}).json()["holders"]
    assert Decimal(kept["stock"]["on_hand"]) == 5


def test_a_silent_warehouse_inside_a_healthy_feed_is_seen(plant: Plant, group: TestClient) -> None:
    start = datetime.now(UTC) - timedelta(minutes=10)
    rows = [stock("A", 5, place="W1"), stock("A", 5, place="W2")]
    plant.deliver("stock_positions", rows, observed_at=start, sla_seconds=3_600)
    places = {p["place_id"]: p["id"] for p in group.get("/v1/systems/u8/places").json()["items"]}
    for number in places.values():
        answer = group.patch(f"/v1/systems/u8/places/{number}", json={"activity_sla_seconds": 240})
        assert answer.status_code == 200, answer.text
    changed = [stock("A", 6, place="W1"), stock("A", 5, place="W2")]
    plant.deliver("stock_positions", changed, observed_at=datetime.now(UTC), sla_seconds=3_600)
    said = {p["place_id"]: p["state"] for p in group.get("/v1/systems/u8/places").json()["items"]}
    assert said == {"W1": "fresh", "W2": "stale"}
    assert {f["state"] for f in group.get("/v1/feeds").json()} == {"fresh"}
