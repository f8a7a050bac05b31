"""The wire: uploads that resume, events in one call, answers that park, wait or go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from connectors import identity, uplink
from connectors.reader import read_stream
from connectors.spool import Spooled
from connectors.uplink import Refused, Unauthorised, Unavailable, Uplink, backoff
from tests.connectors.fake_hub import CODE, FakeHub, Running
from tests.connectors.literal import LiteralSource, parts, stock


@pytest.fixture
def link(running: Running) -> Iterator[Uplink]:
    key, door = identity.make_key(), Uplink(running.url, None)
    agent_id = door.enrol(CODE, identity.public_jwk(key), "test")["agent_id"]
    door.close()
    made = Uplink(running.url, identity.Identity(agent_id, key))
    yield made
    made.close()


def spooled(folder: Path, rows: int = 3, sync: str = "full") -> Spooled:
    at = "2026-01-01 10:01:00"
    made = parts(folder, LiteralSource([stock("A", f"{n}.50", wh=f"W{n}", at=at) for n in range(1, rows + 1)]))
    read_stream(made, "stock_positions", sync)  # type: ignore[arg-type]
    return made.spool.batches("ready")[0]


def test_a_body_goes_in_chunks_and_resumes_where_the_hub_is(
    link: Uplink, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "CHUNK", 1_000)
    batch = spooled(tmp_path)
    half = batch.path.read_bytes()[:1_500]
    hub.headers[str(batch.header.batch_id)] = batch.header.model_dump(mode="json")
    hub.bodies[str(batch.header.batch_id)] = half
    link.send(batch)
    assert hub.bodies[str(batch.header.batch_id)] == batch.path.read_bytes()
    chunks = [c for c in hub.calls if c.startswith("PATCH")]
    assert len(chunks) == -(-(batch.header.size - 1_500) // 1_000)


def test_a_batch_the_hub_has_is_not_sent_again(link: Uplink, hub: FakeHub, tmp_path: Path) -> None:
    batch = spooled(tmp_path)
    link.send(batch)
    link.send(batch)
    assert [c.split()[0] for c in hub.calls] == ["PUT", "PATCH", "PUT"] and len(hub.landed) == 1


def test_a_body_that_never_matches_is_parked_in_the_end(link: Uplink, hub: FakeHub, tmp_path: Path) -> None:
    batch = spooled(tmp_path)
    wrong = replace(batch, header=batch.header.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(Refused, match="422: Digest differs"):
        link.send(wrong)
    assert hub.landed == []


def test_another_header_under_the_same_id_is_refused(link: Uplink, hub: FakeHub, tmp_path: Path) -> None:
    batch = spooled(tmp_path)
    link.send(batch)
    with pytest.raises(Refused, match="409"):
        link.send(replace(batch, header=batch.header.model_copy(update={"coverage": "other"})))


def test_events_go_in_one_call_with_exact_decimals(link: Uplink, hub: FakeHub, tmp_path: Path) -> None:
    batch = spooled(tmp_path, sync="event", rows=2)
    link.send(batch)
    link.send(batch)
    ((batch_id, body),) = hub.events.items()
    assert batch_id == str(batch.header.batch_id) and body["observed_at"] == "2026-01-01T02:01:00Z"
    assert [line["quantity"] for line in body["lines"]] == ["1.5", "2.5"]
    assert body["lines"][0]["_raw"]["qty"] == "1.50" and "_row" not in body["lines"][0]
    assert body["lines"][0]["modified_at"] == "2026-01-01T02:01:00.000000+00:00"


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (429, Unavailable), (403, Refused), (422, Refused)])
def test_what_an_answer_means(link: Uplink, hub: FakeHub, tmp_path: Path, status: int, error: type[Exception]) -> None:
    hub.faults = [status]
    with pytest.raises(error, match=f"the hub answers {status}: Fault — planned {status}"):
        link.send(spooled(tmp_path))


PORTAL = [(200, {}), (302, {"Location": "/login"}), (204, {}), (204, {"Upload-Offset": "0"})]


@pytest.mark.parametrize("sync", ["full", "event"])
@pytest.mark.parametrize(("status", "headers"), PORTAL)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_not_the_hub_acknowledges_and_parks_nothing(
    tmp_path: Path, sync: str, status: int, headers: dict[str, str], method: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT" and method == "PATCH":
            return httpx.Response(200, json={"state": "announced", "upload_offset": 0})
        return httpx.Response(status, headers=headers, html="<p>Please log in</p>" if status != 204 else None)

    link = Uplink("http://hub", None, httpx.MockTransport(answer))
    with pytest.raises(Unavailable, match=f"what answers {status} at http://hub is not the hub"):
        link.send(spooled(tmp_path, sync=sync))
    link.close()


def test_an_unknown_agent_parks_nothing(link: Uplink, hub: FakeHub, tmp_path: Path) -> None:
    hub.faults = [401]
    with pytest.raises(Unauthorised, match="enrol the agent again, or set its clock"):
        link.send(spooled(tmp_path))


def test_a_hub_away_is_said(tmp_path: Path) -> None:
    link = Uplink("http://127.0.0.1:9", identity.Identity(str(uuid4()), identity.make_key()))
    with pytest.raises(Unavailable, match=r"the hub does not answer at http://127.0.0.1:9"):
        link.send(spooled(tmp_path))
    link.close()


def test_the_wait_grows_and_is_bounded_and_the_hubs_wish_counts() -> None:
    waits = [max(backoff(n) for _ in range(200)) for n in (1, 4, 50)]
    assert waits[0] <= 1.0 < waits[1] <= 8.0 < waits[2] <= 60.0
    assert backoff(1, 7.0) == 7.0


def test_the_key_is_this_users_alone(tmp_path: Path) -> None:
    identity.save(tmp_path, "agent-1", identity.make_key())
    assert (tmp_path / "agent.key").stat().st_mode & 0o077 == 0
    assert identity.read(tmp_path).agent_id == "agent-1"
    assert set(identity.public_jwk(identity.make_key())) == {"kty", "crv", "x"}
