"""Passwords and tokens."""

from __future__ import annotations

import pytest

from hub.errors import Unprocessable
from identity import secrets


def test_only_the_right_password_verifies() -> None:
    kept = secrets.hash_password("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert secrets.verify_password(kept, "correct horse battery")
    assert not secrets.verify_password(kept, "correct horse batterY")


@pytest.mark.parametrize("kept", [None, "", "plain", "$argon2id$v=19$broken"])
def test_no_or_broken_hash_never_verifies(kept: str | None) -> None:
    assert not secrets.verify_password(kept, "")


@pytest.mark.parametrize("password", ["", "123456789", "x" * 201])
def test_password_length_is_bounded(password: str) -> None:
    with pytest.raises(Unprocessable, match="10 to 200"):
        secrets.hash_password(password)


def test_codes_are_read_however_they_are_typed() -> None:
    code = secrets.new_code()
    assert len(code) == 19
    assert secrets.code_digest(f" {code.lower().replace('-', ' ')} ") == secrets.code_digest(code)
    assert secrets.code_digest(code) != secrets.code_digest(secrets.new_code())
