"""Small things every writer of the intake needs: the driver's own connection, the unit codes known in a system."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

_KNOWN = "select code from unit union select code from source_unit where system_id = :system"
_UNITS = text(_KNOWN)
_SOME = text(f"select code from ({_KNOWN}) known where code = any(:codes)")


def driver(session: Session) -> psycopg.Connection:
    """The session's own connection, for COPY and for the ledger."""
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the engine knows one driver
    return connection


def known_units(session: Session, system_id: UUID) -> list[str]:
    """Unit codes whose meaning is known in a system: Rec 20 and what people have said of its own."""
    return list(session.scalars(_UNITS, {"system": system_id}))


def known_among(session: Session, system_id: UUID, codes: Collection[str]) -> frozenset[str]:
    """Those of some codes whose meaning is known in a system."""
    return frozenset(session.scalars(_SOME, {"system": system_id, "codes": [c for c in codes if "\0" not in c]}))
