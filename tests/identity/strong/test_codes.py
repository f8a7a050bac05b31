"""Authenticator apps and recovery codes: each code opens once, and there are few tries."""

from __future__ import annotations

import time

import pyotp
import pytest
from sqlalchemy import select

from hub import vault
from hub.database import Tenancy, set_tenancy
from identity.strong import factors, signin
from identity.strong.models import RecoveryCode, Totp


@pytest.fixture
def clock(monkeypatch):
    """clock.forward(seconds) for the judge of codes."""

    class Clock:
        now = time.time()

        def forward(self, seconds: float) -> None:
            self.now += seconds

    made = Clock()
    monkeypatch.setattr(factors.time, "time", lambda: made.now)
    return made


def give(client, code: str):
    return client.post("/v1/session/second-factor", json={"code": code})


def test_an_app_is_set_up_by_its_first_code(client, ann, world) -> None:
    made = client.post("/v1/me/totp").json()
    assert made["qr"].startswith("data:image/svg+xml") and "issuer=Group%20Hub" in made["uri"]
    assert client.post("/v1/me/totp/confirmation", json={"code": "000000"}).status_code == 422
    assert client.get("/v1/me/factors").json()["has_totp"] is False
    assert client.post("/v1/me/totp/confirmation", json={"code": pyotp.TOTP(made["secret"]).now()}).status_code == 204
    assert client.get("/v1/me").json()["amr"] == ["pwd", "otp", "mfa"]
    assert client.post("/v1/me/totp").status_code == 409
    set_tenancy(world.session, Tenancy(person=ann.id))
    sealed = world.session.scalars(select(Totp.secret)).one()
    assert made["secret"].encode() not in sealed and vault.unseal(sealed).decode() == made["secret"]


def test_a_code_is_good_a_step_early_or_late_and_never_twice(client, ann, clock) -> None:
    app = ann.add_totp()
    clock.forward(300)
    for offset, status in ((-60, 401), (60, 401), (-30, 201), (-30, 401), (0, 201), (0, 401), (-30, 401), (30, 201)):
        ann.leave()
        ann.password()
        assert give(client, app.at(clock.now + offset)).status_code == status, offset


def test_five_wrong_codes_end_the_sign_in(client, ann, clock) -> None:
    app = ann.add_totp()
    clock.forward(60)
    ann.leave()
    ann.password()
    assert [give(client, "000000").json()["title"] for _ in range(5)] == ["Not signed in"] * 5
    assert give(client, app.at(clock.now)).status_code == 401


def test_codes_of_one_account_are_guessed_ten_times_an_hour(client, ann, monkeypatch) -> None:
    """Who has the password opens sign-ins at will, from wherever they like."""
    ann.add_totp()
    judged = []
    monkeypatch.setattr(factors, "check_code", lambda *given: judged.append(given))
    for i in range(8):
        ann.leave()
        client._transport.client = (f"10.0.0.{i}", 1)
        ann.password()
        statuses = [give(client, "000000").status_code for _ in range(5)]
    assert len(judged) == 10 and set(statuses) == {429}


def test_a_sign_in_waits_its_time_in_its_own_browser(client, ann, clock, monkeypatch) -> None:
    app = ann.add_totp()
    clock.forward(60)
    ann.leave()
    assert give(client, app.at(clock.now)).status_code == 401
    monkeypatch.setattr(signin, "PENDING_SECONDS", 0)
    ann.password()
    assert client.cookies["hub_pending"] and give(client, app.at(clock.now)).status_code == 401


def test_recovery_codes_open_once_each_and_are_kept_as_digests(client, world, ann) -> None:
    assert client.post("/v1/me/recovery-codes").status_code == 409
    ann.add_totp()
    codes = client.post("/v1/me/recovery-codes").json()["codes"]
    assert len(set(codes)) == 10
    for code, status in ((codes[0].lower(), 201), (codes[0], 401), (codes[1].replace("-", " "), 201)):
        ann.leave()
        assert "recovery_code" in ann.password().json()["methods"]
        assert give(client, code).status_code == status
    assert client.get("/v1/me/factors").json()["recovery_codes"] == 8
    set_tenancy(world.session, Tenancy(person=ann.id))
    assert all(len(kept) == 32 for kept in world.session.scalars(select(RecoveryCode.code_hash)))


def test_new_recovery_codes_replace_the_old_and_go_with_the_last_factor(client, ann) -> None:
    ann.add_totp()
    for _ in range(2):
        assert client.post("/v1/me/recovery-codes").status_code == 201
    assert client.get("/v1/me/factors").json()["recovery_codes"] == 10
    assert client.delete("/v1/me/totp").status_code == 204
    assert client.get("/v1/me/factors").json()["recovery_codes"] == 0


def test_a_new_password_by_mail_does_not_get_round_the_second_factor(client, world, ann) -> None:
    from tests.identity.test_links import NEW, mails, token_in

    ann.add_totp()
    ann.leave()
    client.post("/v1/password-resets", json={"email": "ann@alpha.example"})
    given = {"token": token_in(mails(world, world.a)[-1].body), "password": NEW}
    answer = client.post("/v1/passwords", json=given)
    assert (answer.status_code, answer.json()["methods"]) == (202, ["totp"])
    assert client.get("/v1/me").status_code == 401
