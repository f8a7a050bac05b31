"""Rows of several parties: whoever is named reads them, the owner alone writes them, and a party taken back is out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg import errors
from sqlalchemy import create_engine

from hub.columns import new_id
from hub.migrations.fences import fence_shared

BUYER, SUPPLIER, CARRIER, STRANGER, GROUP = (new_id() for _ in range(5))
TABLE = "create table example_order (organisation_id uuid not null, id uuid primary key, parties uuid[] not null)"
INSERT = "insert into example_order (organisation_id, id, parties) values (%s, %s, %s)"
READERS = {"buyer": BUYER, "supplier": SUPPLIER, "carrier": CARRIER}


class Orders:
    """A table fenced as a migration would fence it, reached as the application role."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    @contextmanager
    def acting(self, organisation: UUID, *also: UUID) -> Iterator[psycopg.Connection[Any]]:
        orgs = "{" + ",".join(map(str, (organisation, *also))) + "}"
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(
                "select set_config('hub.orgs', %s, true), set_config('hub.org', %s, true)", [orgs, str(organisation)]
            )
            self.connection.execute("set local role hub_app")
            yield self.connection

    def seen(self, organisation: UUID, *also: UUID) -> set[UUID]:
        with self.acting(organisation, *also) as connection:
            return {row[0] for row in connection.execute("select id from example_order")}

    def refused(self, organisation: UUID, statement: str, values: Any = ()) -> bool:
        """Whether row security refused it, or no row was there to touch."""
        with self.acting(organisation) as connection:
            try:
                return connection.execute(statement, values).rowcount == 0  # type: ignore[arg-type]
            except errors.InsufficientPrivilege:
                return True


@pytest.fixture(scope="module")
def orders(server: Any, template: str) -> Iterator[Orders]:
    url = server.create_database("shared", template)
    engine = create_engine(url)
    with engine.begin() as owner:
        owner.exec_driver_sql(TABLE)
        with Operations.context(MigrationContext.configure(owner)):
            fence_shared("example_order")
    engine.dispose()
    with psycopg.connect(server.dsn("shared", "postgres")) as connection:
        yield Orders(connection)
        connection.rollback()
    server.drop_database("shared")


@pytest.fixture
def order(orders: Orders) -> Iterator[UUID]:
    """An order of the buyer that the supplier and the carrier are party to, beside one of the buyer's own."""
    made = new_id()
    with orders.connection.transaction(force_rollback=True):
        orders.connection.execute(INSERT, [BUYER, made, [BUYER, SUPPLIER, CARRIER]])
        orders.connection.execute(INSERT, [BUYER, new_id(), [BUYER]])
        yield made


@pytest.mark.parametrize("reader", READERS)
def test_every_party_reads_the_order_and_nobody_else(orders: Orders, order: UUID, reader: str) -> None:
    seen = orders.seen(READERS[reader])
    assert order in seen and len(seen) == (2 if reader == "buyer" else 1)
    assert orders.seen(STRANGER) == set()
    assert len(orders.seen(GROUP, BUYER, STRANGER)) == 2


@pytest.mark.parametrize("reader", ["supplier", "carrier"])
def test_a_party_writes_nothing(orders: Orders, order: UUID, reader: str) -> None:
    party = READERS[reader]
    for statement in ("update example_order set parties = parties", "delete from example_order"):
        assert orders.refused(party, statement)
        assert not orders.refused(BUYER, statement)
    assert orders.refused(party, INSERT, [BUYER, new_id(), [BUYER, party]])
    assert orders.refused(party, "update example_order set organisation_id = %s", [party])


def test_a_party_taken_back_is_out_at_once(orders: Orders, order: UUID) -> None:
    orders.connection.execute("update example_order set parties = array_remove(parties, %s)", [CARRIER])
    assert orders.seen(CARRIER) == set()
    assert orders.seen(SUPPLIER) == {order}


def test_the_owner_is_always_a_party(orders: Orders, order: UUID) -> None:
    for parties in ([SUPPLIER], []):
        with pytest.raises(errors.CheckViolation), orders.acting(BUYER) as connection:
            connection.execute(INSERT, [BUYER, new_id(), parties])


def test_the_fence_reads_its_index(orders: Orders, order: UUID) -> None:
    with orders.acting(SUPPLIER) as connection:
        connection.execute("set local enable_seqscan = off")
        plan = str(connection.execute("explain select id from example_order").fetchall())
    assert "ix_example_order_parties" in plan
