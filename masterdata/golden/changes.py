"""What changed in the stock since a cursor: the outbox read by page. Live it comes as server-sent events."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from masterdata.golden.records import ChangeItem, ChangePage

TOPICS = ("inventory.changed",)

_PAGE = text("""
    select x.seq, x.topic, o.key, x.created_at, x.payload from outbox x join organisation o on o.id = x.organisation_id
    where x.seq > :after and x.topic = any(cast(:topics as text[])) order by x.seq limit :limit""")


def list_changes(session: Session, after: int = 0, limit: int = 100) -> ChangePage:
    """Events after `after`, oldest first; `next` is the cursor to ask with again, also when nothing is new."""
    rows = session.execute(_PAGE, {"after": after, "topics": list(TOPICS), "limit": limit}).all()
    items = [ChangeItem(row.seq, row.topic, row.key, row.created_at, row.payload) for row in rows]
    return ChangePage(items, items[-1].id if items else after)
