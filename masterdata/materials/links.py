"""What people say of identity: cross-reference files, splitting, taking back. Matching then decides anew; every
decision stays as a dated link."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.database import set_tenancy
from hub.errors import NotFound, Unprocessable
from masterdata.materials.schemas import Added, XrefIn

_FIND = text("""
    select n.row, n.item_id, n.group_number, s.id as system_id, m.organisation_id, m.id as material_id,
           n.group_number ~ '^GM-[0-9]{7,}$' and g.id is null as is_unknown
    from unnest(cast(:systems as text[]), cast(:items as text[]), cast(:groups as text[]))
         with ordinality as n(system, item_id, group_number, row)
    left join source_system s on s.key = n.system
    left join source_material m on m.system_id = s.id and m.item_id = n.item_id
    left join golden_material g on g.number = n.group_number
    order by n.row""")

_SAY = text("""
    insert into cross_reference as x (organisation_id, system_id, item_id, group_number, reason, decided_by)
    values (nullif(current_setting('hub.org', true), '')::uuid, :system, :item, :group, :reason, :by)
    on conflict (organisation_id, system_id, item_id) do update set
        group_number = excluded.group_number, reason = excluded.reason, decided_by = excluded.decided_by,
        recorded_at = clock_timestamp()
    where (x.group_number, x.reason) is distinct from (excluded.group_number, excluded.reason)
    returning 1""")

_MATCH = text("select materials_match(:org, cast(:ids as bigint[]))")

_UNSAY = text("delete from cross_reference where system_id = :system and item_id = :item returning 1")


def add_xrefs(session: Session, rows: Sequence[XrefIn], decided_by: UUID | None = None) -> Added:
    """Record a cross-reference file, all or nothing, and link accordingly; raises Unprocessable naming the bad row."""
    found = _find(session, [(row.system, row.item_id, row.group_number) for row in rows])
    added = 0
    for row in found:
        values = {
            "system": row.system_id,
            "item": row.item_id,
            "group": row.group_number,
            "reason": "",
            "by": decided_by,
        }
        added += len(session.execute(_SAY, values).all())
    return Added(added, _decide(session, found))


def split(session: Session, system: str, item_id: str, reason: str, decided_by: UUID | None = None) -> Added:
    """Keep an item apart from every other; raises NotFound."""
    found = _one(session, system, item_id)
    values = {"system": found[0].system_id, "item": item_id, "group": None, "reason": reason, "by": decided_by}
    added = len(session.execute(_SAY, values).all())
    return Added(added, _decide(session, found))


def restore(session: Session, system: str, item_id: str) -> Added:
    """Undo what was said of an item; raises NotFound."""
    found = _one(session, system, item_id)
    gone = len(session.execute(_UNSAY, {"system": found[0].system_id, "item": item_id}).all())
    return Added(gone, _decide(session, found))


def _one(session: Session, system: str, item_id: str) -> Sequence[Row[Any]]:
    try:
        return _find(session, [(system, item_id, "")])
    except Unprocessable as error:
        raise NotFound(error.detail.removeprefix("Row 1: ")) from error


def _find(session: Session, rows: Sequence[tuple[str, str, str]]) -> Sequence[Row[Any]]:
    names = ("systems", "items", "groups")
    found = (
        session.execute(_FIND, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))).all() if rows else []
    )
    for row in found:
        if row.system_id is None:
            raise Unprocessable(f"Row {row.row}: there is no system {rows[row.row - 1][0]!r} you may see.")
        if row.material_id is None:
            raise Unprocessable(f"Row {row.row}: system {rows[row.row - 1][0]!r} has no item {row.item_id!r}.")
        if row.is_unknown:
            raise Unprocessable(
                f"Row {row.row}: there is no golden material {row.group_number!r} you may see. "
                "A group number of your own must not look like the hub's."
            )
    return found


def _decide(session: Session, found: Sequence[Row[Any]]) -> int:
    """Match the items anew, each for its own organisation: what is said of one may move others."""
    session.flush()
    by_organisation: dict[UUID, list[int]] = defaultdict(list)
    for row in found:
        by_organisation[row.organisation_id].append(row.material_id)
    own = session.info["tenancy"]
    linked = 0
    for organisation_id, ids in by_organisation.items():
        set_tenancy(session, replace(own, acting=organisation_id))
        linked += int(session.execute(_MATCH, {"org": organisation_id, "ids": ids}).scalar_one())
    set_tenancy(session, own)
    return linked
