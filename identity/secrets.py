"""Passwords and tokens: how they are made, kept and compared. Nothing here is ever logged."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.errors import Unprocessable

PASSWORD_MIN, PASSWORD_MAX = 10, 200

# RFC 9106's second recommended option, with the memory OWASP advises for servers that many sign in to at once.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class WeakPassword(Unprocessable):
    """`extra["reason"]`: length, common, simple or context."""


def new_token() -> str:
    """256 random bits, fit for a URL and a cookie."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """A code that people read out: 80 random bits in groups of four, without signs that look alike."""
    signs = [secrets.choice("23456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(16)]
    return "-".join("".join(signs[i : i + 4]) for i in range(0, 16, 4))


def digest(token: str) -> bytes:
    """What the database keeps of a token. Tokens are random, so a fast digest is enough."""
    return hashlib.sha256(token.encode()).digest()


def code_digest(code: str) -> bytes:
    """As `digest`, however the code was typed."""
    return digest("".join(code.split()).replace("-", "").upper())


def normal(password: str) -> str:
    """However a keyboard composes a sign, it is the same password (NIST SP 800-63B-4 §3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    if not PASSWORD_MIN <= len(normal(password)) <= PASSWORD_MAX:
        raise WeakPassword(
            f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters. Choose a longer one.", reason="length"
        )
    return _hasher.hash(normal(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Takes the same time for an account that does not exist (`None`) as for a wrong password."""
    # Hashes made before passwords were normalised hold what was typed then.
    return any(_verifies(password_hash, form) for form in dict.fromkeys((normal(password), password)))


def _verifies(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _nobody(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def renewed(password_hash: str, password: str) -> str | None:
    """A hash of the right password by today's parameters, where `password_hash` has older ones."""
    return _hasher.hash(normal(password)) if _hasher.check_needs_rehash(password_hash) else None


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_hex())
