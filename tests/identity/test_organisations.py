"""One person in many organisations, and organisations that are closed, handed over and opened again."""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import OKPKey
from sqlalchemy import text

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.models import Organisation
from identity.agents import service as agents
from identity.agents.schemas import AgentIn, Enrolment
from identity.models import Membership
from identity.organisations import handover
from identity.organisations.models import OrganisationExport
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from masterdata.handover import CONTENTS
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD

KINDS = {"subsidiary": "planner", "supplier": "sales", "carrier": "dispatcher"}
HTML = {"accept": "text/html"}


@pytest.fixture
def many(client, world, sign_in, make_org):
    """A person of twenty organisations of three kinds, at home in none of them."""
    made = [(make_org(f"org-{n}", kind=kind), kind) for n in range(20) for kind in [list(KINDS)[n % 3]]]
    person = world.person("ann@alpha.example", "planner", at=world.a)
    world.session.execute(text("delete from membership where person_id = :id"), {"id": person})
    for organisation, kind in made:
        set_tenancy(world.session, Tenancy((organisation.id,), organisation.id))
        world.session.add(Membership(organisation_id=organisation.id, person_id=person, scopes=["settings:self"]))
        world.session.flush()
        assert kind in KINDS
    sign_in("ann@alpha.example")
    return [organisation for organisation, _ in made]


def test_of_several_organisations_none_is_picked_silently(client, many) -> None:
    me = client.get("/v1/me").json()
    assert (me["organisation_id"], me["readable"], me["scopes"]) == (None, [], ["settings:self"])
    sent = client.get("/inventory", headers=HTML)
    assert (sent.status_code, sent.headers["location"]) == (303, "/organisations/switch?next=%2Finventory")
    refused = client.get("/v1/agents")
    assert refused.status_code == 403 and "Choose" in refused.json()["detail"]


def test_each_of_twenty_is_one_switch_away(client, many) -> None:
    mine = client.get("/v1/session/organisations").json()
    assert {o["id"] for o in mine} == {str(o.id) for o in many} and {o["kind"] for o in mine} == set(KINDS)
    took = []
    for one in mine:
        began = time.perf_counter()
        assert client.put("/v1/session/organisation", json={"organisation_id": one["id"]}).status_code == 204
        me = client.get("/v1/me").json()
        took.append(time.perf_counter() - began)
        assert (me["organisation_id"], me["readable"]) == (one["id"], [one["id"]])
    assert sorted(took)[10] < 0.3


def test_the_last_choice_is_offered_first(client, many, sign_in) -> None:
    client.put("/v1/session/organisation", json={"organisation_id": str(many[7].id)})
    sign_in("ann@alpha.example")
    assert client.get("/v1/me").json()["organisation_id"] is None
    assert [o["key"] for o in client.get("/v1/session/organisations").json() if o["is_last"]] == ["org-7"]


@pytest.fixture
def head(client, world, sign_in):
    world.person("head@group.example", "admin", at=GROUP)
    sign_in("head@group.example")


def close(client, organisation_id, at=None):
    return client.post(f"/v1/organisations/{organisation_id}/closing", json={"at": at and at.isoformat()})


def test_who_belongs_to_a_closed_organisation_is_out_and_comes_back_with_it(client, world, sign_in, head) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    given = {"email": "ann@alpha.example", "password": PASSWORD}
    assert client.post("/v1/session", json=given).status_code == 201
    ann = client.cookies["hub_session"]
    sign_in("head@group.example")
    assert close(client, world.a).json()["closed_at"] is not None
    assert client.get(f"/v1/organisations/{world.a}").status_code == 200
    assert client.post("/v1/session", json=given).status_code == 403
    assert client.delete(f"/v1/organisations/{world.a}/closing").json()["closed_at"] is None
    client.cookies.clear()
    client.cookies.set("hub_session", ann)
    assert client.get("/v1/me").status_code == 401
    assert client.post("/v1/session", json=given).status_code == 201


def test_a_day_to_come_ends_nothing_yet(client, world, sign_in, head) -> None:
    assert close(client, world.a, datetime.now(UTC) + timedelta(days=30)).status_code == 200
    world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    assert client.get("/v1/me").status_code == 200
    set_tenancy(world.session, Tenancy((GROUP, world.a), GROUP))
    world.session.execute(text("update organisation set closed_at = now() where key = 'alpha'"))
    assert client.get("/v1/me").status_code == 401


def test_what_lies_below_a_closed_organisation_is_closed(client, world, sign_in, head, make_org) -> None:
    below = make_org("below", parent_id=world.a).id
    world.person("ann@below.example", "planner", at=below)
    world.session.flush()
    assert close(client, world.a).status_code == 200
    answer = client.post("/v1/session", json={"email": "ann@below.example", "password": PASSWORD})
    assert answer.status_code == 403


def test_only_the_organisation_above_closes(client, world, sign_in) -> None:
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    answers = [close(client, organisation).status_code for organisation in (world.a, world.b)]
    assert answers == [403, 404]


def test_the_group_itself_stays_open(client, world, head) -> None:
    assert close(client, GROUP).status_code == 409


def test_agents_of_a_closed_organisation_are_refused(world) -> None:
    caller = world.principal(new_id(), "admin", at=world.a)
    set_tenancy(world.session, caller.tenancy)
    grants = [{"system": "u8", "organisation_ids": [world.a]}]
    code = agents.create_agent(world.session, caller, AgentIn(name="plant", grants=grants))
    asked = text("select is_disabled, granted from identity_agent(:id)")
    assert world.session.execute(asked, {"id": code.agent_id}).one() == (False, [world.a])
    set_tenancy(world.session, Tenancy(world.everything, GROUP))
    world.session.execute(text("update organisation set closed_at = now() where key = 'alpha'"))
    assert world.session.execute(asked, {"id": code.agent_id}).one() == (True, [])
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    with pytest.raises(Exception, match="unknown, used or expired"):
        agents.enrol(world.session, Enrolment(code=code.code, public_key=key))


def test_all_of_an_organisation_is_handed_over_without_secrets(committed_db, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(handover, "folder", lambda: tmp_path / "exports")
    engine, plant, export = committed_db.engine, new_id(), new_id()
    with unit_of_work(engine, Tenancy((GROUP, plant), GROUP)) as session:
        names = {"name_zh": "甲", "name_en": "Alpha"}
        session.add(Organisation(id=plant, key="alpha", kind="subsidiary", parent_id=GROUP, **names))
    with unit_of_work(engine, Tenancy((plant,), plant)) as session:
        add_person(session, plant, PersonIn(email="ann@alpha.example", name="安", roles=["planner"]))
        session.add(OrganisationExport(id=export, organisation_id=plant, asked_by=new_id()))
    handover.export(engine, handover.CONTENTS | CONTENTS, str(plant), str(export))
    with zipfile.ZipFile(tmp_path / "exports" / f"{export}.zip") as archive:
        (person,) = csv.DictReader(io.TextIOWrapper(archive.open("people.csv"), "utf-8"))
        heads = " ".join(archive.read(name).decode().split("\n")[0] for name in archive.namelist())
    assert person["email"] == "ann@alpha.example" and not re.search("(token|password|proof|enrol)_hash|csrf", heads)
    with unit_of_work(engine, Tenancy((plant,), plant)) as session:
        made = session.get_one(OrganisationExport, export)
        assert made.state == "ready" and made.rows["people"] == 1 and made.rows["position"] == 0 and made.bytes
        session.execute(text("update organisation_export set asked_at = now() - interval '31 days'"))
    handover.forget(engine)
    with unit_of_work(engine, Tenancy((plant,), plant)) as session:
        assert handover.list_exports(session, plant) == []


def test_a_finished_file_is_downloaded_by_its_administrator(client, world, sign_in, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(handover, "folder", lambda: tmp_path)
    world.person("boss@alpha.example", "admin", at=world.a)
    sign_in("boss@alpha.example")
    url = f"/v1/organisations/{world.a}/exports"
    made = client.post(url)
    assert made.status_code == 202 and client.get(f"{url}/{made.json()['id']}/file").status_code == 409
    handover_id = made.json()["id"]
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    world.session.execute(text("update organisation_export set state = 'ready'"))
    (tmp_path / f"{handover_id}.zip").write_bytes(b"PK")
    answer = client.get(f"{url}/{handover_id}/file")
    assert answer.content == b"PK" and "alpha-" in answer.headers["content-disposition"]
