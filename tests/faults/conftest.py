"""A plant of its own on committed data for tests that need no processes, and head office over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from hub.app import create_app
from hub.database import Tenancy
from identity.principal import Principal, authenticate
from identity.scopes import ROLES, scopes_of
from tests.masterdata.conftest import home, plant
from tests.masterdata.plant import GROUP, Plant

__all__ = ["home", "plant"]


@pytest.fixture
def group(committed_db: Any, plant: Plant) -> TestClient:
    """Head office, over HTTP."""
    app = create_app()
    app.state.new_session = lambda: Session(committed_db.engine, info={"tenancy": Tenancy()}, expire_on_commit=False)
    readable = (GROUP, plant.id)
    who = Principal("person", plant.agent_id, "planner", GROUP, readable, frozenset(scopes_of(ROLES)), is_group=True)
    app.dependency_overrides[authenticate] = lambda: who
    return TestClient(app, base_url="https://testserver")
