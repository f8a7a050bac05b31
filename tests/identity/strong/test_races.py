"""Of fifty at once exactly one wins: a code, a recovery code, a sign-in that waits, a challenge."""

from __future__ import annotations

import time

import pyotp
import pytest

from hub import vault
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.errors import Unauthenticated
from identity.models import Membership
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.secrets import code_digest
from identity.sessions.service import Browser
from identity.strong import factors, passkeys, signin
from identity.strong.models import RecoveryCode, Totp
from tests.conftest import GROUP
from tests.identity.test_races import ACTING, AT_ONCE, engine50, race  # noqa: F401 - a fixture

SECRET, CODE = pyotp.random_base32(), "ABCD-EFGH"


@pytest.fixture
def ann(engine50):  # noqa: F811 - pytest's way to ask for a fixture
    """Her id; she has an app and one recovery code."""
    with unit_of_work(engine50, ACTING) as session:
        person = add_person(session, GROUP, PersonIn(email="ann@group.example", name="Ann", roles=["planner"]))
        session.add(Membership(organisation_id=GROUP, person_id=person, scopes=["settings:self"]))
        session.flush()
        set_tenancy(session, Tenancy(person=person))
        sealed = vault.seal(SECRET.encode())
        session.add(Totp(person_id=person, secret=sealed, confirmed_at=factors.func.now()))
        session.add(RecoveryCode(person_id=person, code_hash=code_digest(CODE)))
    return person


@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_one_code_opens_once(engine50, ann, kind) -> None:  # noqa: F811
    code = CODE if kind == "recovery_code" else pyotp.TOTP(SECRET).at(time.time())

    def use(session) -> None:
        set_tenancy(session, Tenancy(person=ann))
        if factors.check_code(session, ann, code) is None:
            raise Unauthenticated("refused")

    assert race(engine50, use) == {"won": 1, "Unauthenticated": AT_ONCE - 1}


def test_one_sign_in_that_waits_becomes_one_session(engine50, ann) -> None:  # noqa: F811
    browser = Browser("", "")
    with unit_of_work(engine50, Tenancy()) as session:
        pending = signin.enter(session, ann, browser, ("pwd",))
    finish = signin._finish
    outcome = race(engine50, lambda session: finish(session, pending.token, ann, ("pwd", "otp", "mfa"), browser))
    assert outcome == {"won": 1, "Unauthenticated": AT_ONCE - 1}


def test_one_challenge_is_answered_once(engine50) -> None:  # noqa: F811
    with unit_of_work(engine50, Tenancy()) as session:
        options = passkeys.begin_authentication(session, "sign_in", "browser")
    challenge = passkeys.base64url_to_bytes(options["challenge"])

    def take(session) -> None:
        bound = {"challenge": challenge, "browser": passkeys.digest("browser")}
        if session.execute(passkeys.ANSWER, bound).one_or_none() is None:
            raise Unauthenticated("refused")

    assert race(engine50, take) == {"won": 1, "Unauthenticated": AT_ONCE - 1}
