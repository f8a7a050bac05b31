"""Benches of the product as it runs. Each module has
`run() -> {"metrics": …, "peer": …, "limit": …}`; the registry is literal."""

from __future__ import annotations

BENCHES: dict[str, str] = {
    "snapshot": "a dump of 1,000,000 rows, 5 % changed, from the source to durable positions",
    "changes": "events in batches, in calls of 512 lines, and one by one",
    "push": "from a source's event to 50 subscribers",
    "holders": "who holds a material: 50 organisations, 1,000,000 positions, row security on",
    "endpoints": "every GET at 50 callers",
    "build": "the marts of 1,000,000 positions and 5,000,000 movements",
    "asof": "questions of the past: a material, and the month-end report",
    "tenancy": "what row security costs a read, and search over 1,000,000 materials with it on",
}
