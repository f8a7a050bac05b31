"""The agent's real uplink against the hub's real endpoints."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

import hub.app
from connectors import uplink as wire
from connectors.spool import Spooled
from connectors.uplink import Refused, Uplink
from hub.columns import new_id
from identity.principal import authenticate
from masterdata.intake import landing
from tests.masterdata.plant import T0, Plant, move, parquet, stock


class ToApp(httpx.BaseTransport):
    """The application without a network, for a client of another make than the test client's own."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = [(name, value) for name, value in request.headers.items() if name != "host"]
        answer = self.client.request(
            request.method, str(request.url), content=request.read(), headers=headers, follow_redirects=False
        )
        return httpx.Response(answer.status_code, headers=list(answer.headers.items()), content=answer.content)


@pytest.fixture
def uplink(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(hub.app, "ROUTERS", ("masterdata.landscape.router", "masterdata.intake.router"))
    app = hub.app.create_app()
    app.state.new_session = lambda: Session(plant.engine)
    app.dependency_overrides[authenticate] = lambda: plant.agent
    return Uplink("https://testserver", None, transport=ToApp(TestClient(app, base_url="https://testserver")))


def spooled(plant: Plant, folder: Path, stream: str, rows: list[dict[str, Any]], **more: Any) -> Spooled:
    body = parquet(stream, rows)
    path = folder / f"{new_id()}.parquet"
    path.write_bytes(body)
    return Spooled(1, plant.header(stream, body, len(rows), **more), path)


@pytest.mark.parametrize("rows", [1, 20_000])
def test_a_batch_travels_in_chunks_and_lands_once(
    plant: Plant, uplink: Uplink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(wire, "CHUNK", 30_000)
    given = [stock(f"M{n * 7919 % 20_011:06}", n * 31 % 977 + 1) for n in range(rows)]
    batch = spooled(plant, tmp_path, "stock_positions", given)
    for _ in range(2):
        uplink.send(batch)
    assert plant.apply(batch.header.batch_id) == "applied"
    assert plant.batch(batch.header.batch_id)["applied"] == rows
    assert uplink.known_batches("u8") == {str(batch.header.batch_id)}


def test_the_same_content_under_another_id_changes_nothing(plant: Plant, uplink: Uplink, tmp_path: Path) -> None:
    given = [stock(f"M{n:06}", n * 7919 % 977 + 1) for n in range(9_000)]
    for minutes, account in ((0, (9_000, 0)), (5, (0, 9_000))):
        batch = spooled(plant, tmp_path, "stock_positions", given, observed_at=T0 + timedelta(minutes=minutes))
        uplink.send(batch)
        plant.apply(batch.header.batch_id)
        told = plant.batch(batch.header.batch_id)
        assert (told["applied"], told["unchanged"]) == account
    assert plant.one("select count(*) as n from landing")["n"] == 1


def test_events_are_answered_once_durable(plant: Plant, uplink: Uplink, tmp_path: Path) -> None:
    rows = [move("A", "2.5", "1", T0, booked_at=T0), move("A", 1, "2", T0)]
    batch = spooled(plant, tmp_path, "stock_movements", rows, sync="event", counts="movements")
    for _ in range(2):
        uplink.send(batch)
    assert plant.quantities() == {"A": Decimal("3.5")}
    assert plant.batch(batch.header.batch_id)["state"] == "applied"


def test_a_spoilt_body_is_refused_in_words_after_a_few_tries(plant: Plant, uplink: Uplink, tmp_path: Path) -> None:
    batch = spooled(plant, tmp_path, "stock_positions", [stock("A", 1)])
    body = batch.path.read_bytes()
    batch.path.write_bytes(body[:-20] + b"x" * 20)
    with pytest.raises(Refused, match="does not have the announced SHA-256"):
        uplink.send(batch)
    assert sha256(body).hexdigest() == plant.batch(batch.header.batch_id)["sha256"]
    assert not landing.upload_path(batch.header.batch_id).exists()
