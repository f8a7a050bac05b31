"""What an organisation asks of sessions is enforced where sessions are found: nothing but enrolling is open before."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from identity.strong.models import SignInPolicy
from tests.conftest import GROUP
from tests.identity.strong.authenticator import PRESENT

HTML = {"accept": "text/html"}


@pytest.fixture
def ask_of(world):
    """ask_of(organisation, second_factor="any"): its policy from now on."""

    def put(organisation_id, **asked) -> None:
        set_tenancy(world.session, Tenancy((GROUP, world.a, world.b), organisation_id))
        defaults = {"second_factor": "none", "allow_password": True}
        world.session.merge(SignInPolicy(organisation_id=organisation_id, **(defaults | asked)))
        world.session.flush()

    return put


@pytest.mark.parametrize(
    ("asked", "unmet"),
    [
        ({"second_factor": "any"}, ["second_factor"]),
        ({"second_factor": "passkey"}, ["passkey"]),
        ({"allow_password": False}, ["passwordless"]),
        ({"second_factor": "passkey", "allow_password": False}, ["passkey", "passwordless"]),
    ],
)
@pytest.mark.parametrize("above", [True, False])
def test_a_session_that_lacks_something_may_only_enrol(ann, ask_of, asked, unmet, above) -> None:
    ask_of(GROUP if above else ann.world.a, **asked)
    refused = ann.client.get("/v1/people")
    assert refused.status_code == 403
    assert (refused.json()["type"], refused.json()["unmet"]) == ("sign-in-policy-unmet", unmet)
    page = ann.client.get("/people", headers=HTML)
    assert (page.status_code, page.headers["location"]) == (303, "/account/security")
    me = ann.client.get("/v1/me").json()
    assert (me["scopes"], me["readable"], me["unmet"]) == (["settings:self"], [str(ann.world.a)], unmet)
    for open_page in ("/account/security", "/account", "/organisations/switch"):
        assert ann.client.get(open_page, headers=HTML).status_code == 200


def test_no_endpoint_reads_or_writes_for_a_session_that_lacks_something(client, world, ann, ask_of, app) -> None:
    """Every operation of the reference that needs no value, asked by an administrator."""
    ask_of(world.a, second_factor="any")
    answers = {}
    for path, methods in app.openapi()["paths"].items():
        described = methods.get("get", {})
        if described.get("security") and "{" not in path and not described.get("x-own"):
            answers[path] = client.get(path).status_code
    own = {"/v1/me", "/v1/sessions", "/v1/me/factors"}
    assert {path for path, status in answers.items() if status == 200} == own and len(answers) > 20


def test_the_strictest_on_the_way_up_holds(client, world, ann, ask_of) -> None:
    ask_of(GROUP, second_factor="any")
    ask_of(world.a, second_factor="passkey", session_hours=8)
    ask_of(world.b, second_factor="none", allow_password=False, session_hours=1)
    ann.add_totp()
    assert client.get("/v1/me").json()["unmet"] == ["passkey"]
    ann.add_passkey()
    assert client.get("/v1/me").json()["unmet"] == []
    told = client.get(f"/v1/organisations/{world.a}/sign-in-policy").json()
    assert told["own"]["second_factor"] == "passkey"
    whole = {"second_factor": "passkey", "session_hours": 8, "idle_minutes": None, "allow_password": True}
    assert told["effective"] == whole


def test_a_passkey_that_knows_its_owner_replaces_the_password(client, world, ann, ask_of) -> None:
    ask_of(world.a, allow_password=False)
    ann.add_passkey(flags=PRESENT)
    assert client.get("/v1/me").json()["unmet"] == ["passwordless"]
    key = ann.add_passkey()
    assert client.get("/v1/people").status_code == 200 and key


@pytest.mark.parametrize(
    ("asked", "change"),
    [
        ({"session_hours": 2}, "authenticated_at = now() - interval '121 minutes'"),
        ({"idle_minutes": 5}, "last_seen_at = now() - interval '301 seconds'"),
    ],
)
def test_a_session_too_old_or_too_idle_is_none(ann, ask_of, asked, change) -> None:
    set_tenancy(ann.world.session, Tenancy(person=ann.id))
    ann.world.session.execute(text(f"update login_session set {change}"))
    assert ann.client.get("/v1/me").status_code == 200
    set_tenancy(ann.world.session, Tenancy(person=ann.id))
    ann.world.session.execute(text(f"update login_session set {change}"))
    ask_of(ann.world.a, **asked)
    assert ann.client.get("/v1/me").status_code == 401


def test_another_organisation_asks_for_itself(client, world, ann, ask_of) -> None:
    world.member(ann.id, "planner", at=world.b)
    ask_of(world.a, second_factor="any")
    assert client.put("/v1/session/organisation", json={"organisation_id": str(world.b)}).status_code == 204
    me = client.get("/v1/me").json()
    assert me["unmet"] == [] and "inventory:read" in me["scopes"]


def test_nobody_shuts_themselves_out(client, world, ann) -> None:
    url, wanted = f"/v1/organisations/{world.a}/sign-in-policy", {"second_factor": "passkey", "allow_password": False}
    assert client.put(url, json=wanted).status_code == 409
    ann.add_passkey()
    assert client.put(url, json=wanted).json() == wanted | {"session_hours": None, "idle_minutes": None}
    assert client.get("/v1/people").status_code == 200


@pytest.mark.parametrize("given", [{"second_factor": "sms"}, {"session_hours": 0}, {"idle_minutes": 1}, {"more": 1}])
def test_a_policy_that_makes_no_sense_is_refused(client, world, ann, given) -> None:
    assert client.put(f"/v1/organisations/{world.a}/sign-in-policy", json=given).status_code == 422
