"""The log over HTTP and as a page: who may read which, by page, narrowed, as a file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.audit import service
from identity.audit.chain import event_digest
from identity.audit.export import as_cef
from identity.audit.instants import first_id, instant_of
from identity.audit.models import AuditEvent
from tests.conftest import GROUP

PATHS = ["/v1/audit", "/v1/audit/head", "/v1/audit/export"]


@pytest.fixture
def auditor(world, as_principal):
    """Reads alpha's log of five events."""
    person = world.person("audit@alpha.example", "auditor", at=world.a)
    for number in range(5):
        service.record(world.session, f"thing_{number}", organisations=[world.a], number=number)
    caller = world.principal(person, "auditor", at=world.a)
    as_principal(caller)
    return caller


@pytest.mark.parametrize("path", [*PATHS, "/audit"])
def test_anonymous_is_told_401(client, path) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", [*PATHS, "/audit"])
def test_without_the_scope_403(client, auditor, as_principal, path) -> None:
    as_principal(replace(auditor, scopes=frozenset({"settings:self"})))
    answer = client.get(path)
    assert answer.status_code == 403 and "audit:read" in answer.text


@pytest.mark.parametrize("path", [*PATHS, "/audit"])
def test_the_log_of_another_is_not_there(client, world, auditor, path) -> None:
    service.record(world.session, "thing_of_beta", organisations=[world.b])
    name = "of" if path == "/audit" else "organisation_id"
    assert client.get(path, params={name: str(world.b)}).status_code == 404
    assert "thing_of_beta" not in client.get(path).text


def test_newest_first_by_pages(client, auditor) -> None:
    seen, after = [], None
    while True:
        page = client.get("/v1/audit", params={"limit": 2} | ({"after": after} if after else {})).json()
        seen += [e["action"] for e in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == [f"thing_{n}" for n in (4, 3, 2, 1, 0)]


def test_narrowed_by_action_actor_and_time(client, world, auditor) -> None:
    events = client.get("/v1/audit").json()["items"]
    second = events[3]["at"]

    def actions(**asked):
        return [e["action"] for e in client.get("/v1/audit", params=asked).json()["items"]]

    assert actions(action="thing_2") == ["thing_2"]
    assert actions(**{"from": second}) == ["thing_4", "thing_3", "thing_2", "thing_1"]
    assert actions(to=second) == ["thing_0"]
    assert actions(actor=str(new_id())) == []


def test_head_office_reads_the_log_of_each(client, world, auditor, as_principal) -> None:
    head = world.person("head@group.example", "admin", at=GROUP)
    as_principal(world.principal(head, "admin", at=GROUP))
    assert client.get("/v1/audit").json()["items"] == []
    assert len(client.get("/v1/audit", params={"organisation_id": str(world.a)}).json()["items"]) == 5


def test_an_export_can_be_digested_again_and_is_recorded(client, world, auditor) -> None:
    answer = client.get("/v1/audit/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-alpha.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    set_tenancy(world.session, Tenancy((world.a,)))
    stored = {str(e.event_id): e for e in service.stream(world.session, service.Wanted(world.a))}
    assert [line["action"] for line in lines[:5]] == [f"thing_{n}" for n in range(5)]
    for line in lines:
        members = {name: value for name, value in line.items() if name not in ("seal", "position")}
        canonical = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert sha256(canonical.encode()).digest() == event_digest(stored[line["event_id"]])
    assert client.get("/v1/audit").json()["items"][0]["action"] == "audit_exported"


def test_cef_escapes_what_would_end_a_field() -> None:
    event_id = new_id()
    event = AuditEvent(
        organisation_id=GROUP, event_id=event_id, at=instant_of(event_id), action="sign_in_refused",
        actor_kind="anonymous", actor=None, acting_for="", object_kind="x",
        object_id="a|b=c\\d\ne", detail={"k": "v=1"}, request_id="",
        trace_id="", network="", seal=7, position=1,
    )  # fmt: skip
    line = as_cef(event)
    assert line.startswith("CEF:0|Group Hub|hub|1|sign_in_refused|sign in refused|7|rt=")
    assert "cs2Label=object cs2=x:a|b\\=c\\\\d\\ne " in line and 'cs6={"k":"v\\=1"} cn1Label=seal cn1=7\n' in line
    assert "cs3" not in line and line.count("\n") == 1


def test_ids_and_instants_agree_to_the_microsecond() -> None:
    for _ in range(200):
        event_id = new_id()
        at = instant_of(event_id)
        assert first_id(at) <= event_id < first_id(at + timedelta(microseconds=1))


@pytest.mark.parametrize("query", ["action=x%00", "since=yesterday", "actor=x", "after=x", "until=9999-12-31"])
def test_what_no_form_sends_is_refused_in_words(client, auditor, query) -> None:
    assert client.get(f"/audit?{query}").status_code == 422


def test_the_page_says_who_what_when_and_links_the_file(client, world, auditor, as_principal) -> None:
    as_principal(replace(auditor, locale="en"))
    service.record(
        world.session, "membership_made", organisations=[world.a], object_kind="person", object_id=auditor.id
    )
    page = client.get("/audit", headers={"accept": "text/html"}).text
    assert "membership made" in page and "thing_0" in page and ">audit<" in page and ">open<" in page
    assert f"/v1/audit/export?organisation_id={world.a}" in page
    assert "membership made" in client.get("/audit?action=membership_made").text
