"""The natural key of a position, as one SQL expression that DuckDB and PostgreSQL read alike."""

from __future__ import annotations

KEY_COLUMNS = ("item_id", "place_id", "lot", "owner", "status", "unit")


def hash_sql(system_id: str, prefix: str = "") -> str:
    """md5 of system and natural key as a uuid; `system_id` is an SQL expression of type text or varchar.
    lot and owner are '' where the source has none; the unit separator (U+001F) cannot stand in a code."""
    columns = ", ".join(prefix + c for c in KEY_COLUMNS)
    return f"md5(concat_ws(chr(31), {system_id}, {columns}))::uuid"


# What a movement says, beside which line it is; the same line with other content is a restatement.
CONTENT_COLUMNS = ("quantity", "booked_at", "occurred_at", "modified_at", "is_voided", "kind", "partner_id")


def content_sql(prefix: str = "") -> str:
    """md5 of what a movement says; needs `hash` (its position's key) beside the content columns."""
    columns = ", ".join(f"coalesce({prefix}{c}::text, '')" for c in ("hash", *CONTENT_COLUMNS))
    return f"md5(concat_ws(chr(31), {columns}))::uuid"


def identity_sql(system_id: str, prefix: str = "") -> str:
    """The source line a movement is; without a document, its content and ordinal among equals in its batch: needs
    `content` and `ordinal`."""
    document = f"concat_ws(chr(31), {system_id}, {prefix}document, coalesce({prefix}line, ''))"
    bare = f"concat_ws(chr(31), {system_id}, {prefix}content::text, {prefix}ordinal::text)"
    return f"md5(case when coalesce({prefix}document, '') <> '' then {document} else {bare} end)::uuid"
