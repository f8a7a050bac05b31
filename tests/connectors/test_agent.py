"""The agent end to end: a plant's database, the command line, a hub over a real socket."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from connectors.cli import app
from tests.connectors.conftest import change
from tests.connectors.fake_hub import FakeHub, Running


def run(config: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_one_run_brings_positions_and_movements(config: Path, hub: FakeHub) -> None:
    run(config, "run", "--once")
    ((header, positions),) = hub.tables("stock_positions")
    assert (header["organisation"], header["coverage"], header["sync"], header["rows"]) == ("qingyu", "all", "full", 2)
    assert [(r["item_id"], r["unit"], r["quantity"]) for r in positions.to_pylist()] == [
        ("A", "C62", Decimal("1.1")),
        ("B", "kg", Decimal(-3)),
    ]
    ((header, moves),) = hub.tables("stock_movements")
    assert header["cursor"] == "1" and moves["occurred_at"][0].as_py().isoformat() == "2026-01-31T02:00:00+00:00"
    assert hub.health[-1]["systems"][0]["spool"] == {"ready": 0, "refused": 0, "acknowledged": 2}


def test_the_second_run_brings_only_new_movements(config: Path, hub: FakeHub, plant: Path) -> None:
    run(config, "run", "--once")
    change(plant, "insert into moves values (1, 'B', 'W1', 7, '2026-02-01'), (2, 'A', 'W1', 8, '2026-02-01')")
    run(config, "run", "--once")
    batches = [(h["sync"], [r["quantity"] for r in t.to_pylist()]) for h, t in hub.tables("stock_movements")]
    assert batches == [("full", [5]), ("incremental", [7, 8])]


def test_an_emptied_source_sends_an_empty_full_batch(config: Path, hub: FakeHub, plant: Path) -> None:
    run(config, "run", "--once")
    change(plant, "delete from stock")
    run(config, "run", "--once")
    assert [(h["sync"], h["rows"]) for h, _ in hub.tables("stock_positions")] == [("full", 2), ("full", 0)]


def test_a_failed_read_sends_nothing_and_spares_other_streams(config: Path, hub: FakeHub, plant: Path) -> None:
    change(plant, "drop table stock")
    result = CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    assert result.exit_code == 1
    assert hub.tables("stock_positions") == [] and len(hub.tables("stock_movements")) == 1
    errors = {s["stream"]: s["last_error"] for s in hub.health[-1]["systems"][0]["streams"]}
    assert "table" in errors["stock_positions"].lower() and errors["stock_movements"] is None
    assert "table" in run(config, "status").lower()


def test_a_hub_that_fails_gets_everything_in_the_end(config: Path, hub: FakeHub) -> None:
    hub.faults = [503, 500, 429]
    run(config, "run", "--once")
    assert len(hub.landed) == 2


def test_a_refused_batch_is_parked_shown_and_sent_again(config: Path, hub: FakeHub) -> None:
    hub.faults = [403]
    result = CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    assert result.exit_code == 1 and len(hub.landed) == 1
    assert "planned 403" in run(config, "status")
    run(config, "replay", "--refused")
    assert len(hub.landed) == 2


def test_a_restored_hub_gets_what_it_forgot(config: Path, hub: FakeHub) -> None:
    run(config, "run", "--once")
    first = hub.landed.pop(0)
    run(config, "replay")
    assert sorted(hub.landed) == sorted([hub.landed[0], first])


def test_check_sends_nothing_and_names_the_line(config: Path, hub: FakeHub, plant: Path) -> None:
    change(plant, "insert into stock values (null, 'W1', 'zwölf')")
    result = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert result.exit_code == 1 and hub.calls == []
    assert "plant.yaml, line 17: quantity cannot be read" in result.output, result.output


def test_check_names_what_the_source_itself_cannot_read(config: Path, plant: Path) -> None:
    text = (plant / "plant.yaml").read_text("utf-8").replace("source: sql", "source: files")
    tables = "tables:\n  stock: {glob: stock.csv, settle: 0, columns: [code]}\n  items: {glob: items.csv, settle: 0}\n"
    streams = text[text.index("streams:") : text.index("  stock_movements:")]
    (plant / "plant.yaml").write_text(text[: text.index("tables:")] + tables + streams, "utf-8")
    (plant / "stock.csv").write_text("code,wh,qty\nA,W1,1\nB,W1,2,surplus\n", "utf-8")
    (plant / "items.csv").write_text("code,unit\nA,个\n", "utf-8")
    config.write_text(config.read_text("utf-8").replace(f"url: 'sqlite:///{plant}/plant.db'", f"folder: {plant}"))
    result = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert result.exit_code == 1 and "4 cells where the header has 3" in result.output, result.output


def test_an_unknown_code_is_said_plainly(plant: Path, running: Running) -> None:
    arguments = ["enrol", "--hub", running.url, "--code", "wrong", "--state", str(plant / "state")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and "Unknown code — ask for a new one" in result.output
