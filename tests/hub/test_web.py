"""The door: errors, headers, traces, limits, operation's own endpoints, the reference."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import text

from hub import metrics
from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound
from hub.web import SessionDep

GROUP = UUID("00000000-0000-7000-8000-000000000001")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Thing(BaseModel):
    name: str
    amount: int


@pytest.fixture
def probe(app: Any) -> None:
    @app.post("/probe")
    def make(thing: Thing) -> Thing:
        return thing

    @app.get("/probe/{what}")
    def fail(what: str, session: SessionDep) -> None:
        if what == "missing":
            raise NotFound("There is no pump 7. Look in the list.", pump=7)
        if what == "integrity":
            set_tenancy(session, Tenancy(acting=GROUP))
            session.execute(text(f"insert into mail (id, organisation_id) values (null, '{GROUP}')"))
        if what == "foreign":
            session.execute(text(f"insert into mail (id, organisation_id) values (gen_random_uuid(), '{GROUP}')"))
        raise RuntimeError("wires crossed, password=hunter2")


CASES = [
    ("get", "/probe/missing", {}, 404, "Not found", "There is no pump 7. Look in the list."),
    ("get", "/nowhere", {}, 404, "Not Found", "There is nothing at /nowhere."),
    ("delete", "/probe", {}, 405, "Method Not Allowed", "DELETE is not possible on /probe."),
    ("post", "/probe", {"json": {"name": "x", "amount": "y"}}, 422, "Cannot be processed", "body.amount"),
    ("post", "/probe", {"content": b"{"}, 422, "Cannot be processed", "body"),
    ("get", "/probe/boom", {}, 500, "Internal error", "trace id: 4bf92f3577b34da6a3ce929d0e0e4736"),
]


@pytest.mark.parametrize(("method", "path", "given", "status", "title", "says"), CASES)
def test_every_error_is_a_problem(
    client: Any, probe: None, *, method: str, path: str, given: Any, status: int, title: str, says: str
) -> None:
    answer = client.request(method, path, headers={"traceparent": TRACE, "content-type": "application/json"}, **given)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["title"]) == (status, status, title)
    assert says in problem["detail"]
    assert problem["trace_id"] == TRACE[3:35]
    assert "hunter2" not in answer.text


def test_extra_members_and_violated_constraints_are_told(client: Any, probe: None) -> None:
    assert client.get("/probe/missing").json()["pump"] == 7
    assert "(id)" not in client.get("/probe/integrity").text
    assert [client.get(f"/probe/{what}").status_code for what in ("integrity", "foreign")] == [409, 403]


@pytest.mark.parametrize("content", [b"x" * (17 << 20), iter([b"x" * (9 << 20)] * 2)], ids=["declared", "chunked"])
def test_too_large_a_body_is_refused(client: Any, probe: None, content: Any) -> None:
    answer = client.post("/v1/agents/enrol", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_headers_of_every_answer(client: Any, probe: None) -> None:
    for path in ("/healthz", "/nowhere", "/probe/boom"):
        headers = client.get(path).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" in headers
        assert headers["x-request-id"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [(TRACE, True), ("", False), ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", False), ("junk\x00", False)],
)
def test_trace_goes_on_or_begins(client: Any, given: str, kept: bool) -> None:
    answered = client.get("/healthz", headers={"traceparent": given}).headers["traceparent"]
    assert (answered[3:35] == TRACE[3:35]) is kept
    assert answered != given
    assert len(answered) == 55


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False)])
def test_request_id_is_kept_when_harmless(client: Any, given: str, kept: bool) -> None:
    assert (client.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"] == given) is kept


def test_health_and_readiness(client: Any) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"


def test_readiness_tells_of_another_schema(client: Any, session: Any, server: Any) -> None:
    with server.connect("hub_test") as owner:
        owner.execute("update alembic_version set version_num = 'older'")
        try:
            answer = client.get("/readyz")
        finally:
            owner.execute("update alembic_version set version_num = %s", [answer.json()["expected"]])
    assert (answer.status_code, answer.json()["status"], answer.json()["schema_revision"]) == (
        503,
        "migrating",
        "older",
    )


def test_metrics_are_for_this_machine(client: Any, app: Any) -> None:
    from fastapi.testclient import TestClient

    assert client.get("/metrics").status_code == 403
    local = TestClient(app, client=("127.0.0.1", 1))
    assert local.get("/metrics", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 403
    said = local.get("/metrics").text
    for query in metrics.QUERIES:
        assert f"# TYPE {query.name} gauge" in said
    assert 'hub_request_seconds_count{method="GET",path="/metrics",status="4xx"}' in said


def test_reference_has_one_problem_and_unique_operations(client: Any) -> None:
    document = client.get("/openapi.json").json()
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert [key for key, n in Counter(one["operationId"] for one in operations).items() if n > 1] == []
    assert "HTTPValidationError" not in json.dumps(document)
    assert all("4XX" in one["responses"] for one in operations)


def test_session_of_a_failed_request_is_rolled_back(client: Any, app: Any, session: Any) -> None:
    @app.post("/half")
    def half(request: Request, inner: SessionDep) -> None:
        inner.execute(text("select set_config('hub.org', '00000000-0000-7000-8000-000000000001', true)"))
        inner.execute(text("select set_config('hub.orgs', '{00000000-0000-7000-8000-000000000001}', true)"))
        inner.execute(
            text(
                "insert into mail (id, organisation_id, recipient, subject, body, attempts) select "
                "gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'a', 'b', 'c', 0"
            )
        )
        raise NotFound("after the write")

    assert client.post("/half").status_code == 404
    assert session.execute(text("select count(*) from mail")).scalar_one() == 0
