"""A shop of plants on the test's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from masterdata.golden import inventory, overview, totals
from tests.masterdata.shop import Shop


@pytest.fixture
def shop(session: Session, make_org: Callable[..., Any]) -> Shop:
    for cache in (inventory._ahead, overview._cache, overview._slow, totals._cache, totals._choices):
        cache.clear()
    return Shop(session, make_org)
