"""Peers out of Node's registry: each of their checks is a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.conftest import names

PEERS = ("openid-client", "oauth4webapi", "oidc-provider")


def _checks() -> list[Any]:
    return [pytest.param(peer, name, marks=pytest.mark.peer(peer)) for peer in PEERS for name in names(peer)]


@pytest.mark.parametrize(("peer", "name"), _checks())
def test_peer(peer: str, name: str, reported: Callable[[str], dict[str, Any]]) -> None:
    found = reported(peer).get(name, {"error": "not reached"})
    if found["error"]:
        pytest.fail(found["error"], pytrace=False)
