"""Notes do not wait, and none is dropped."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from hub.database import Tenancy
from identity.audit import notes, service
from identity.audit.notes import INFO, Notes
from tests.conftest import GROUP


@pytest.fixture
def writer(log):
    made = Notes(log.engine)
    yield made
    made.stop()


def note(log, writer, count: int = 1) -> None:
    with Session(log.engine, info={"tenancy": Tenancy(), INFO: writer}) as session:
        for number in range(count):
            service.note(session, "thing_viewed", organisations=[GROUP], number=number)


def rows(log) -> int:
    return log.superuser.execute("select count(*) from audit_event").fetchone()[0]


def test_a_note_is_written_within_a_second_without_waiting(log, writer) -> None:
    note(log, writer)
    assert rows(log) == 0
    ends = time.monotonic() + 1
    while not rows(log) and time.monotonic() < ends:
        time.sleep(0.02)
    assert rows(log) == 1


def test_what_was_put_is_written_before_the_process_ends(log, writer) -> None:
    note(log, writer, 2_500)
    writer.stop()
    assert rows(log) == 2_500
    note(log, writer)
    assert rows(log) == 2_501


def test_a_full_queue_writes_at_once(log, monkeypatch) -> None:
    monkeypatch.setattr(notes, "QUEUE_MAX", 1)
    monkeypatch.setattr(Notes, "_run", lambda self: None)
    note(log, Notes(log.engine), 40)
    assert rows(log) == 39


def test_a_database_that_is_away_is_waited_for(log, writer, monkeypatch) -> None:
    really, tried = notes.write, []

    def fails_twice(bind, events) -> None:
        tried.append(len(events))
        if len(tried) < 3:
            raise OperationalError("x", {}, Exception("away"))
        really(bind, events)

    monkeypatch.setattr(notes, "write", fails_twice)
    monkeypatch.setattr(notes, "AGAIN_SECONDS", 0.01)
    note(log, writer, 5)
    writer.stop()
    assert rows(log) == 5 and len(tried) == 3


def test_one_that_cannot_be_kept_takes_no_other_with_it(log, writer, capsys) -> None:
    note(log, writer, 2)
    with Session(log.engine, info={"tenancy": Tenancy(), INFO: writer}) as session:
        service.note(session, "No Such Form", organisations=[GROUP])
    note(log, writer, 2)
    writer.stop()
    assert rows(log) == 4


def test_a_note_outlives_what_its_request_undoes(log) -> None:
    with Session(log.engine, info={"tenancy": Tenancy()}) as session:
        session.execute(text("select 1"))
        service.note(session, "thing_refused", organisations=[GROUP])
        session.rollback()
    assert rows(log) == 1
