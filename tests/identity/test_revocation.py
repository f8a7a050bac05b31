"""What is taken from a person, a membership, an organisation, a client, an agent or a partner is refused within five
seconds at every door of every process, and clients are told within two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text

from hub.columns import new_id
from hub.database import make_engine
from hub.store import application_of
from tests.identity.live import STOCK, Live, Plant, Watch, running

log = structlog.get_logger("revocation")
pytestmark = pytest.mark.slow
REFUSED_SECONDS, TOLD_SECONDS = 5.0, 2.0
PERSONS = {"cookie", "token", "refresh", "introspection", "stream by cookie", "stream by token"}
BY_APP = {"token", "refresh", "introspection", "stream by token"}
PROGRAMS = {"program's token", "program's sign-in"}
UNIT = """
    insert into unit (code, name_zh, name_en, symbol_zh, symbol_en, dimension, numerator, denominator, decimals)
    values ('C62', '个', 'piece', '个', 'pc', 'count', 1, 1, 0) on conflict do nothing"""


@pytest.fixture(scope="module")
def hub(server: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    name = f"live_{new_id().hex}"
    url = server.create_database(name, template)
    owner, engine = make_engine(url), make_engine(application_of(url))
    with owner.begin() as connection:
        connection.execute(text(UNIT))
    with running(url, application_of(url), engine, tmp_path_factory.mktemp("home")) as live:
        yield live
    engine.dispose()
    owner.dispose()
    server.drop_database(name)


def watched(plant: Plant, doors: set[str]) -> Watch:
    """Every door that is to close, at each process."""
    watch = Watch()
    for n, address in enumerate(plant.hub.at):
        browser = plant.sign_in(address)
        if doors & PERSONS:
            _person(watch, plant, browser, f" at {n}", doors)
        bare = plant.hub.http(address)
        if doors & PROGRAMS:
            token = {"authorization": "Bearer " + plant.robot_token(bare).raise_for_status().json()["access_token"]}
            watch.door(f"program's token at {n}", lambda h=bare, t=token: ok(h.get("/v1/systems", headers=t)))
            watch.door(f"program's sign-in at {n}", lambda h=bare: ok(plant.robot_token(h)))
        if "upload" in doors:
            watch.door(f"upload at {n}", lambda h=bare: uploaded(plant, h))
    return watch


def _person(watch: Watch, plant: Plant, browser: httpx.Client, end: str, doors: set[str]) -> None:
    held = plant.tokens(browser)
    bare = plant.hub.http(str(browser.base_url))
    given = {"authorization": f"Bearer {held['access_token']}"}
    if "cookie" in doors:
        watch.door("cookie" + end, lambda: ok(browser.get(STOCK)))
        watch.stream("stream by cookie" + end, browser)
    watch.door("token" + end, lambda: ok(bare.get(STOCK, headers=given)))
    watch.stream("stream by token" + end, bare, given)
    family = [held["refresh_token"]]
    watch.door("refresh" + end, lambda: refreshed(plant, bare, family))
    watch.door("introspection" + end, lambda: introspected(plant, bare, held["access_token"]))


def ok(answer: httpx.Response) -> bool:
    assert answer.status_code < 500, answer.text
    return answer.status_code == httpx.codes.OK


def uploaded(plant: Plant, http: httpx.Client) -> bool:
    return ok(http.post("/v1/events", json=plant.event(), headers=plant.upload))


def refreshed(plant: Plant, http: httpx.Client, family: list[str]) -> bool:
    answer = plant.token(http, plant.app, {"grant_type": "refresh_token", "refresh_token": family[-1]})
    if ok(answer):
        family.append(answer.json()["refresh_token"])
    return ok(answer)


def introspected(plant: Plant, http: httpx.Client, token: str) -> bool:
    auth = (plant.app["client_id"], plant.app["client_secret"])
    answer = http.post("/oauth/introspect", data={"token": token}, auth=auth)
    return ok(answer) and bool(answer.json()["active"])


def disable_person(on: Plant) -> None:
    on.hub.act("PATCH", f"/v1/people/{on.person}", {"is_disabled": True, "organisation_id": on.id})


def end_membership(on: Plant) -> None:
    on.hub.act("DELETE", f"/v1/people/{on.person}?organisation_id={on.id}")


def close_organisation(on: Plant) -> None:
    on.hub.act("POST", f"/v1/organisations/{on.id}/closing", {})


def disable_app(on: Plant) -> None:
    on.hub.act("PATCH", f"/v1/clients/{on.app['id']}", {"is_disabled": True})


def end_secret(on: Plant) -> None:
    on.hub.act("DELETE", f"/v1/clients/{on.robot['id']}/secrets/{on.robot['secrets'][0]['id']}")


def disable_agent(on: Plant) -> None:
    on.hub.act("PATCH", f"/v1/agents/{on.agent}", {"is_disabled": True})


def revoke_grant(on: Plant) -> None:
    on.hub.act("DELETE", f"/v1/partner-grants/{on.grant}")


ACTS: dict[Callable[[Plant], None], tuple[set[str], bool]] = {
    disable_person: (PERSONS, True),
    end_membership: (PERSONS, True),
    close_organisation: (PERSONS | PROGRAMS | {"upload"}, True),
    disable_app: (BY_APP, True),
    end_secret: (PROGRAMS, False),
    disable_agent: ({"upload"}, False),
    revoke_grant: (PERSONS, True),
}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_refused_everywhere_within_five_seconds(hub: Live, act: Callable[[Plant], None]) -> None:
    doors, is_told = ACTS[act]
    plant = Plant(hub, act.__name__.replace("_", "-"), guest=act is revoke_grant)
    watch = watched(plant, doors)
    time.sleep(2.5)
    watch.since = time.monotonic()
    try:
        act(plant)
        time.sleep(REFUSED_SECONDS + 1.5)
    finally:
        watch.close()
    late, told = watch.seconds(), hub.listener.first(plant.person, watch.since)
    log.info(f"{act.__name__}: refused after {late} s, clients told after {told} s")
    assert set(late) == {f"{door} at {n}" for door in doors for n in range(2)}
    assert max(late.values()) <= REFUSED_SECONDS, late
    assert not is_told or (told is not None and told <= TOLD_SECONDS), told
