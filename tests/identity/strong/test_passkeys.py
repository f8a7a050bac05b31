"""Passkeys: added, used alone or after the password, and every answer that must not be believed."""

from __future__ import annotations

import pytest

from identity.strong import passkeys
from tests.identity.strong.authenticator import PRESENT, SYNCABLE, SYNCED, VERIFIED, Authenticator


def test_a_passkey_signs_in_without_anything_typed(client, ann) -> None:
    key = ann.add_passkey(count=1)
    ann.leave()
    assert ann.by_passkey(key).status_code == 201
    me = client.get("/v1/me").json()
    assert (me["id"], me["amr"]) == (str(ann.id), ["pop", "hwk", "mfa"])


def test_a_synced_passkey_is_no_hardware_key_and_counts_nothing(client, ann) -> None:
    key = ann.add_passkey(flags=PRESENT | VERIFIED | SYNCABLE | SYNCED)
    ann.leave()
    assert ann.by_passkey(key).status_code == ann.by_passkey(key).status_code == 201
    assert client.get("/v1/me").json()["amr"] == ["pop", "mfa"]


def test_with_a_passkey_the_password_alone_opens_nothing(client, ann) -> None:
    key = ann.add_passkey(flags=PRESENT)
    ann.leave()
    asked = ann.password()
    assert (asked.status_code, asked.json()["methods"]) == (202, ["passkey"])
    assert client.get("/v1/me").status_code == 401
    assert ann.by_passkey(key).status_code == 201
    assert client.get("/v1/me").json()["amr"] == ["pwd", "pop", "hwk", "mfa"]


def test_without_the_password_the_authenticator_must_know_its_owner(ann) -> None:
    key = ann.add_passkey(flags=PRESENT)
    ann.leave()
    assert ann.by_passkey(key).status_code == 401


def test_a_counter_that_goes_back_is_refused_and_recorded(ann, noted) -> None:
    key = ann.add_passkey(count=5)
    ann.leave()
    for count, status in ((6, 201), (6, 401), (3, 401), (0, 401), (7, 201)):
        key.count = count - 1 if count else 0
        assert ann.by_passkey(key).status_code == status, count
        ann.leave()
    assert [(e["action"], e["object_id"], e["detail"]["count"]) for e in noted] == [
        ("sign_count_regressed", str(ann.id), count) for count in (6, 3, 0)
    ]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"origin": "https://evil.example"}, 401),
        ({"flags": VERIFIED}, 401),
        ({"key": Authenticator().key}, 401),
        ({"id": b"unknown"}, 401),
    ],
)
def test_an_answer_that_proves_nothing_is_refused(ann, change, status) -> None:
    key = ann.add_passkey()
    ann.leave()
    for name, value in change.items():
        setattr(key, name, value)
    assert ann.by_passkey(key).status_code == status


def test_a_challenge_is_answered_once_in_time_by_its_own_browser(client, ann, monkeypatch) -> None:
    key, statuses = ann.add_passkey(), []
    ann.leave()
    for change in ("", "again", "other browser", "late"):
        if change == "late":
            monkeypatch.setattr(passkeys, "CHALLENGE_SECONDS", 0)
        options = client.post("/v1/session/passkey/options").json()
        given = {"credential": key.get(options)}
        if change == "again":
            client.post("/v1/session/passkey", json=given)
        if change == "other browser":
            client.cookies.clear()
        statuses.append(client.post("/v1/session/passkey", json=given).status_code)
    assert statuses == [201, 401, 401, 401]


def test_a_wrong_answer_spends_the_challenge(client, ann) -> None:
    key = ann.add_passkey()
    ann.leave()
    options = client.post("/v1/session/passkey/options").json()
    good, key.origin = {"credential": key.get(options)}, "https://evil.example"
    assert client.post("/v1/session/passkey", json={"credential": key.get(options)}).status_code == 401
    assert client.post("/v1/session/passkey", json=good).status_code == 401


def test_a_challenge_for_one_purpose_opens_no_other(client, ann) -> None:
    key = ann.add_passkey()
    options = client.post("/v1/me/step-up/passkey/options").json()
    assert client.post("/v1/session/passkey", json={"credential": key.get(options)}).status_code == 401


@pytest.mark.parametrize("credential", [{}, {"response": 1}, {"response": {"clientDataJSON": "e30"}}, {"rawId": "é"}])
def test_what_is_no_webauthn_is_told_so(client, credential) -> None:
    assert client.post("/v1/session/passkey", json={"credential": credential}).status_code == 422


def test_passkeys_are_named_listed_and_removed(client, ann) -> None:
    ann.add_passkey(), ann.add_passkey()
    first, second = client.get("/v1/me/factors").json()["passkeys"]
    named = client.patch(f"/v1/me/passkeys/{first['id']}", json={"name": "Laptop"})
    assert named.json()["name"] == "Laptop" and second["name"] == "Phone"
    assert client.delete(f"/v1/me/passkeys/{second['id']}").status_code == 204
    assert [k["name"] for k in client.get("/v1/me/factors").json()["passkeys"]] == ["Laptop"]


def test_a_passkey_is_kept_once_and_offered_as_such(client, ann) -> None:
    key = ann.add_passkey()
    options = client.post("/v1/me/passkeys/options").json()
    assert [one["id"] for one in options["excludeCredentials"]] == [key.create(options)["id"]]
    again = client.post("/v1/me/passkeys", json={"credential": key.create(options), "name": "Same"})
    assert again.status_code == 409


def test_a_new_factor_ends_the_sessions_without_it(client, ann) -> None:
    kept = dict(client.cookies)
    ann.leave()
    client.headers["x-csrf-token"] = ann.password().json()["csrf_token"]
    ann.add_passkey()
    assert client.get("/v1/me").json()["amr"] == ["pop", "hwk", "mfa"]
    client.cookies.clear()
    client.cookies.update(kept)
    assert client.get("/v1/me").status_code == 401
