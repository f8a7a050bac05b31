"""What must be kept but not read by whoever reads the database: encrypted with a key that lies outside it."""

from __future__ import annotations

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


@cache
def _vault() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in _keys(settings())])


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
