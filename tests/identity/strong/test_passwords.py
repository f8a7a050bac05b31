"""Which passwords are taken, and that older hashes go on."""

from __future__ import annotations

import unicodedata

import pytest
from argon2 import PasswordHasher

from identity import secrets
from identity.secrets import WeakPassword
from identity.strong import passwords
from tests.identity.conftest import PASSWORD

EMAIL, NAME = "ann.lee@alpha.example", "Ann Lee 王小芳"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1q2w3e4r5t", "common"),
        ("Password2026!!", "common"),
        ("QWERTYUIOP", "common"),
        ("aaaaaaaaaaaa", "simple"),
        ("abcabcabcabc", "simple"),
        ("12345678901234", "simple"),
        ("zyxwvutsrqpo", "simple"),
        ("ann.lee.2026", "context"),
        ("LEE-ann-1234", "context"),
        ("王小芳王小芳1234", "context"),
        ("group-hub-99", "context"),
        ("GroupHub GroupHub", "context"),
    ],
)
def test_a_weak_password_is_refused_and_the_error_says_why(password, reason) -> None:
    with pytest.raises(WeakPassword) as refused:
        passwords.judge(password, EMAIL, NAME)
    assert refused.value.extra["reason"] == reason


@pytest.mark.parametrize(
    "password",
    [PASSWORD, "all lower case words", "桃花流水窅然去别有天地", "пароль для склада", "ann likes grouphub a lot"],
)
def test_any_other_is_taken_whatever_its_signs(password) -> None:
    passwords.judge(password, EMAIL, NAME)
    assert secrets.verify_password(secrets.hash_password(password), password)


def test_a_sign_is_the_same_however_it_is_composed() -> None:
    composed, apart = (unicodedata.normalize(form, "Zürich über Ｎacht") for form in ("NFC", "NFD"))
    assert composed != apart
    assert secrets.verify_password(secrets.hash_password(composed), apart)


def test_a_hash_from_before_normalising_still_verifies_and_older_parameters_are_renewed(client, world) -> None:
    typed = "Zürich über Ｎacht"
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(typed)
    assert secrets.verify_password(old, typed)
    assert secrets.renewed(secrets.hash_password(typed), typed) is None
    person = world.person("ann@alpha.example", "planner", at=world.a)
    from identity.models import Person

    world.session.get_one(Person, person).password_hash = old
    world.session.flush()
    for _ in range(2):
        assert client.post("/v1/session", json={"email": "ann@alpha.example", "password": typed}).status_code == 201
    world.session.expire_all()
    kept = world.session.get_one(Person, person).password_hash
    assert "m=19456,t=2" in kept and secrets.verify_password(kept, typed)
