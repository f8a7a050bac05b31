"""Identity of materials on arrival: sure keys alone make records one. The rules are in hub/migrations/sql/identity.sql,
explained in docs/identity.md; here is their door."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg


def refresh(connection: psycopg.Connection, organisation_id: UUID, material_ids: Sequence[int]) -> int:
    """Match, convert, price and index these source materials anew, and whatever hangs on them; how many links changed.
    Call it in the transaction that wrote materials, their units or costs, acting for `organisation_id`; it locks
    matching until the commit, so call it late."""
    if not material_ids:
        return 0
    row = connection.execute(
        "select materials_match(%s, %s::bigint[])", [organisation_id, list(material_ids)]
    ).fetchone()
    return int(row[0]) if row else 0
