"""Whose stock was shown learns who looked at which material; what sums everyone up is no look at anyone."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from hub.database import NOBODY
from identity.audit.service import note


def looked(session: Session, number: str, organisations: Iterable[UUID]) -> None:
    """Once for each request, material and organisation; nobody looks at their own."""
    told: set[tuple[str, UUID]] = session.info.setdefault("looks", set())
    own = session.info.get("tenancy", NOBODY).acting
    shown = {one for one in organisations if one != own and (number, one) not in told}
    if shown:
        told |= {(number, one) for one in shown}
        note(
            session, "stock_of_another_viewed", organisations=shown, object_kind="golden_material", object_id=number
        )  # fmt: skip
