"""Source materials that a batch made or changed, handed on to matching in the same transaction."""

from __future__ import annotations

import psycopg

from masterdata.ledger.batch import BatchRef
from masterdata.materials import matching

_OWN = "m.organisation_id = %(org)s and m.system_id = %(system)s"

# Stubs that facts made have no golden material yet; costs are staged by `costs`, records by `masters`.
_UNLINKED = f"select m.id from source_material m where {_OWN} and m.golden_id is null"
_PRICED = "select distinct material_id from stage_cost"
_TOUCHED = {
    "stock_positions": f"{_UNLINKED} union {_PRICED}",
    "materials": f"{_UNLINKED} union {_PRICED} union "
    f"select m.id from stage s join source_material m on {_OWN} and m.item_id = s.item_id where m.batch_id = %(batch)s",
    "material_units": f"{_UNLINKED} union "
    f"select m.id from stage s join source_material m on {_OWN} and m.item_id = s.item_id",
}


def refresh(connection: psycopg.Connection, batch: BatchRef, stream: str) -> int:
    """Match what the batch made or changed; how many links changed. Late in the transaction: it locks matching."""
    rows = connection.execute(_TOUCHED.get(stream, _UNLINKED), batch.parameters).fetchall()
    return matching.refresh(connection, batch.organisation_id, [row[0] for row in rows]) if rows else 0


def refresh_new(connection: psycopg.Connection, batch: BatchRef) -> int:
    """Match materials first met in events; how many links changed."""
    return refresh(connection, batch, "")
