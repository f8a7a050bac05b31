"""Contract documents, the Arrow schema made of them, and the page that describes them agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa

from connectors.contract import ENVELOPE, streams, utc_text
from connectors.contract_doc import PAGE, rendered


def test_the_page_shows_the_documents() -> None:
    page = PAGE.read_text("utf-8")
    assert page == rendered(page), "run `python -m connectors.contract_doc`"


def test_a_file_has_the_envelope_first_and_exact_types() -> None:
    schema = streams()["stock_positions"].arrow_schema
    assert schema.names[:3] == list(ENVELOPE) and schema.field("quantity").type == pa.decimal128(38, 9)
    assert streams()["stock_positions"].key == ("item_id", "place_id", "lot", "owner", "status", "unit")


def test_instants_travel_in_utc() -> None:
    east = datetime(2026, 1, 31, 10, tzinfo=timezone(timedelta(hours=8)))
    assert utc_text(east) == "2026-01-31T02:00:00.000000+00:00"
    assert datetime.fromisoformat(utc_text(east)).astimezone(UTC) == east
