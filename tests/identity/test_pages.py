"""The pages of this package, in both languages, with and without rights."""

from __future__ import annotations

import pytest

from hub.columns import new_id
from hub.models import Mail
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD

HTML = {"accept": "text/html"}
PAGES = ["/account", "/people", "/agents", "/outbox", "/organisations/switch"]
ADMIN = ["/invitations", "/partners", "/organisation", "/account/identity"]


@pytest.fixture
def boss(client, world, sign_in):
    person = world.person("boss@alpha.example", "admin", at=world.a)
    csrf = sign_in("boss@alpha.example")
    del client.headers["x-csrf-token"]
    return person, csrf


@pytest.mark.parametrize("path", PAGES + ADMIN)
def test_a_browser_that_is_not_signed_in_is_sent_to_the_door(client, path) -> None:
    answer = client.get(path, params={"of": str(GROUP)}, headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/signin?next={path.replace('/', '%2F')}%3Fof%3D{GROUP}"


@pytest.mark.parametrize(("lang", "title"), [("zh", "<title>登录 ·"), ("en", "<title>Sign in ·")])
@pytest.mark.parametrize("path", ["/signin", "/forgot", "/set-password", "/invitation", "/email", "/email/undo"])
def test_the_door_speaks_both_languages(client, path, lang, title) -> None:
    answer = client.get(path, params={"lang": lang}, headers=HTML)
    assert f'lang="{lang}"' in answer.text and (title in answer.text) == (path == "/signin")


@pytest.mark.parametrize(("next", "location"), [("/inventory?q=1", "/inventory?q=1"), ("//evil.example", "/"),
                                                ("https://evil.example", "/"), ("/\\evil.example", "/")])  # fmt: skip
def test_signing_in_leads_to_our_own_pages_alone(client, world, next, location) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    form = {"email": "ann@alpha.example", "password": PASSWORD, "next": next}
    answer = client.post("/signin", data=form, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, location)


def test_a_wrong_password_is_said_on_the_page(client, world) -> None:
    form = {"email": "ann@alpha.example", "password": "wrong"}
    answer = client.post("/signin?lang=en", data=form, headers=HTML)
    assert answer.status_code == 401 and "E-mail or password is wrong" in answer.text


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES + ADMIN)
def test_every_page_is_drawn(client, world, boss, path, locale) -> None:
    client.post("/account/settings", data={"locale": locale, "csrf_token": boss[1]})
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200 and f'<html lang="{locale}"' in answer.text


def test_a_planner_is_shown_no_administration(client, world, sign_in) -> None:
    world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    assert [client.get(p, headers=HTML).status_code for p in PAGES] == [200, 403, 200, 403, 200]
    assert [client.get(p, headers=HTML).status_code for p in ADMIN] == [403, 403, 403, 200]


def test_people_are_changed_on_the_page(client, world, boss) -> None:
    form = {"csrf_token": boss[1], "organisation_id": str(world.a)}
    url = f"/people/{world.person('ann@alpha.example', 'planner', at=world.a)}"
    for action in ("roles", "suspend", "resume", "disable", "enable", "reset", "remove"):
        answer = client.post(url, data=form | {"action": action, "roles": ["buyer"]})
        assert answer.status_code == 303, (action, answer.text)
    assert client.get(f"/v1{url}").status_code == 404


def test_an_agents_code_is_shown_once(client, world, boss) -> None:
    form = {"csrf_token": boss[1], "name": "plant", "grants": "u8: alpha"}
    made = client.post("/agents", data=form, headers=HTML)
    assert made.status_code == 200 and "hub-agent enrol" in made.text
    assert "hub-agent enrol" not in client.get("/agents", headers=HTML).text
    refused = client.post("/agents", data=form | {"name": "b", "grants": "u8: beta"}, headers=HTML)
    assert refused.status_code == 422 and len(client.get("/v1/agents").json()["items"]) == 1


def test_the_outbox_shows_the_acting_organisations_mail_alone(client, world, sign_in) -> None:
    world.person("head@group.example", "admin", at=GROUP)
    for organisation_id, subject, how_many in ((GROUP, "ours", 1), (world.b, "theirs", 200)):
        from hub.database import Tenancy, set_tenancy

        set_tenancy(world.session, Tenancy((GROUP, world.b), organisation_id))
        mail = {"recipient": "x@x", "subject": subject, "body": "text"}
        world.session.add_all(Mail(id=new_id(), organisation_id=organisation_id, **mail) for _ in range(how_many))
        world.session.flush()
    sign_in("head@group.example")
    shown = client.get("/outbox", headers=HTML).text
    assert "ours" in shown and "theirs" not in shown
