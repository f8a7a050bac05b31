"""Who may call what over HTTP, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.columns import new_id
from identity.principal import Principal

GROUP = UUID("00000000-0000-7000-8000-000000000001")
SOME = "01900000-0000-7000-8000-00000000000a"

# method, path, body, scope; paths name things of another tenant.
ENDPOINTS: tuple[tuple[str, str, Any, str, int], ...] = (
    ("GET", "/v1/batches", None, "feeds:read", 200),
    ("GET", f"/v1/batches/{SOME}", None, "feeds:read", 404),
    ("GET", f"/v1/batches/{SOME}/rows/0", None, "inventory:read", 404),
    ("POST", f"/v1/batches/{SOME}/release", {}, "batches:release", 404),
    ("POST", f"/v1/batches/{SOME}/reject", {}, "batches:release", 404),
    ("POST", f"/v1/batches/{SOME}/retry", None, "batches:release", 404),
    ("GET", "/v1/quarantine", None, "quarantine:read", 200),
    ("GET", "/v1/quarantine/causes", None, "quarantine:read", 200),
    ("GET", "/v1/quarantine/1", None, "quarantine:read", 404),
    ("POST", "/v1/quarantine/1/dismiss", {}, "quarantine:write", 404),
    ("POST", "/v1/quarantine/1/replay", None, "quarantine:write", 404),
    ("POST", "/v1/systems/u8/units", {"code": "箱", "unit": "C62"}, "units:write", 404),
    ("GET", "/v1/systems", None, "feeds:read", 200),
    ("GET", "/v1/systems/u8", None, "feeds:read", 404),
    ("GET", "/v1/systems/u8/places", None, "feeds:read", 404),
    ("PATCH", "/v1/systems/u8/places/1", {"activity_sla_seconds": 60}, "systems:write", 404),
    ("PATCH", "/v1/systems/u8/coverages/all/limits", {"limits": {"rows_min": 0.1}}, "systems:write", 404),
    ("GET", "/v1/feeds", None, "feeds:read", 200),
    ("GET", "/v1/agents/self/batches?system=u8", None, "batches:write", 200),
    ("HEAD", f"/v1/batches/{SOME}/body", None, "batches:write", 404),
)


def person(*scopes: str, organisation: UUID = GROUP) -> Principal:
    return Principal("person", new_id(), "Li", organisation, (organisation,), frozenset(scopes))


@pytest.fixture
def other_tenant(session: Session, make_org: Callable[..., Any], act_for: Callable[..., None]) -> None:
    """Another organisation's system, batch, row, place and coverage, under the ids of ENDPOINTS."""
    other = make_org("other")
    act_for(other.id)
    ids = {"org": other.id, "system": new_id(), "batch": SOME}
    for statement in (
        "insert into source_system (id, organisation_id, organisations, key, kind, name_zh, name_en, zone)"
        " values (:system, :org, array[cast(:org as uuid)], 'u8', 'k', 'n', 'n', 'UTC')",
        "insert into batch (id, organisation_id, system_id, stream, coverage, sync, counts, observed_at, clock, header,"
        " traceparent, sha256, size, state, rows_in, applied, unchanged, duplicate, quarantined, pending)"
        " values (:batch, :org, :system, 'stock_positions', 'all', 'full', 'balance', now(), 'source', '{}', '', '', 1,"
        " 'held', 1, 0, 0, 0, 0, 1)",
        "insert into coverage (organisation_id, system_id, name, sla_seconds, read_clock)"
        " values (:org, :system, 'all', 900, 'source')",
    ):
        session.execute(text(statement), ids)
    session.flush()


@pytest.mark.usefixtures("other_tenant")
@pytest.mark.parametrize(("method", "path", "body", "scope", "status"), ENDPOINTS)
def test_four_cases(  # noqa: PLR0917
    client: Any, as_principal: Any, method: str, path: str, body: Any, scope: str, status: int
) -> None:
    def ask() -> Any:
        return client.request(method, path, json=body)

    assert ask().status_code == 401
    as_principal(person())
    assert ask().status_code == 403
    as_principal(person(scope))
    answer = ask()
    assert answer.status_code == status, answer.text
    assert SOME not in answer.text.replace(path, "") or status == 404
    assert "other" not in answer.text
