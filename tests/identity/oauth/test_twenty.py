"""One person in twenty organisations of three kinds: one sign-in, quick switches, tokens that name one organisation
each, and behind each of them nothing of the other nineteen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import text

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.settings import settings
from identity.models import Agent
from identity.organisations import handover
from identity.scopes import ROLES
from tests.conftest import GROUP
from tests.identity.oauth.conftest import EXCHANGE, App
from tests.identity.oauth.test_flow import decoded
from tests.isolation import things
from tests.isolation.matrix import Ask, Filler

KINDS = ["subsidiary"] * 7 + ["supplier"] * 7 + ["carrier"] * 6
SWITCH_SECONDS = 0.3
EMAIL = "busy@group.example"
SUBJECT = "urn:ietf:params:oauth:token-type:access_token"
SESSIONS = text("select count(*) from login_session where person_id = :person")
log = structlog.get_logger("twenty")


@dataclass
class Place:
    id: UUID
    key: str
    kind: str
    asks: list[Ask]


@dataclass
class Scene:
    places: list[Place]
    person: UUID
    app: App
    session: Any

    def exchange(self, place: Place, held: str) -> str:
        form = {"grant_type": EXCHANGE, "subject_token": held, "subject_token_type": SUBJECT}
        answer = self.app.token(**form, organization=str(place.id))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def choose(self, place: Place) -> None:
        answer = self.app.http.put("/v1/session/organisation", json={"organisation_id": str(place.id)})
        assert answer.status_code == 204, answer.text

    def readable(self, token: str) -> list[str]:
        return list(self.app.call("/v1/me", token).json()["readable"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "home", tmp_path)
    handover.folder().mkdir()


@pytest.fixture
def places(session, make_org, world, client, home) -> list[Place]:
    made = [make_org(f"place{n}", kind=kind) for n, kind in enumerate(KINDS)]
    document = client.app.openapi()
    return [Place(one.id, one.key, one.kind, filled(session, one, world.supplier, document)) for one in made]


@pytest.fixture
def scene(session, places, make_app, world, sign_in) -> Scene:
    person = world.person(EMAIL, "admin", at=places[0].id)
    for one in places[1:]:
        world.member(person, "admin", at=one.id)
    app = make_app(scopes=["openid", *sorted(ROLES["admin"])])
    sign_in(EMAIL)
    return Scene(places, person, app, session)


def filled(session: Any, one: Any, partner: UUID, document: dict[str, Any]) -> list[Ask]:
    """One of everything in the organisation, and every operation that reads it."""
    set_tenancy(session, Tenancy((GROUP, one.id), one.id))
    member = things.another(session, one.id, f"{one.key}@mail.example", sorted(ROLES["admin"]))
    agent = Agent(id=new_id(), organisation_id=one.id, name=one.key)
    session.add(agent)
    session.flush()
    known = things.fill(session, one.id, member, one.key, partner)
    (handover.folder() / f"{known['export_id']}.zip").write_bytes(b"PK\5\6" + bytes(18))
    known |= {"organisation_id": str(one.id), "person_id": str(member), "agent_id": str(agent.id)}
    named = [ask for ask in Filler(document, known).asks() if ask.names and set(ask.names) <= set(known)]
    return [ask for ask in named if ask.method == "GET"]


def timed(places: list[Place], act: Callable[[Place], Any]) -> tuple[list[Any], list[float]]:
    """What came of it at each place, and how long it took."""
    found, seconds = [], []
    for place in places:
        began = time.monotonic()
        found.append(act(place))
        seconds.append(time.monotonic() - began)
    return found, seconds


def judged(name: str, seconds: list[float]) -> None:
    middle, most = (round(one * 1_000, 1) for one in (median(seconds), max(seconds)))
    log.info(f"switch by {name}: median {middle} ms, max {most} ms")
    assert max(seconds) < SWITCH_SECONDS, (name, middle, most)


def test_one_sign_in_and_quick_switches(scene) -> None:
    _, seconds = timed(scene.places, scene.choose)
    judged("session", seconds)
    by_code, seconds = timed(scene.places, lambda place: scene.app.tokens(scope=wanted(), organization=place.key))
    judged("authorize", seconds)
    held = by_code[0]["access_token"]
    by_exchange, seconds = timed(scene.places, lambda place: scene.exchange(place, held))
    judged("token exchange", seconds)
    for place, code, exchanged in zip(scene.places, by_code, by_exchange, strict=True):
        for token in (code["access_token"], exchanged):
            assert decoded(scene.app.http, token).claims["org_id"] == str(place.id)
            assert scene.readable(token) == [str(place.id)]
    set_tenancy(scene.session, Tenancy(person=scene.person))
    assert scene.session.scalar(SESSIONS, {"person": scene.person}) == 1


def wanted() -> str:
    return " ".join(["openid", *sorted(ROLES["admin"])])


def test_the_session_reads_what_it_acts_for_alone(scene) -> None:
    for place in scene.places:
        scene.choose(place)
        assert scene.app.http.get("/v1/me").json()["readable"] == [str(place.id)]


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["one of each kind", "all twenty"])
def test_of_the_others_nothing_is_there(scene, step) -> None:
    asked, wrong = 0, []
    for place in scene.places[::step]:
        token = scene.app.tokens(scope=wanted(), organization=place.key)["access_token"]
        held = frozenset(decoded(scene.app.http, token).claims["scope"].split())
        for other, ask in questions(scene.places, held):
            answer = call(scene.app, ask, token)
            asked += 1
            right = answer.status_code < 400 if other is place else answer.status_code == 404
            if not right:
                wrong.append((place.key, other.key, ask.name, answer.status_code))
    log.info(f"{asked} resources asked for, {len(wrong)} answered wrongly")
    assert wrong == []
    assert min(len([a for a in p.asks if a.scopes <= held]) for p in scene.places) >= 5


def questions(places: list[Place], held: frozenset[str]) -> Iterator[tuple[Place, Ask]]:
    """Each organisation's resources that the scopes held open."""
    for place in places:
        yield from ((place, ask) for ask in place.asks if ask.scopes is not None and ask.scopes <= held)


def call(app: App, ask: Ask, token: str) -> Any:
    """As a program without cookies."""
    cookies, app.http.cookies = app.http.cookies, {}
    try:
        return app.http.get(ask.target, params=ask.query, headers={"authorization": f"Bearer {token}"})
    finally:
        app.http.cookies = cookies
