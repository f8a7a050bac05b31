"""Two tabs of one application, each with the tokens in its own memory, refresh within 100 ms of each other: nobody is
signed out by it. Who comes with a token of long ago ends the family at once."""

from __future__ import annotations

import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from hub.database import Tenancy, unit_of_work
from hub.errors import Unauthenticated
from identity.oauth import grants, tokens
from identity.oauth.bearer import bearer_of
from identity.secrets import digest
from tests.identity.oauth.test_races import Stage, stage

__all__ = ["stage"]

TABS = int(os.environ.get("HUB_TEST_TABS", "50"))
APART_SECONDS, DEAD_SECONDS = 0.1, 1.0
AGE = "update oauth_refresh_token set used_at = used_at - make_interval(secs => :seconds) where used_at is not null"
log = structlog.get_logger("two_tabs")


def refresh(on: Stage, token: str) -> dict[str, Any] | None:
    """The answer's body; None where it was refused."""
    on.together = Barrier(1)
    status, _, body = on.ask({"grant_type": "refresh_token", "refresh_token": token}).partition(" ")
    return json.loads(body) if status == "200" else None


@pytest.fixture
def family(stage) -> str:
    stage.run("select oauth_keep_refresh(:h, :g, 1)", h=digest("first"), g=stage.grant())
    return "first"


def test_two_tabs_sign_nobody_out(stage, family) -> None:
    apart = random.Random(7)
    held, out = [family, family], 0
    with ThreadPoolExecutor(2) as pool:
        for number in range(TABS):
            late = [0.0, apart.uniform(0, APART_SECONDS)]
            if number % 2:
                late.reverse()
            answers = list(pool.map(_after, late, [stage] * 2, held))
            out += answers.count(None)
            held = [answer["refresh_token"] if answer else "" for answer in answers]
            assert held[0] == held[1]
    log.info(f"{TABS} times two tabs: {out} signed out")
    assert out == 0


def _after(seconds: float, on: Stage, token: str) -> dict[str, Any] | None:
    time.sleep(seconds)
    return refresh(on, token)


def test_reuse_after_the_grace_ends_the_family(stage, family, committed_db) -> None:
    newest = refresh(stage, family)
    assert newest is not None and lives(stage, newest["access_token"])
    with committed_db.owner_engine.begin() as owner:
        owner.execute(text(AGE), {"seconds": grants.GRACE_SECONDS + 1})
    began = time.monotonic()
    assert refresh(stage, family) is None
    assert refresh(stage, newest["refresh_token"]) is None
    assert not lives(stage, newest["access_token"])
    seconds = time.monotonic() - began
    log.info(f"family dead after {seconds:.3f} s")
    assert seconds < DEAD_SECONDS


def lives(on: Stage, token: str) -> bool:
    with unit_of_work(on.engine, Tenancy()) as session:
        try:
            bearer_of(session, tokens.verified(session, token))
        except Unauthenticated:
            return False
    return True
