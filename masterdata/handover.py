"""What of an organisation's master data and stock is handed over when it leaves: file → query, for the worker."""

from __future__ import annotations

# The identity of its materials in the group goes with them; what the group's other members hold does not.
_GOLDEN = """select m.*, g.number as golden_number from source_material m
    left join golden_material g on g.id = m.golden_id where m.organisation_id = {org}"""
_WHOLE = (
    "coverage",
    "feed",
    "place",
    "partner",
    "position",
    "movement",
    "observation",
    "snapshot",
    "material_unit",
    "purchase_order_line",
    "demand_line",
    "cross_reference",
    "link",
    "quarantine",
)

CONTENTS: dict[str, str] = {
    "source_system": "select * from source_system where organisation_id = {org}",
    "source_material": _GOLDEN,
    "batch": """select id, system_id, agent_id, stream, coverage, observed_at, sha256, size, state, landed_at,
        applied_at, rows_in, applied, quarantined from batch where organisation_id = {org}""",
    **{name: f"select * from {name} where organisation_id = {{org}}" for name in _WHOLE},
}
