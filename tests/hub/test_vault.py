"""Secrets at rest: read back with any of the keys, by several processes, and by nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from hub import vault
from hub.errors import Unavailable
from hub.settings import Settings


@pytest.fixture
def configured(monkeypatch, tmp_path):
    def use(**fields) -> None:
        vault._vault.cache_clear()
        made = Settings(home=tmp_path, **fields)
        monkeypatch.setattr(vault, "settings", lambda: made)

    yield use
    vault._vault.cache_clear()


def test_key_is_made_once_by_whoever_comes_first(tmp_path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: vault._own_key(tmp_path / vault.FILE), range(8)))
    assert len(keys) == 1
    assert (tmp_path / vault.FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [vault.FILE]


def test_older_keys_still_read(configured) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    configured(secret_keys=old)
    kept = vault.seal(b"secret")
    assert b"secret" not in kept
    configured(secret_keys=f"{new} {old}")
    assert vault.unseal(kept) == b"secret"
    configured(secret_keys=new)
    with pytest.raises(Unavailable, match="HUB_SECRET_KEYS"):
        vault.unseal(kept)
