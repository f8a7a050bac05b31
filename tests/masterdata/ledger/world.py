"""A system in the real database, fed with the oracle's facts one recording each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg

from hub.columns import new_id
from masterdata.ledger import asof, recording, staging
from masterdata.ledger.batch import Account, BatchRef
from masterdata.ledger.keys import content_sql, hash_sql, identity_sql
from masterdata.ledger.movements import apply_movements
from masterdata.ledger.observations import apply_positions
from tests.masterdata.ledger.oracle import Listing, Move

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "('I-' || k, 'P', '', '', 'unrestricted', 'C62')"


def instant(at: float) -> datetime:
    return EPOCH + timedelta(minutes=at)


class World:
    """One organisation, one system, one coverage; `known[n]` is the instant after the n-th fact was recorded."""

    def __init__(self, connection: psycopg.Connection, organisation_id: UUID) -> None:
        self.connection, self.org, self.system = connection, organisation_id, new_id()
        self.literal = f"'{self.system}'"
        self.known: list[datetime] = [EPOCH]
        self.coverage = self._one(
            "insert into coverage (organisation_id, system_id, name, sla_seconds, read_clock)"
            " values (%s, %s, 'all', 900, 'source') returning id",
            [self.org, self.system],
        )
        staging.create(connection)

    def _one(self, sql: str, parameters: list[object]) -> int:
        row = self.connection.execute(sql, parameters).fetchone()
        assert row is not None
        return int(row[0])

    def batch(self, at: float, sync: str, counts: str = "balance+movements") -> BatchRef:
        ids = recording.begin(self.connection)
        return BatchRef(new_id(), self.org, self.system, self.coverage, instant(at), sync, counts, ids)

    def apply(self, *facts: Listing | Move, cut: int | None = None) -> Account:
        """One batch: a single listing, or any number of movements, those from `cut` on in a second call."""
        staging.create(self.connection)
        first = facts[0]
        if isinstance(first, Listing):
            batch = self.batch(first.at, "full" if first.full else "incremental")
            self._stage_listing(first)
            account = apply_positions(self.connection, batch)
        else:
            batch = self.batch(max(m.at for m in facts), "event")
            self._stage_moves([m for m in facts if isinstance(m, Move)])
            if cut is not None:
                self.connection.execute(
                    "update stage_movement set batch_id = %s, first = %s where row_no >= %s", [new_id(), cut, cut]
                )
            account = apply_movements(self.connection, batch)
        self.known.append(recording.close(self.connection, batch.recording_id))
        return account

    def _stage_listing(self, fact: Listing) -> None:
        for row, (key, quantity) in enumerate(fact.listed.items()):
            if key not in fact.gaps:
                self.connection.execute(
                    "insert into stage_position (item_id, place_id, lot, owner, status, unit, quantity, row_no, n)"
                    " values (%s, 'P', '', '', 'unrestricted', 'C62', %s, %s, 1)",
                    [key, quantity, row],
                )
        self.connection.execute(f"update stage_position set hash = {hash_sql(self.literal)}")
        for key in fact.gaps:
            self.connection.execute(
                f"insert into stage_gap select {hash_sql(self.literal)} from (select %s as item_id, 'P' as place_id,"
                " '' as lot, '' as owner, 'unrestricted' as status, 'C62' as unit) k",
                [key],
            )

    def _stage_moves(self, moves: list[Move]) -> None:
        for row, m in enumerate(moves):
            modified = None if m.modified is None else instant(m.modified)
            self.connection.execute(
                "insert into stage_movement (item_id, place_id, lot, owner, status, unit, quantity, booked_at,"
                " occurred_at, modified_at, is_voided, kind, document, line, row_no)"
                " values (%s, 'P', '', '', 'unrestricted', 'C62', %s, %s, %s, %s, %s, 'receipt', %s, '1', %s)",
                [m.key, m.quantity, instant(m.at), instant(m.at), modified, m.voided, m.line, row],
            )
        self.connection.execute(f"update stage_movement set hash = {hash_sql(self.literal)}")
        self.connection.execute(f"update stage_movement set content = {content_sql()}")
        identity = identity_sql(self.literal).replace("ordinal", "1")
        self.connection.execute(f"update stage_movement set identity = {identity}")

    def positions(self) -> dict[str, Decimal]:
        rows = self.connection.execute(
            "select m.item_id, p.quantity from position p join source_material m"
            " on m.organisation_id = p.organisation_id and m.id = p.material_id where p.system_id = %s",
            [self.system],
        ).fetchall()
        return dict(rows)

    def as_of(self, at: float, known: int) -> dict[str, Decimal]:
        materials = self.connection.execute(
            "select id, item_id from source_material where system_id = %s", [self.system]
        ).fetchall()
        names = dict(materials)
        past = asof.positions(self.connection, [self.org], list(names), instant(at), self.known[known])
        return {names[p.material_id]: p.quantity for p in past}
