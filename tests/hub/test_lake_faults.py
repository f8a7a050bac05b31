"""The lake under kill -9: writers and a housekeeper at once, at any instant. No row lost or doubled, no file left over.
HUB_TEST_ROUNDS says how many rounds."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from hub import lake
from hub.lake import catalog
from hub.settings import settings
from tests.hub import lake_rig
from tests.hub.lake_rig import SPEC, files_on_disk, names_on_disk

WRITERS, TOKENS, SIZE = 4, 3, 6
ROUNDS = int(os.environ.get("HUB_TEST_ROUNDS", "6"))
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.hub.lake_rig", "hub.lake.move", "hub.lake.read", "pyiceberg.io.pyarrow"])

INSTANTS = ["files written", "metadata written", "pointer moved", "committed"]
Start = Callable[..., BaseProcess]


@pytest.fixture
def engine(engine: Engine, owner_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(settings(), "home", tmp_path)
    lake.ensure(engine, SPEC)
    yield engine
    with owner_engine.begin() as owner:
        owner.execute(text("truncate iceberg_tables, iceberg_namespace_properties, lake_token"))


@pytest.fixture
def start(engine: Engine, database: Any, tmp_path: Path) -> Iterator[Start]:
    """start(function, *arguments): a process that has the lake; killed at the end if it still runs."""
    started: list[BaseProcess] = []

    def run(function: Callable[..., None], *arguments: object) -> BaseProcess:
        process = PROCESSES.Process(target=function, args=(database.application_url, str(tmp_path), *arguments))
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.join()
        process.close()


def tokens_of(writer: int) -> list[UUID]:
    return [UUID(int=writer * TOKENS + number) for number in range(TOKENS)]


def ids(engine: Engine) -> list[int]:
    with lake.connect(engine, lake.EVERYONE) as db:
        return [row[0] for row in db.execute("select id from bronze.thing order by id").fetchall()]


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_writer_killed_at_an_instant_of_its_commit_is_carried_on(engine: Engine, start: Start, instant: str) -> None:
    token = UUID(int=7)
    process = start(lake_rig.die_at, instant, token)
    process.join(30)
    assert process.exitcode == -9
    assert lake.was_appended(engine, SPEC, token) is (instant == "committed")
    assert ids(engine) == (list(range(5)) if instant == "committed" else [])
    lake.append(engine, {SPEC: lake_rig.rows(range(5))}, token)
    assert ids(engine) == list(range(5))
    lake.remove_orphans(engine, SPEC)
    assert files_on_disk(engine, SPEC.name) == set(names_on_disk(engine, SPEC.name))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_four_writers_and_a_housekeeper_killed_at_random(engine: Engine, start: Start, seed: int) -> None:
    chance = random.Random(seed)
    works = [(lake_rig.write_tokens, tokens_of(writer), SIZE) for writer in range(WRITERS)]
    running = [start(*work) for work in works]
    housekeeper = start(lake_rig.keep_house)
    for _ in range(4):
        time.sleep(chance.uniform(0.02, 0.35))
        victim = chance.randrange(WRITERS + 1)
        if victim == WRITERS:
            housekeeper.kill()
            housekeeper = start(lake_rig.keep_house)
        else:
            running[victim].kill()
            running[victim] = start(*works[victim])
    for process in running:
        process.join(60)
        assert process.exitcode == 0
    housekeeper.kill()
    housekeeper.join()
    assert ids(engine) == list(range(WRITERS * TOKENS * SIZE))
    assert all(lake.was_appended(engine, SPEC, token) for writer in range(WRITERS) for token in tokens_of(writer))
    lake.remove_orphans(engine, SPEC)
    assert files_on_disk(engine, SPEC.name) == set(names_on_disk(engine, SPEC.name))


def test_a_dead_writer_holds_no_lock(engine: Engine, start: Start) -> None:
    process = start(lake_rig.die_at, "files written", UUID(int=1))
    process.join(30)
    began = time.monotonic()
    with catalog.writing(engine, SPEC.name):
        assert time.monotonic() - began < 5


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty bucket in an S3-compatible store, which the settings know."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    given = {
        "endpoint": endpoint,
        "access_key": SecretStr("key"),
        "secret_key": SecretStr("secret"),
        "region": "us-east-1",
    }
    for name, value in given.items():
        monkeypatch.setattr(settings(), f"lake_s3_{name}", value)
    httpx.put(f"{endpoint}/bucket", trust_env=False).raise_for_status()
    yield "s3://bucket/lake"
    server.stop()


@pytest.mark.slow
def test_the_lake_lives_in_an_object_store_too(engine: Engine, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append(engine, {SPEC: lake_rig.rows(range(5))}, UUID(int=1))
    assert [one.rows for one in lake.migrate(engine, store)] == [5]
    monkeypatch.setattr(settings(), "lake_url", store)
    for number in range(1, 6):
        lake.append(engine, {SPEC: lake_rig.rows(range(number * 5, number * 5 + 5))}, UUID(int=number + 1))
    pinned = lake.snapshots(engine)
    assert lake.compact(engine, SPEC) == 12
    assert lake.expire(engine, SPEC, set(pinned.values()), datetime.now(UTC) + timedelta(minutes=1)) > 3
    assert lake.remove_orphans(engine, SPEC) > 3
    assert ids(engine) == list(range(30))
    for locked in (False, True):
        with lake.connect(engine, [lake_rig.A], pinned, locked=locked) as db:
            assert db.execute("select count(*) from bronze.thing").fetchone() == (15,)
    assert len(files_on_disk(engine, SPEC.name)) == len(set(names_on_disk(engine, SPEC.name)))
