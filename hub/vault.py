"""What must be kept but not read by whoever reads the database: encrypted with a key that lies outside it."""

from __future__ import annotations

import hmac
import os
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hub.columns import new_id
from hub.errors import Unavailable
from hub.settings import Settings, settings

FILE = "secret.key"


def seal(plain: bytes) -> bytes:
    """Encrypted and authenticated (Fernet), with the first key."""
    return _vault().encrypt(plain)


def unseal(sealed: bytes) -> bytes:
    """Raises Unavailable where none of the keys fits: HUB_SECRET_KEYS or HUB_HOME/secret.key is another one."""
    try:
        return _vault().decrypt(sealed)
    except InvalidToken:
        raise Unavailable(
            "A kept secret cannot be read: HUB_SECRET_KEYS holds none of the keys it was made with."
        ) from None


def mark(message: bytes) -> bytes:
    """What nobody without the key can make of the message (HMAC-SHA256), with the first key."""
    return hmac.digest(_marking()[0], message, "sha256")


def is_mark(message: bytes, given: bytes) -> bool:
    """Whether any of the keys made `given` of the message."""
    return any(hmac.compare_digest(hmac.digest(key, message, "sha256"), given) for key in _marking())


@cache
def _vault() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in _keys(settings())])


@cache
def _marking() -> list[bytes]:
    """Keys of their own, so that a mark tells nothing of what is sealed."""
    return [hmac.digest(key.encode(), b"mark", "sha256") for key in _keys(settings())]


def _keys(configured: Settings) -> list[str]:
    """The newest first; what the older ones sealed is still read."""
    if configured.secret_keys is not None:
        return configured.secret_keys.get_secret_value().split()
    return [_own_key(configured.home / FILE)]


def _own_key(path: Path) -> str:
    """Made at the first need; of several processes at once one makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{new_id()}")
    made.touch(mode=0o600)
    made.write_bytes(Fernet.generate_key())
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return path.read_text().strip()
