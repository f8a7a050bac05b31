"""Any sequence of events and seals verifies; any one mutation of what is stored and sealed is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Each takes one random number `n` and changes one thing; an empty `where` can hit nothing: then nothing is expected.
COLUMNS = {
    "action": "'other_thing'", "at": "at + make_interval(secs => 1 + %(n)s)", "actor_kind": "'agent'",
    "actor": "gen_random_uuid()", "acting_for": "acting_for || 'x'", "object_kind": "object_kind || 'x'",
    "object_id": "object_id || 'x'", "request_id": "request_id || 'x'", "trace_id": "trace_id || 'x'",
    "network": "network || 'x'", "event_id": "gen_random_uuid()", "seal": "seal + 1", "position": "position + 1",
    "detail": "detail || jsonb_build_object('x', %(n)s::int)",
}  # fmt: skip
OF_SEAL = {
    "sealed_at": "sealed_at + interval '1 microsecond'", "digest": "sha256(digest)", "previous": "sha256(previous)",
    "mark": "sha256(mark)", "number": "number + 1000", "digests": "digests || sha256('x')",
    "events": "array_remove(events, events[1 + %(n)s %% cardinality(events)])",
}  # fmt: skip
ROW = """
    event_id = (select event_id from audit_event where seal is not null
                order by md5(event_id::text || %(n)s) limit 1)"""
ONE = "number = (select number from audit_seal order by md5(number::text || %(n)s) limit 1)"
COPY = """
    insert into audit_event select organisation_id, gen_random_uuid(), at, action, actor_kind, actor, acting_for,
        object_kind, object_id, detail, request_id, trace_id, network, seal, position from audit_event where """
MUTATIONS = [
    *(f"update audit_event set {column} = {value} where {ROW}" for column, value in COLUMNS.items()),
    *(f"update audit_seal set {column} = {value} where {ONE}" for column, value in OF_SEAL.items()),
    f"delete from audit_event where {ROW}", f"delete from audit_seal where {ONE}", COPY + ROW,
    "insert into audit_anchor select organisation_id, 0, sha256('x'), now(), now() from audit_event limit 1",
]  # fmt: skip
STEPS = st.lists(st.one_of(st.integers(1, 4), st.none()), max_size=8)


def grow(log: Any, steps: list[int | None]) -> None:
    for step in steps:
        log.seal() if step is None else log.add(step, text='明 \u2028 \U0001f600 " \\ \x7f')


TABLES = ("audit_event", "audit_seal", "audit_anchor")
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=15, suppress_health_check=QUIET)
@given(steps=STEPS)
def test_whatever_was_added_and_sealed_verifies(log: Any, steps: list[int | None]) -> None:
    grow(log, steps)
    assert log.findings() == []


@settings(max_examples=150, suppress_health_check=QUIET)
@given(mutation=st.sampled_from(MUTATIONS), n=st.integers(0, 10_000))
def test_any_one_mutation_is_found(grown: Any, mutation: str, n: int) -> None:
    changed = len(grown.tamper(f"{mutation} returning 1", {"n": n}))
    found = grown.findings()
    for table in TABLES:
        grown.tamper(f"delete from {table}")
        grown.tamper(f"insert into {table} table kept_{table}")
    assert changed == 1 and found != []


@pytest.fixture
def grown(log: Any) -> Any:
    grow(log, [3, None, 1, 4, None, 2, None, 2, 2, None, 3])
    for table in TABLES:
        log.tamper(f"create table kept_{table} as table {table}")
    return log
