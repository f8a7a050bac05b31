"""Guessing is slow, and the person whose password is guessed still gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from hub.columns import new_id
from hub.errors import TooManyRequests, Unauthenticated
from identity import retention
from identity.models import Agent, AgentNonce, LoginSession, OneTimeLink, Person, SignInFailure
from identity.sessions import service
from identity.sessions.service import Browser
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD


@pytest.fixture
def attempt(app, world):
    """attempt(address, password) as the sign-in endpoint does it."""
    world.person("ann@alpha.example", "planner", at=world.a)

    def enter(address: str, password: str = "wrong password", email: str = "ann@alpha.example"):
        with app.state.new_session() as session, session.begin():
            browser = Browser(address, "test")
            return service.sign_in(session, app.state.new_session, email=email, password=password, browser=browser)

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
    for _ in range(3):
        assert [refused(attempt, "10.0.0.1") for _ in range(4)] == ["Unauthenticated"] * 4
        attempt("10.0.0.1", PASSWORD)


def test_many_addresses_get_twenty_tries_an_hour_but_a_known_address_stays_welcome(attempt) -> None:
    attempt("10.0.0.1", PASSWORD)
    kinds = [refused(attempt, f"10.1.{i // 250}.{i % 250}") for i in range(60)]
    assert kinds.count("Unauthenticated") == 20
    attempt("10.0.0.1", PASSWORD)


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
