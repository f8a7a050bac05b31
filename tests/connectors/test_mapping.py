"""Mapping files: parameters, defaults, and errors that name the line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.config import read_config, redacted
from connectors.document import DocumentError
from connectors.mapping import loads
from connectors.schedule import schedule
from tests.connectors.conftest import MAPPING

GIVEN = {"organisation": "qingyu", "system": "u8"}

BAD = [
    ("quantity: s.qty\n", "quantty: s.qty\n", "line 17: stock_positions has no field 'quantty'"),
    ("      quantity: s.qty\n", "", "line 12: stock_positions needs an expression for quantity"),
    ("from: stock s", "from: stokc s", "line 11: 'stokc' is not one of the tables stock, items, moves"),
    ("every: 1s", "every: soon", "line 10: streams.stock_positions.every: Value error, 'soon' is not a length of time"),
    ("  stock_positions:", "  positions:", "line 9: there is no stream 'positions'"),
    ("zone: Asia/Shanghai", "zone: Asia/Shangai", "line 2: zone: Value error, 'Asia/Shangai' is not a time zone"),
    ("zone: Asia/Shanghai", "zone: ${zone}", "line 2: parameter 'zone' has no value"),
    ("units: {个: C62}", "units: {个: C62", "not YAML"),
    ("source: sql", "sauce: sql", "source: Field required"),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD)
def test_errors_name_the_line(old: str, new: str, words: str) -> None:
    assert old in MAPPING
    with pytest.raises(DocumentError) as caught:
        loads("plant.yaml", MAPPING.replace(old, new, 1), GIVEN)
    assert words in str(caught.value), str(caught.value)


def test_parameters_win_over_defaults() -> None:
    text = MAPPING.replace("zone: Asia/Shanghai", "zone: ${zone:-UTC}\nparameters: {table: stock}").replace(
        "from stock", "from ${table}"
    )
    assert loads("p", text, GIVEN).spec.zone == "UTC"
    other = loads("p", text, {**GIVEN, "zone": "Asia/Tokyo", "table": "onhand"})
    assert other.spec.zone == "Asia/Tokyo" and other.spec.tables["stock"]["query"].endswith("from onhand")


def test_what_a_stream_reads() -> None:
    made = loads("p", MAPPING, GIVEN)
    assert made.spec.streams["stock_positions"].alias == "s" and made.lookups("stock_positions") == ["items"]
    assert (made.cursor("stock_movements"), made.cursor("stock_positions")) == ("id", None)
    assert made.full("stock_movements").seconds == 86_400 and made.full("stock_positions").seconds == 1


@pytest.mark.parametrize(
    ("written", "due"),
    [("5m", "2026-03-01T00:05:00+00:00"), (["02:00", "14:00"], "2026-03-01T06:00:00+00:00"), ("never", None)],
)
def test_schedules(written: object, due: str | None) -> None:
    last = datetime(2026, 3, 1, tzinfo=UTC)
    found = schedule(written).due(last, last + timedelta(hours=1), "Asia/Shanghai")
    assert (found.astimezone(UTC).isoformat() if found else None) == due


def test_secrets_come_from_the_environment_and_stay_out_of_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "hub: http://h\nstate: s\nsystems:\n- {system: u8, mapping: m, organisation: q,\n"
        "   connection: {url: 'mssql://reader:${ENV:U8_PASSWORD}@db/u8'}}\n"
    )
    configured = read_config(path)
    (system,) = configured.config.systems
    with pytest.raises(DocumentError, match="line 5: the environment variable U8_PASSWORD is not set"):
        configured.connection(system)
    monkeypatch.setenv("U8_PASSWORD", "hunter2!")
    assert configured.connection(system)["url"] == "mssql://reader:hunter2!@db/u8"
    assert "hunter2" not in redacted("cannot reach mssql://reader:hunter2!@db/u8 (hunter2!)", system.connection)
