"""Bad input, from the source to the answer: said in words, nothing lost, no secret told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from connectors.cli import app, open_agent
from tests.connectors.conftest import change, config, hub, plant, running
from tests.connectors.fake_hub import FakeHub
from tests.connectors.sources.servers import OdooServer, serving

__all__ = ["config", "hub", "plant", "running"]
SECRET = "s3cret-word-of-the-source"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """The command logs to its own standard error; what comes after it must not."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_changed_columns_stop_the_stream_and_zero_nothing(config: Path, hub: FakeHub) -> None:
    CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    change(config.parent, "alter table stock rename column qty to quantity")
    result = CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    assert result.exit_code == 1
    told = {s["stream"]: s["last_error"] for s in hub.health[-1]["systems"][0]["streams"]}
    assert "column the mapping names is not there" in told["stock_positions"] and "qty" in told["stock_positions"]
    assert [h["rows"] for h, _ in hub.tables("stock_positions")] == [2]


def test_a_second_agent_on_one_source_is_refused_in_words(config: Path, hub: FakeHub) -> None:
    first = open_agent(config)
    try:
        result = CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    finally:
        first.close()
    assert result.exit_code == 2
    assert "another agent already works on" in result.output
    assert hub.landed == []


def test_a_wrong_password_is_in_no_log_and_no_report(
    config: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODOO_PASSWORD", SECRET)
    with serving(OdooServer({}, {}, "another")) as url:
        connection = f"{{url: '{url}', database: d, user: u, password: '${{ENV:ODOO_PASSWORD}}'}}"
        systems = f"systems: [{{system: u8, mapping: odoo-17, organisation: qingyu, connection: {connection}}}]"
        head = config.read_text("utf-8").split("systems:")[0]
        config.write_text(head + systems, "utf-8")
        result = CliRunner().invoke(app, ["run", "--once", "--config", str(config)])
    assert result.exit_code == 1
    said = result.output + str(hub.health) + "".join(p.read_text() for p in config.parent.rglob("health.json"))
    assert "refuses the login" in said
    assert SECRET not in said
