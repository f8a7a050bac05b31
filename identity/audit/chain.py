"""The canonical form of an event, its digest, and how a seal is chained to the one before. Pure: anyone can compute it
from an export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

FIELDS = (
    "acting_for", "action", "actor", "actor_kind", "at", "detail", "event_id", "network", "object_id", "object_kind",
    "organisation_id", "request_id", "trace_id",
)  # fmt: skip
# Before the digest that a seal's mark is made of, so that it is the mark of nothing else.
MARKED = b"audit_seal\0"


def shown(event: Any) -> dict[str, Any]:
    """The members that are chained, as JSON has them, of a row or anything with these attributes."""
    return {name: _plain(getattr(event, name)) for name in FIELDS}


def event_digest(event: Any) -> bytes:
    """SHA-256 of the canonical form: the UTF-8 JSON object of RFC 8785 (members sorted by name, no white space; no
    number has a fraction) with exactly the members of FIELDS. Ids are lower-case text, `at` is of the form
    2026-11-24T03:11:04.000123Z, `actor` is null where nobody is named, `detail` is an object."""
    return sha256(_canonical(shown(event))).digest()


def seal_digest(
    organisation_id: UUID, number: int, sealed_at: datetime, previous: bytes, digests: Sequence[bytes]
) -> bytes:
    """SHA-256 of the digest before (nothing for the first seal), the canonical object of `number`, `organisation`,
    `rows` and `sealed_at`, and the digests of its events in order."""
    head = {
        "number": number,
        "organisation": str(organisation_id),
        "rows": len(digests),
        "sealed_at": _plain(sealed_at),
    }
    return sha256(b"".join((previous, _canonical(head), *digests))).digest()


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value) if isinstance(value, UUID) else value
