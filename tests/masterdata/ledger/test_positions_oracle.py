"""Any order, repetition and splitting of facts gives the positions and the as-of answers of the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from hub.database import Tenancy, bind
from tests.masterdata.ledger.oracle import Listing, Move, Oracle
from tests.masterdata.ledger.world import World

KEYS = "abc"
instants = st.integers(0, 12)
quantities = st.integers(-3, 6)
listings = st.builds(
    Listing,
    at=instants,
    listed=st.dictionaries(st.sampled_from(KEYS), quantities, max_size=3),
    gaps=st.frozensets(st.sampled_from(KEYS), max_size=1),
    full=st.sampled_from([True, True, False]),
)
moves = st.builds(
    Move,
    line=st.sampled_from(["d1", "d2", "d3", "d4"]),
    key=st.sampled_from(KEYS),
    at=instants,
    quantity=quantities,
    modified=st.none() | instants,
    voided=st.booleans(),
)
histories = st.lists(st.one_of(listings, moves, moves), min_size=1, max_size=14)
hostile = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def fresh_world(connection: Connection, group: UUID) -> Iterator[World]:
    bind(connection, Tenancy((group,), group))
    with connection.begin_nested() as savepoint:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        yield World(raw, group)
        savepoint.rollback()


def without_repeats(history: list[Listing | Move]) -> list[Listing | Move]:
    """The same line saying the same again is a duplicate wherever it comes."""
    return [f for n, f in enumerate(history) if isinstance(f, Listing) or f not in history[:n]]


@hostile
@given(history=histories)
def test_positions_equal_the_oracle_in_any_order(connection: Connection, group: UUID, history) -> None:
    with fresh_world(connection, group) as world:
        for fact in history:
            world.apply(fact)
        oracle = Oracle(without_repeats(history))
        assert world.positions() == {k: oracle.value(k, float("inf")) for k in world.positions()}


@hostile
@given(history=histories, at=instants, data=st.data())
def test_as_of_answers_equal_the_oracle_on_both_axes(connection: Connection, group: UUID, history, at, data) -> None:
    history = without_repeats(history)
    with fresh_world(connection, group) as world:
        for fact in history:
            world.apply(fact)
        known = data.draw(st.integers(0, len(history)))
        assert world.as_of(at, known) == {k: Oracle(history).value(k, at, known) for k in world.positions()}


@pytest.mark.parametrize("key", ["a", "b"])
def test_of_versions_committed_together_the_later_call_wins_in_the_past_too(
    connection: Connection, group: UUID, key: str
) -> None:
    with fresh_world(connection, group) as world:
        world.apply(Move("d2", "b", 2, 1), Move("d3", "b", 2, 0), Move("d1", "a", 3, 5), Move("d1", key, 1, 7), cut=3)
        assert world.as_of(12, 1) == world.positions()
        assert world.positions()[key] == 7 + (key == "b")
