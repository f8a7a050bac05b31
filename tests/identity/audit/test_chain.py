"""Whatever is done to the stored log is found, and named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import vault
from hub.database import Tenancy, unit_of_work
from identity.audit import sealing, service
from identity.audit.verify import Finding
from tests.conftest import GROUP

AT = "where seal = 2 and position = 2"
ALTERED = [
    "action = 'nothing_happened'", "at = at + interval '1 microsecond'", "detail = '{\"number\": 7}'", "detail = '{}'",
    "actor_kind = 'person'", "actor = gen_random_uuid()", "acting_for = 'x'", "object_kind = 'x'", "object_id = 'x'",
    "request_id = 'x'", "trace_id = 'x'", "network = '10.0.0.0/24'",
]  # fmt: skip


def test_an_untouched_log_verifies(three) -> None:
    found = three.verified()
    assert (found.findings, found.seals, found.rows, found.unsealed) == ([], 3, 9, 0)
    assert found.head is not None and found.head.number == 3


@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_row_is_named(three, change) -> None:
    event = three.event(2, 2)
    three.tamper(f"update audit_event set {change} {AT}")
    assert three.verified().findings == [Finding("altered", 2, event, 2)]


def test_a_removed_row_is_named(three) -> None:
    event = three.event(2, 2)
    three.tamper(f"delete from audit_event {AT}")
    assert three.verified().findings == [Finding("removed", 2, event, 2)]


def test_an_inserted_row_is_named(three) -> None:
    three.add()
    event = three.tamper("update audit_event set seal = 2, position = 4 where seal is null returning event_id")[0][0]
    assert three.verified().findings == [Finding("inserted", 2, event, 4)]


def test_swapped_rows_are_named(three) -> None:
    events = [three.event(2, 1), three.event(2, 3)]
    three.tamper("update audit_event set position = 4 - position where seal = 2")
    assert three.verified().findings == [Finding("reordered", 2, e, p) for e, p in zip(events, (1, 3), strict=True)]


def test_contents_swapped_between_rows_are_named(three) -> None:
    three.tamper("update audit_event e set detail = o.detail from audit_event o "
                 "where e.seal = 2 and o.seal = 2 and e.position = 4 - o.position and e.position <> 2")  # fmt: skip
    assert [(f.what, f.position) for f in three.verified().findings] == [("altered", 1), ("altered", 3)]


@pytest.mark.parametrize("number", [1, 2])
def test_a_removed_seal_is_named(three, number) -> None:
    three.tamper("delete from audit_seal where number = %s", [number])
    assert three.verified().findings == [Finding("seal_missing", number, last=number)]


def test_the_last_seal_is_missed_by_its_rows_and_by_a_kept_head(three) -> None:
    head = three.verified().head
    three.tamper("delete from audit_seal where number = 3")
    assert three.verified().findings == [Finding("seal_missing", 3, last=3)]
    three.tamper("delete from audit_event where seal = 3")
    assert three.verified().findings == []
    assert three.verified((head.number, head.digest)).findings == [Finding("head_lost", 3)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("digests[2] = sha256('x')", ["seal_altered 2", "altered 2"]),
        ("sealed_at = sealed_at - interval '1 day'", ["seal_altered 2"]),
        ("digest = sha256('x')", ["seal_altered 2", "seal_unlinked 3"]),
        ("previous = sha256('x')", ["seal_unlinked 2", "seal_altered 2"]),
        ("mark = sha256('x')", ["seal_unmarked 2"]),
        ("events[2] = gen_random_uuid()", ["removed 2", "inserted 2"]),
        ("events = events[1:2]", ["seal_altered 2", "inserted 2"]),
    ],
)
def test_a_changed_seal_is_named(three, change, what) -> None:
    three.tamper(f"update audit_seal set {change} where number = 2")
    assert [f"{f.what} {f.seal}" for f in three.verified().findings] == what


def test_a_chain_made_anew_without_the_key_is_not_ours(three, monkeypatch) -> None:
    """Who may write everything but knows no key removes an event and seals the rest again."""
    three.tamper(f"delete from audit_event {AT}")
    three.tamper("delete from audit_seal")
    three.tamper("update audit_event set seal = null, position = null")
    with monkeypatch.context() as theirs:
        theirs.setattr(vault, "_marking", lambda: [b"another key"])
        three.seal()
        assert three.findings() == []
    assert three.findings() == ["seal_unmarked"]


def test_two_sealers_make_one_chain(log, monkeypatch) -> None:
    monkeypatch.setattr(sealing, "ROWS_MAX", 5)
    log.add(60)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sealing.seal(log.engine), range(4)))
    found = log.verified()
    assert (found.findings, found.rows, found.unsealed) == ([], 60, 0)


def test_a_row_committed_late_joins_a_later_seal(log) -> None:
    with Session(log.engine, info={"tenancy": Tenancy()}) as slow, slow.begin():
        service.record(slow, "thing_happened", organisations=[GROUP])
        log.add(2)
        log.seal()
    log.add(1)
    log.seal()
    found = log.verified()
    assert (found.findings, found.seals, found.rows) == ([], 2, 4)


@pytest.mark.parametrize("table", ["audit_event", "audit_seal", "audit_anchor"])
@pytest.mark.parametrize("statement", ["update {} set organisation_id = organisation_id", "delete from {}"])
def test_nobody_changes_the_log_by_the_usual_ways(three, committed_db, table, statement) -> None:
    insert = "insert into audit_anchor values (%s, 0, '', now(), now())"
    three.superuser.execute(insert, [GROUP])
    with pytest.raises(psycopg.errors.RestrictViolation):
        three.superuser.execute(statement.format(table))
    with pytest.raises(psycopg.errors.RestrictViolation):
        three.superuser.execute(f"truncate {table}")
    app = psycopg.connect(committed_db.application_url.replace("postgresql+psycopg", "postgresql"))
    with app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.format(table))


def test_the_application_does_not_seal_out_of_turn(three) -> None:
    close = text("select audit_close(:org, :number, now(), '{}', '{}', :before, 'x', 'x')")
    for number, before in ((3, b""), (4, b""), (5, three.verified().head.digest)):
        with pytest.raises(Exception, match="does not follow"), unit_of_work(three.engine, Tenancy()) as session:
            session.execute(close, {"org": GROUP, "number": number, "before": before})
