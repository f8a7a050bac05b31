"""Old seals are let go and the chain goes on; the commands verify, show heads and export; the jobs have their times."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from hub import vault, worker
from hub.cli import app, audit
from hub.settings import settings
from identity.audit import sealing
from identity.audit.chain import MARKED, seal_digest
from identity.audit.verify import Finding
from tests.conftest import GROUP


def grow_old(log, through: int, days: int) -> None:
    """Seals up to `through` were made days ago, with the same key."""
    rows = log.superuser.execute("select number, sealed_at, digests from audit_seal order by number").fetchall()
    previous = b""
    for number, at, digests in rows:
        then = at - timedelta(days=days) if number <= through else at
        digest = seal_digest(GROUP, number, then, previous, digests)
        change = "update audit_seal set sealed_at = %s, previous = %s, digest = %s, mark = %s where number = %s"
        log.tamper(change, [then, previous, digest, vault.mark(MARKED + digest), number])
        previous = digest
    assert log.findings() == []


def test_retention_lets_go_whole_seals_and_the_chain_goes_on(three) -> None:
    grow_old(three, 2, 2_000)
    sealing.forget(three.engine)
    three.seal()
    found = three.verified()
    assert (found.findings, found.begins_after, found.seals, found.rows) == ([], 2, 2, 4)
    (told,) = three.superuser.execute("select detail from audit_event where action = 'audit_forgotten'").fetchone()
    assert (told["seal"], told["events"]) == (2, 6)
    sealing.forget(three.engine)
    assert three.verified().rows == 4


def test_nothing_younger_than_half_a_year_goes_whatever_is_asked(three) -> None:
    grow_old(three, 2, 179)
    assert three.superuser.execute("select * from audit_forget(%s, 0)", [GROUP]).fetchall() == []
    assert three.verified().rows == 9


def test_a_beginning_cut_off_by_hand_is_found(three) -> None:
    three.tamper("insert into audit_anchor select organisation_id, number, digest, sealed_at, now() "
                 "from audit_seal where number = 2")  # fmt: skip
    three.tamper("delete from audit_event where seal <= 2")
    three.tamper("delete from audit_seal where number <= 2")
    assert three.verified().findings == [Finding("anchor_unrecorded", 2)]


@pytest.fixture
def hub(three, committed_db, monkeypatch):
    """The command on the log's own database."""
    from pydantic import SecretStr

    monkeypatch.setattr(settings(), "database_url", SecretStr(committed_db.url))
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


def test_the_command_verifies_and_ends_with_1_when_something_is_wrong(three, hub) -> None:
    good = hub("verify", "--organisation", "group")
    assert (good.exit_code, good.output) == (0, "✓ group: 9 events in 3 seals, 0 not sealed yet\n")
    event = three.event(2, 2)
    three.tamper("update audit_event set detail = '{}' where seal = 2 and position = 2")
    bad = hub("verify")
    assert bad.exit_code == 1 and f"altered: event {event}, seal 2, position 2" in bad.output
    assert hub("verify", "--organisation", "nobody").exit_code == 1


def test_heads_kept_elsewhere_find_a_tail_cut_off(three, hub, tmp_path) -> None:
    heads = tmp_path / "heads"
    heads.write_text(hub("head").output)
    assert hub("verify", "--heads", str(heads)).exit_code == 0
    three.tamper("delete from audit_seal where number = 3")
    three.tamper("delete from audit_event where seal = 3")
    assert hub("verify").exit_code == 0
    bad = hub("verify", "--heads", str(heads))
    assert bad.exit_code == 1 and "head_lost: seal 3" in bad.output
    heads.write_text("group three")
    assert "holds no heads" in hub("verify", "--heads", str(heads)).output


@pytest.mark.parametrize(("form", "begins"), [("jsonl", '{"acting_for"'), ("cef", "CEF:0|")])
def test_the_command_exports_and_says_so_in_the_log(three, hub, form, begins) -> None:
    lines = hub("export", "--organisation", "group", "--format", form).output.splitlines()
    assert len(lines) == 10 and all(line.startswith(begins) for line in lines)
    assert "audit_exported" in lines[-1]
    assert hub("export", "--from", "2100-01-01").output == ""
    if form == "jsonl":
        assert [json.loads(line)["seal"] for line in lines] == [1, 1, 1, 2, 2, 2, 3, 3, 3, None]


def test_both_jobs_run_by_the_clock() -> None:
    assert {("* * * * *", sealing.SEAL), ("17 3 * * *", sealing.FORGET)} <= set(worker.PERIODIC)
    assert worker.TASKS[sealing.SEAL].run is sealing.seal and worker.TASKS[sealing.FORGET].run is sealing.forget
    assert audit.app.registered_commands
