"""Of fifty at once exactly one wins: what a link or a code opens, it opens once."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from joserfc.jwk import OKPKey
from sqlalchemy import text

from hub.database import Tenancy, make_engine, set_tenancy, unit_of_work
from hub.errors import HubError
from identity import links
from identity.agents import service as agents
from identity.agents.schemas import AgentIn, Enrolment
from identity.invitations import service as invitations
from identity.invitations.schemas import InvitationIn
from identity.models import Membership
from identity.people import account
from identity.people.models import EmailChange
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.principal import Principal
from identity.scopes import ROLES
from identity.secrets import digest
from identity.sessions.service import Browser
from tests.conftest import GROUP

AT_ONCE = 50
ROUNDS = int(os.environ.get("HUB_TEST_ROUNDS", "2"))
ACTING = Tenancy((GROUP,), GROUP)


@pytest.fixture
def engine50(committed_db):
    engine = make_engine(committed_db.application_url, pool_size=AT_ONCE)
    yield engine
    engine.dispose()


def race(engine, action) -> Counter[str]:
    """How often each outcome came of the action begun in fifty threads at once."""
    together = Barrier(AT_ONCE)

    def run(_: int) -> str:
        try:
            with unit_of_work(engine, Tenancy()) as session:
                session.execute(text("select 1"))
                together.wait()
                action(session)
        except HubError as error:
            return type(error).__name__
        return "won"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(run, range(AT_ONCE)))


def test_one_link_sets_one_password(engine50) -> None:
    with unit_of_work(engine50, ACTING) as session:
        person = add_person(session, GROUP, PersonIn(email="ann@group.example", name="Ann", roles=["planner"]))
        session.add(Membership(organisation_id=GROUP, person_id=person, scopes=["settings:self"]))
        token = links.issue(session, person, GROUP, "set_password").partition("token=")[2]
    outcome = race(engine50, lambda s: links.redeem(s, token, "a new long password", Browser("", "")))
    assert outcome == {"won": 1, "NotFound": AT_ONCE - 1}


def member(session, email: str, *scopes: str):
    person = add_person(session, GROUP, PersonIn(email=email, name="Ann", roles=["planner"]))
    session.add(Membership(organisation_id=GROUP, person_id=person, scopes=["settings:self", *scopes]))
    session.flush()
    return person


def caller(person, *scopes: str) -> Principal:
    return Principal("person", person, "Test", GROUP, (GROUP,), frozenset({"settings:self", *scopes}))


def test_one_invitation_makes_one_member(engine50) -> None:
    with unit_of_work(engine50, ACTING) as session:
        boss = member(session, "boss@group.example", "people:write")
        guests = [member(session, f"p{n}@group.example") for n in range(AT_ONCE)]
    for _ in range(ROUNDS):
        with unit_of_work(engine50, ACTING) as session:
            made = invitations.invite(session, caller(boss, *ROLES["planner"]), InvitationIn(roles=["planner"]))
            token = made.link.partition("token=")[2]
        turn = iter(guests)
        outcome = race(engine50, lambda s, t=token, g=turn: invitations.accept(s, caller(next(g)), t))
        assert outcome == {"won": 1, "NotFound": AT_ONCE - 1}


def test_one_mailed_link_changes_one_address(engine50) -> None:
    with unit_of_work(engine50, ACTING) as session:
        person = member(session, "ann@group.example")
        change = EmailChange(person_id=person, email="new@group.example", token_hash=digest("token"))
        change.expires_at = datetime.now(UTC) + timedelta(days=1)
        set_tenancy(session, caller(person).tenancy)
        session.add(change)
    outcome = race(engine50, lambda s: account.confirm_email(s, "token"))
    assert outcome == {"won": 1, "NotFound": AT_ONCE - 1}


def test_one_token_merges_once(engine50) -> None:
    with unit_of_work(engine50, ACTING) as session:
        old, kept = member(session, "old@group.example"), member(session, "kept@group.example")
        set_tenancy(session, caller(old).tenancy)
        token = account.start_merge(session, caller(old))

    def unite(session) -> None:
        set_tenancy(session, caller(kept).tenancy)
        account.merge(session, caller(kept), token)

    assert race(engine50, unite) == {"won": 1, "NotFound": AT_ONCE - 1}


def test_one_code_enrols_one_agent(engine50) -> None:
    caller = Principal("person", GROUP, "Test", GROUP, (GROUP,), frozenset())
    with unit_of_work(engine50, ACTING) as session:
        code = agents.create_agent(session, caller, AgentIn(name="plant")).code
    given = Enrolment(code=code, public_key=OKPKey.generate_key("Ed25519").as_dict(private=False))
    assert race(engine50, lambda s: agents.enrol(s, given)) == {"won": 1, "Unauthenticated": AT_ONCE - 1}
