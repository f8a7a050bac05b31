"""First durable step: announced, resumed, verified, landed; or refused in words, with nothing half kept."""

from __future__ import annotations

import errno
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub.errors import Conflict, HubError, NotFound, Unprocessable
from masterdata.intake import landing, upload
from masterdata.intake.upload import Chunk, DigestMismatch, WrongOffset
from tests.masterdata.plant import Plant, parquet, stock

SMALL = parquet("stock_positions", [stock("A", 1)])
LARGE = parquet("stock_positions", [stock(f"M{n * 7919 % 20_011:06}", n * 31 % 977) for n in range(20_000)])


def announce(plant: Plant, body: bytes, rows: int, stream: str = "stock_positions", **more: Any) -> Any:
    header = plant.header(stream, body, rows, **more)
    with plant.session() as session:
        upload.announce(session, plant.agent, header)
    return header.batch_id


def send(plant: Plant, batch_id: Any, body: bytes, offset: int = 0, last: bool = True) -> upload.UploadState:
    with plant.session() as session:
        return upload.append(session, plant.agent, batch_id, Chunk(io.BytesIO(body), len(body), offset, last))


def reached(plant: Plant, batch_id: Any) -> tuple[str, int]:
    with plant.session() as session:
        state = upload.offset(session, plant.agent, batch_id)
    return state.state, state.upload_offset


@pytest.mark.parametrize(("body", "rows"), [(SMALL, 1), (LARGE, 20_000)])
def test_landed_body_is_the_one_sent(plant: Plant, home: Path, body: bytes, rows: int) -> None:
    batch_id = announce(plant, body, rows)
    assert send(plant, batch_id, body).state == "landed"
    row = plant.one("select * from landing")
    kept = bytes(row["body"]) if row["body"] is not None else (home / row["path"]).read_bytes()
    assert (kept, row["size"]) == (body, len(body))
    assert (row["path"] is None) == (len(body) < landing.SMALL)
    assert not list((home / "uploads").glob("*"))
    jobs = plant.one("select count(*) as n from procrastinate_jobs")
    assert jobs["n"] == 1


def test_upload_resumes_where_it_stopped(plant: Plant) -> None:
    batch_id = announce(plant, LARGE, 20_000)
    half = len(LARGE) // 2
    assert send(plant, batch_id, LARGE[:half], last=False) == upload.UploadState("announced", half)
    assert reached(plant, batch_id) == ("announced", half)
    with pytest.raises(WrongOffset) as wrong:
        send(plant, batch_id, LARGE[half + 5 :], half + 5)
    assert wrong.value.headers == {"Upload-Offset": str(half)}
    assert send(plant, batch_id, LARGE[half:], half).state == "landed"
    assert send(plant, batch_id, LARGE[half:], half).state == "landed"
    assert reached(plant, batch_id) == ("landed", len(LARGE))
    assert plant.one("select count(*) as n from procrastinate_jobs")["n"] == 1


@pytest.mark.parametrize("body", [SMALL, LARGE])
def test_a_wrong_digest_starts_again_from_nothing(plant: Plant, body: bytes) -> None:
    rows = 1 if body is SMALL else 20_000
    batch_id = announce(plant, body, rows)
    spoilt = body[:100] + bytes([body[100] ^ 1]) + body[101:]
    with pytest.raises(DigestMismatch):
        send(plant, batch_id, spoilt)
    assert reached(plant, batch_id) == ("announced", 0)
    assert send(plant, batch_id, body).state == "landed"


def test_announcing_again_is_the_same_batch_and_another_header_is_not(plant: Plant) -> None:
    header = plant.header("stock_positions", SMALL, 1)
    for _ in range(2):
        with plant.session() as session:
            assert upload.announce(session, plant.agent, header) == upload.UploadState("announced", 0)
    with plant.session() as session, pytest.raises(Conflict):
        upload.announce(session, plant.agent, header.model_copy(update={"rows": 2}))


REFUSED: dict[str, tuple[bytes, dict[str, Any], type[HubError], str]] = {
    "no Parquet": (b"PK\x03\x04 not at all", {}, Unprocessable, "no readable Parquet"),
    "other number of rows": (SMALL, {"rows": 2}, Unprocessable, "announces 2 rows, the body holds 1"),
    "other stream": (parquet("partners", []), {"rows": 0}, Unprocessable, "does not follow the contract"),
    "longer than announced": (SMALL, {"size": 5}, Unprocessable, "announces 5 bytes"),
    "shorter than announced": (SMALL, {"size": 50_000}, Unprocessable, "announces 50000 bytes"),
    "system outside the grant": (SMALL, {"system": "k3"}, NotFound, "may not deliver"),
    "organisation outside the grant": (SMALL, {"organisation": "group"}, NotFound, "may not deliver"),
    "unknown stream": (SMALL, {"stream": "gossip"}, Unprocessable, "no stream gossip"),
    "from the future": (SMALL, {"observed_at": datetime.now(UTC) + timedelta(hours=8)}, Unprocessable, "in the future"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_words_and_nothing_lands(plant: Plant, case: str) -> None:
    body, header, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        send(plant, announce(plant, body, **({"rows": 1} | header)), body)
    assert plant.all("select * from landing") == []
    assert plant.one("select count(*) as n from procrastinate_jobs")["n"] == 0


def test_a_full_disk_keeps_nothing_half(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = announce(plant, LARGE, 20_000)
    half = len(LARGE) // 2
    send(plant, batch_id, LARGE[:half], last=False)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("masterdata.intake.landing.os.fsync", full)
    with pytest.raises(landing.DiskFull, match="no space left"):
        send(plant, batch_id, LARGE[half:], half)
    assert reached(plant, batch_id) == ("announced", half)
    monkeypatch.undo()


def test_a_file_moved_before_a_crash_is_found_again(plant: Plant, home: Path) -> None:
    batch_id = announce(plant, LARGE, 20_000)
    header = plant.batch(batch_id)
    target = landing.landed_path(plant.id, header["sha256"])
    target.parent.mkdir(parents=True)
    target.write_bytes(LARGE)
    assert reached(plant, batch_id) == ("announced", len(LARGE))
    assert send(plant, batch_id, b"", len(LARGE)).state == "landed"


def test_known_batches_for_replay_after_a_restore(plant: Plant) -> None:
    sent = sorted(plant.land("stock_positions", [stock("A", n)]) for n in range(3))
    announce(plant, SMALL, 1)
    with plant.session() as session:
        assert upload.known(session, plant.agent, "u8", None) == sent
        assert upload.known(session, plant.agent, "u8", sent[0]) == sent[1:]
        assert upload.known(session, plant.agent, "k3", None) == []
        assert session.scalar(text("select count(*) from batch")) == 4
