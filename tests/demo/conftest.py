"""One small demonstration group for all tests here: real databases, real files, real servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.group import DemoGroup, build
from demo.world import World
from hub.postgres import Server

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
SCALE = 0.02


@pytest.fixture(scope="session")
def world() -> World:
    return World(SCALE, NOW)


@pytest.fixture(scope="session")
def plants(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoGroup]:
    group = build(server.dsn(), tmp_path_factory.mktemp("group"), SCALE, lambda what, part: None, NOW)
    for path in (group.folder / "luyu").iterdir():
        # A workbook without a done-file counts only when it has rested for two seconds.
        os.utime(path, (path.stat().st_mtime - 10,) * 2)
    group.start_servers()
    yield group
    group.stop()


@pytest.fixture(scope="session")
def agent_file(plants: DemoGroup) -> Path:
    return plants.agent_config("http://127.0.0.1:1")
