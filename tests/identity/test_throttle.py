"""Guessing is slow, and the person whose password is guessed still gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from hub.columns import new_id
from hub.errors import TooManyRequests, Unauthenticated
from identity import retention
from identity.models import Agent, AgentNonce, LoginSession, OneTimeLink, Person, SignInFailure
from identity.sessions.service import Browser
from identity.strong import devices, signin
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD


@pytest.fixture
def attempt(app, world):
    """attempt(address, password) as the sign-in endpoint does it."""
    world.person("ann@alpha.example", "planner", at=world.a)

    def enter(address: str, password: str = "wrong password", email: str = "ann@alpha.example", device: str = ""):
        with app.state.new_session() as session, session.begin():
            browser = Browser(address, "test", devices.read(device))
            return signin.sign_in(session, app.state.new_session, email=email, password=password, browser=browser)

    return enter


@pytest.fixture
def settled(committed_db) -> list[str]:
    """Tables that hold one row past its time and one within it."""
    person, agent = new_id(), new_id()
    with committed_db.owner_engine.begin() as owner:
        fields = {"organisation_id": GROUP, "name": "x"}
        owner.execute(insert(Person).values(id=person, email="a@b", **fields))
        owner.execute(insert(Agent).values(id=agent, **fields))
        for n, at in enumerate((datetime.now(UTC) - timedelta(days=30), datetime.now(UTC) + timedelta(days=1))):
            mark = {"token_hash": bytes([n]), "expires_at": at, "person_id": person, "organisation_id": GROUP}
            owner.execute(insert(LoginSession).values(csrf="x", **mark))
            owner.execute(insert(OneTimeLink).values(purpose="reset", **mark))
            owner.execute(insert(AgentNonce).values(agent_id=agent, jti=str(n), expires_at=at))
            owner.execute(insert(SignInFailure).values(door=bytes([n]), failures=1, since=at))
    return ["login_session", "one_time_link", "agent_nonce"]


def refused(attempt, *given) -> str:
    with pytest.raises((Unauthenticated, TooManyRequests)) as caught:
        attempt(*given)
    return type(caught.value).__name__


def test_a_pair_of_account_and_address_waits_after_five_tries(attempt) -> None:
    assert [refused(attempt, "10.0.0.1") for _ in range(7)] == ["Unauthenticated"] * 5 + ["TooManyRequests"] * 2
    assert refused(attempt, "10.0.0.1", PASSWORD) == "TooManyRequests"
    attempt("10.0.0.2", PASSWORD)


def test_the_right_password_starts_the_pair_afresh(attempt) -> None:
    device = attempt("10.0.0.1", PASSWORD).device
    for held in ("", device, device):
        wrong = ("10.0.0.1", "wrong password", "ann@alpha.example", held)
        assert [refused(attempt, *wrong) for _ in range(4)] == ["Unauthenticated"] * 4
        attempt("10.0.0.1", PASSWORD, device=held)


@pytest.fixture
def evaluated(monkeypatch) -> list[str]:
    """The passwords that were really judged, by a judge that takes no time."""
    judged: list[str] = []

    def judge(password_hash: str | None, password: str) -> bool:
        judged.append(password)
        return password_hash is not None and password == PASSWORD

    monkeypatch.setattr(signin, "verify_password", judge)
    return judged


@pytest.mark.parametrize("guesses", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_guesses_from_as_many_addresses_are_judged_ten_times_and_a_known_device_gets_in(
    attempt, evaluated, guesses
) -> None:
    device = attempt("10.0.0.1", PASSWORD).device
    evaluated.clear()
    kinds = [refused(attempt, f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}") for i in range(guesses)]
    assert kinds.count("Unauthenticated") == len(evaluated) == 10
    assert refused(attempt, "10.0.0.1", PASSWORD) == "TooManyRequests"
    for address in ("10.0.0.1", "10.9.9.9"):
        assert attempt(address, PASSWORD, device=device).device == ""


def test_any_hour_holds_at_most_twenty_guesses(attempt, evaluated, world) -> None:
    """The window begins with its first try: the worst hour is the end of one and the beginning of the next."""
    for minutes in (0, 61, 59):
        world.session.execute(text(f"update sign_in_failure set since = since - interval '{minutes} minutes'"))
        world.session.flush()
        for i in range(30):
            refused(attempt, f"10.1.{minutes}.{i}")
    assert len(evaluated) == 20


def test_a_known_device_is_no_place_to_guess_and_knows_its_own_account_alone(attempt, world) -> None:
    device = attempt("10.0.0.1", PASSWORD).device
    world.person("bob@alpha.example", "planner", at=world.a)
    kinds = [refused(attempt, "10.0.0.1", "wrong password", "ann@alpha.example", device) for _ in range(7)]
    assert kinds == ["Unauthenticated"] * 5 + ["TooManyRequests"] * 2
    for i in range(10):
        refused(attempt, f"10.1.0.{i}", "wrong password", "bob@alpha.example")
    assert refused(attempt, "10.0.0.1", PASSWORD, "bob@alpha.example", device) == "TooManyRequests"


def test_a_window_ends_by_itself(attempt, world) -> None:
    for _ in range(7):
        refused(attempt, "10.0.0.1")
    world.session.execute(text("update sign_in_failure set since = since - interval '6 minutes'"))
    world.session.flush()
    attempt("10.0.0.1", PASSWORD)


def test_what_has_ended_is_forgotten(committed_db, settled) -> None:
    """`settled` rows: two of each table, one within its time."""
    retention.forget(committed_db.engine)
    with committed_db.owner_engine.begin() as connection:
        left = {t: connection.scalar(text(f"select count(*) from {t}")) for t in (*settled, "sign_in_failure")}
    assert left == {"login_session": 1, "one_time_link": 1, "agent_nonce": 1, "sign_in_failure": 1}


def test_an_unknown_account_is_throttled_alike(attempt) -> None:
    kinds = [refused(attempt, "10.0.0.1", "x" * 12, "nobody@alpha.example") for _ in range(6)]
    assert kinds == ["Unauthenticated"] * 5 + ["TooManyRequests"]
