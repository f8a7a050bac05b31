"""The pages of strong sign-in, in both languages."""

from __future__ import annotations

import re
import time

import pyotp
import pytest

from identity.strong import factors
from tests.identity.conftest import PASSWORD
from tests.identity.strong.conftest import EMAIL

HTML = {"accept": "text/html"}
PAGES = ["/account/security", "/step-up", "/policy"]


@pytest.fixture
def form(client, ann):
    """The fields every form carries."""
    return {"csrf_token": client.headers.pop("x-csrf-token")}


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_drawn(client, form, path, locale) -> None:
    client.post("/account/settings", data=form | {"locale": locale})
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200 and f'<html lang="{locale}"' in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_that_is_not_signed_in_is_sent_to_the_door(client, path) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/signin?next=")


def test_an_app_and_codes_are_set_up_on_the_page_and_asked_for_at_the_door(client, form, monkeypatch, ann) -> None:
    url = "/account/security"
    shown = client.post(url, data=form | {"action": "add-totp"}, headers=HTML)
    app = pyotp.TOTP(re.search(r"<code>([A-Z2-7]{32})</code>", shown.text)[1])
    assert 'src="data:image/svg+xml' in shown.text
    assert client.post(url, data=form | {"action": "confirm-totp", "code": "000000"}).status_code == 422
    assert client.post(url, data=form | {"action": "confirm-totp", "code": app.now()}).status_code == 303
    codes = re.findall(r"<code>([2-9A-Z-]{19})</code>", client.post(url, data=form | {"action": "codes"}).text)
    assert len(codes) == 10 and codes[0] not in client.get(url, headers=HTML).text
    ann.leave()
    door = client.post("/signin", data={"email": EMAIL, "password": PASSWORD, "next": "/policy"}, headers=HTML)
    assert door.headers["location"] == "/signin/second?next=%2Fpolicy"
    assert client.get("/account", headers=HTML).headers["location"].startswith("/signin")
    second = client.get(door.headers["location"], headers=HTML)
    assert 'autocomplete="one-time-code"' in second.text and "data-passkey" not in second.text
    wrong = client.post("/signin/second", data={"code": "000000", "next": "/policy"}, headers=HTML)
    assert wrong.status_code == 401 and "aria-invalid" in wrong.text
    now = time.time() + 60
    monkeypatch.setattr(factors.time, "time", lambda: now)
    answer = client.post("/signin/second", data={"code": app.at(now), "next": "//evil.example"}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/account", headers=HTML).status_code == 200


def test_the_second_page_without_a_sign_in_that_waits_is_the_first(client) -> None:
    assert client.get("/signin/second", headers=HTML).headers["location"] == "/signin"
    assert client.post("/signin/second", data={"code": "000000"}, headers=HTML).headers["location"] == "/signin"


def test_passkeys_and_devices_are_named_and_removed_on_the_page(client, ann) -> None:
    ann.add_passkey()
    held = client.get("/v1/me/factors").json()
    form = {"csrf_token": client.headers["x-csrf-token"]}
    (key,), (device,) = held["passkeys"], held["devices"]
    for action, one in (("name-passkey", key), ("remove-passkey", key), ("forget-device", device)):
        given = form | {"action": action, "id": one["id"], "name": "Laptop"}
        assert client.post("/account/security", data=given, headers=HTML).status_code == 303
    left = client.get("/v1/me/factors").json()
    assert left["passkeys"] == left["devices"] == []


def test_the_policy_is_set_on_its_page(client, world, form) -> None:
    given = form | {"organisation_id": str(world.a), "second_factor": "none", "session_hours": "12", "idle_minutes": ""}
    assert client.post("/policy", data=given, headers=HTML).status_code == 303
    own = client.get(f"/v1/organisations/{world.a}/sign-in-policy").json()["own"]
    assert own == {"second_factor": "none", "session_hours": 12, "idle_minutes": None, "allow_password": True}
    refused = client.post("/policy", data=given | {"allow_password": "no"}, headers=HTML)
    assert refused.status_code == 422


def test_who_comes_back_to_the_door_begins_anew(client, ann) -> None:
    key = ann.add_passkey()
    ann.leave()
    assert ann.password().status_code == 202 and "hub_pending" in client.cookies
    client.get("/signin", headers=HTML)
    assert "hub_pending" not in client.cookies and ann.by_passkey(key).status_code == 201
    assert client.get("/v1/me").json()["amr"] == ["pop", "hwk", "mfa"]


def test_the_door_offers_the_passkey(client) -> None:
    door = client.get("/signin?next=javascript:alert(1)", headers=HTML).text
    assert 'autocomplete="username webauthn"' in door and 'data-next="/"' in door
