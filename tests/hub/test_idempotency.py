"""Idempotency-Key: one write and one answer per key, also for two at once; errors may be tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import idempotency, problems
from hub.columns import new_id
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.errors import NotFound
from hub.models import Mail
from hub.web import Router, SessionDep

GROUP = UUID("00000000-0000-7000-8000-000000000001")


@dataclass
class Door:
    client: TestClient
    database: Any
    calls: list[str]

    def post(self, key: str | None, body: Any, who: str = "li") -> Any:
        headers = {"x-who": who} | ({"idempotency-key": key} if key is not None else {})
        return self.client.post("/mails", json=body, headers=headers)

    @property
    def mails(self) -> int:
        with unit_of_work(self.database.engine, Tenancy((GROUP,))) as session:
            return int(session.execute(text("select count(*) from mail")).scalar_one())


@pytest.fixture
def door(committed_db: Any) -> Iterator[Door]:
    router = Router()
    calls: list[str] = []

    def write(request: Request, session: SessionDep, body: dict[str, str]) -> dict[str, int]:
        set_tenancy(session, Tenancy((GROUP,), GROUP))
        idempotency.begin(request, session, request.headers["x-who"], GROUP)
        calls.append(body["subject"])
        session.add(Mail(id=new_id(), organisation_id=GROUP, recipient="a", subject=body["subject"], body=""))
        session.flush()
        if body["subject"] == "fails":
            raise NotFound("no")
        return {"call": len(calls)}

    router.post("/mails", status_code=201)(write)
    app = FastAPI()
    app.include_router(router)
    problems.install(app)
    app.state.new_session = lambda: Session(committed_db.engine, expire_on_commit=False)
    yield Door(TestClient(app), committed_db, calls)


def test_repetition_gets_the_first_answer_and_writes_nothing(door: Door) -> None:
    first, second = door.post("k1", {"subject": "x"}), door.post("k1", {"subject": "x"})
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, {"call": 1})
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert (door.mails, door.calls) == (1, ["x"])


def test_other_keys_callers_and_no_key_write_again(door: Door) -> None:
    for key, who in (("k1", "li"), ("k2", "li"), ("k1", "wu"), (None, "li"), (None, "li")):
        assert door.post(key, {"subject": "x"}, who).status_code == 201
    assert door.mails == 5


def test_key_of_another_request_is_refused(door: Door) -> None:
    door.post("k1", {"subject": "x"})
    answer = door.post("k1", {"subject": "y"})
    assert (answer.status_code, "another request" in answer.json()["detail"]) == (422, True)
    assert door.mails == 1


def test_failed_request_may_be_tried_again(door: Door) -> None:
    assert [door.post("k1", {"subject": "fails"}).status_code for _ in range(2)] == [404, 404]
    assert (door.mails, len(door.calls)) == (0, 2)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_key_of_no_use_is_refused(door: Door, key: str) -> None:
    assert door.post(key, {"subject": "x"}).status_code == 422


def test_many_at_once_write_once(door: Door) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(door.post("k", {"subject": "x"}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["call"] for answer in answers} == {1}
    assert (door.mails, len(door.calls)) == (1, 1)
