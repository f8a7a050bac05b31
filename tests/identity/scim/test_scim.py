"""SCIM of one organisation: its people come, change, lose access and go; nothing of another is told or touched."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from identity.scim import tokens
from identity.scim.schemas import TokenIn
from tests.conftest import GROUP
from tests.identity.conftest import PASSWORD

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ANN = {"schemas": [f"{SCHEMA}User"], "userName": "Ann@alpha.example", "displayName": "Ann", "externalId": "e-1"}


class Scim:
    """A client of one organisation's server."""

    def __init__(self, client, made) -> None:
        self.client, self.made = client, made

    def __call__(self, method: str, path: str, body=None, **headers: str):
        url = f"/scim/v2/{self.made.organisation_id}{path}"
        return self.client.request(
            method, url, json=body, headers={"authorization": f"Bearer {self.made.token}"} | headers
        )

    def patch(self, path: str, *operations: dict):
        return self("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def scim_of(client, world):
    def make(at, *roles: str) -> Scim:
        boss = world.person(f"boss-{new_id().hex[:8]}@{at}.example", *(roles or ("admin",)), at=at)
        set_tenancy(world.session, Tenancy((GROUP, world.a, world.b), at))
        me = world.principal(boss, *(roles or ("admin",)), at=at)
        made = tokens.create_token(world.session, me, TokenIn(name="sync"))
        client.cookies.clear()
        return Scim(client, made)

    return make


@pytest.fixture
def scim(scim_of, world) -> Scim:
    return scim_of(world.a)


@pytest.fixture
def ann(scim) -> str:
    answer = scim("POST", "/Users", ANN)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def group(scim: Scim, name: str) -> dict:
    (found,) = scim("GET", f'/Groups?filter=displayName eq "{name}"').json()["Resources"]
    return dict(found)


def scopes(world, person: str) -> list[str]:
    world.session.expire_all()
    query = text("select scopes from membership where person_id = :p and organisation_id = :o")
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    return list(world.session.scalar(query, {"p": person, "o": world.a}) or [])


def test_a_user_comes_and_is_found(scim, ann) -> None:
    answer = scim("GET", f"/Users/{ann}")
    shown = answer.json()
    assert answer.headers["content-type"] == "application/scim+json" and answer.headers["etag"].startswith('W/"')
    assert (shown["userName"], shown["externalId"], shown["displayName"]) == ("Ann@alpha.example", "e-1", "Ann")
    assert shown["meta"]["location"].endswith(f"/scim/v2/{scim.made.organisation_id}/Users/{ann}")
    for query in ('userName eq "ANN@alpha.example"', 'externalId eq "e-1"', f'id eq "{ann}"', 'displayName sw "an"'):
        found = scim("GET", f"/Users?filter={query}").json()
        assert [u["id"] for u in found.get("Resources", [])] == [ann], query
    assert scim("GET", '/Users?filter=userName eq "bob"').json()["totalResults"] == 0


def test_people_who_were_here_before_are_users_too(scim, world) -> None:
    old = world.person("old@alpha.example", "planner", at=world.a)
    world.member(world.person("guest@beta.example", "planner", at=world.b), "planner", at=world.a)
    names = {u["userName"]: u["id"] for u in scim("GET", "/Users").json()["Resources"]}
    assert names["old@alpha.example"] == str(old) and "guest@beta.example" not in names
    answer = scim("POST", "/Users", ANN | {"userName": "old@alpha.example"})
    assert answer.status_code == 409 and answer.json()["scimType"] == "uniqueness"


def test_pages_hold_every_user_once(scim) -> None:
    for n in range(5):
        scim("POST", "/Users", ANN | {"userName": f"u{n}@alpha.example"})
    seen = []
    for start in (1, 3, 5):
        page = scim("GET", f"/Users?startIndex={start}&count=2").json()
        seen += [u["id"] for u in page["Resources"]]
        assert page["totalResults"] == 6
    assert len(set(seen)) == 6


def test_a_user_without_an_address_gets_one_that_no_mail_reaches(scim, session) -> None:
    key = scim("POST", "/Users", ANN | {"userName": "ann"}).json()["id"]
    assert session.scalar(text("select email from person where id = :id"), {"id": key}) == f"{key}@alpha.invalid"
    scim.patch(f"/Users/{key}", {"op": "add", "path": "emails", "value": [{"value": "Ann@alpha.example"}]})
    assert session.scalar(text("select email from person where id = :id"), {"id": key}) == "ann@alpha.example"


@pytest.mark.parametrize("way", ["patch", "entra", "put", "delete"])
def test_who_is_disabled_or_taken_out_loses_access_at_once(client, scim, world, sign_in, way) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    sign_in("ann@alpha.example")
    assert client.get("/v1/me").status_code == 200
    known = scim("GET", f"/Users/{person}").json()
    match way:
        case "patch":
            answer = scim.patch(f"/Users/{person}", {"op": "replace", "path": "active", "value": False})
        case "entra":
            answer = scim.patch(f"/Users/{person}", {"op": "Replace", "value": {"active": False}})
        case "put":
            answer = scim("PUT", f"/Users/{person}", known | {"active": False})
        case _:
            answer = scim("DELETE", f"/Users/{person}")
    assert answer.status_code < 300, answer.text
    assert client.get("/v1/me").status_code == 401
    form = {"email": "ann@alpha.example", "password": PASSWORD}
    assert client.post("/v1/session", json=form).status_code == (403 if way == "delete" else 401)


def test_who_was_disabled_or_taken_out_comes_back(client, scim, world, sign_in) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    for active in (False, True):
        scim.patch(f"/Users/{person}", {"op": "replace", "path": "active", "value": active})
    sign_in("ann@alpha.example")
    assert scim("DELETE", f"/Users/{person}").status_code == 204
    assert scim("GET", f"/Users/{person}").status_code == 404
    assert scim("DELETE", f"/Users/{person}").status_code == 404
    assert scim("POST", "/Users", ANN).json()["id"] == str(person)
    sign_in("ann@alpha.example")


def test_members_of_a_group_hold_its_roles(scim, world, ann) -> None:
    assert scopes(world, ann) == ["settings:self"]
    it, planner = group(scim, "it"), group(scim, "planner")
    for one in (it, planner):
        answer = scim.patch(f"/Groups/{one['id']}", {"op": "add", "path": "members", "value": [{"value": ann}]})
        assert answer.status_code == 204, answer.text
    assert "systems:write" in scopes(world, ann)
    assert {g["display"] for g in scim("GET", f"/Users/{ann}").json()["groups"]} == {"it", "planner"}
    scim.patch(f"/Groups/{it['id']}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    assert "systems:write" not in scopes(world, ann) and "inventory:read" in scopes(world, ann)
    scim.patch(f"/Groups/{planner['id']}", {"op": "remove", "path": "members", "value": [{"value": ann}]})
    assert scopes(world, ann) == ["settings:self"]


def test_a_group_of_their_own_holds_what_an_administrator_says(client, scim, world, ann, as_principal) -> None:
    made = scim("POST", "/Groups", {"schemas": [f"{SCHEMA}Group"], "displayName": "Lager", "members": [{"value": ann}]})
    assert made.status_code == 201 and scopes(world, ann) == ["settings:self"]
    boss = world.person("root@alpha.example", "admin", at=world.a)
    as_principal(world.principal(boss, "admin", at=world.a))
    url = f"/v1/scim/groups/{made.json()['id']}"
    assert client.patch(url, json={"roles": ["steward"]}).json()["roles"] == ["steward"]
    assert "batches:release" in scopes(world, ann)
    assert client.patch(url, json={"roles": ["planner"]}).status_code == 200
    assert "batches:release" not in scopes(world, ann) and "inventory:read" in scopes(world, ann)
    assert scim("DELETE", f"/Groups/{made.json()['id']}").status_code == 204
    assert scopes(world, ann) == ["settings:self"]


def test_a_token_grants_nothing_its_maker_did_not_hold(scim_of, world) -> None:
    scim = scim_of(world.a, "it")
    ann = scim("POST", "/Users", ANN).json()["id"]
    url = f"/Groups/{group(scim, 'admin')['id']}"
    answer = scim.patch(url, {"op": "add", "path": "members", "value": [{"value": ann}]})
    assert answer.status_code == 403 and scopes(world, ann) == ["settings:self"]
    assert "members" not in scim("GET", url).json()


def test_an_address_that_others_rely_on_is_not_changed(scim, world) -> None:
    person = world.person("ann@alpha.example", "planner", at=world.a)
    world.member(person, "admin", at=world.b)
    change = {"op": "replace", "path": "emails", "value": [{"value": "evil@alpha.example", "primary": True}]}
    assert scim.patch(f"/Users/{person}", change).status_code == 400
    assert scim("GET", f"/Users/{person}").json()["emails"][0]["value"] == "ann@alpha.example"


def test_nobody_elsewhere_is_seen_changed_or_taken(scim, world) -> None:
    other = world.person("bob@beta.example", "planner", at=world.b)
    guest = world.person("guest@beta.example", "planner", at=world.b)
    world.member(guest, "planner", at=world.a)
    for person in (other, guest):
        assert scim("GET", f"/Users/{person}").status_code == 404
        assert scim("DELETE", f"/Users/{person}").status_code == 404
        assert scim.patch(f"/Users/{person}", {"op": "replace", "path": "active", "value": False}).status_code == 404
        member = {"op": "add", "path": "members", "value": [{"value": str(person)}]}
        assert scim.patch(f"/Groups/{group(scim, 'planner')['id']}", member).status_code == 400
    answer = scim("POST", "/Users", ANN | {"userName": "bob@beta.example"})
    assert answer.status_code == 409 and str(other) not in answer.text


def test_a_token_opens_its_own_organisation_alone(client, scim_of, world) -> None:
    ours, theirs = scim_of(world.a), scim_of(world.b)
    for path in ("/Users", "/Groups", "/ServiceProviderConfig"):
        answer = client.get(f"/scim/v2/{world.b}{path}", headers={"authorization": f"Bearer {ours.made.token}"})
        assert answer.status_code == 401 and answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert theirs("GET", "/Users").json()["totalResults"] == 1
    key = group(theirs, "admin")["id"]
    assert ours("GET", f"/Groups/{key}").status_code == 404 and ours("DELETE", f"/Groups/{key}").status_code == 404


ENDED = ["revoked_at = now()", "expires_at = now()"]


@pytest.mark.parametrize("change", ENDED)
def test_a_token_that_ended_opens_nothing(scim, world, change) -> None:
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    world.session.execute(text(f"update scim_token set {change}"))
    assert scim("GET", "/Users").status_code == 401


def test_a_token_is_kept_as_a_digest_and_its_use_is_noted(scim, world) -> None:
    scim("GET", "/Users")
    set_tenancy(world.session, Tenancy((world.a,), world.a))
    row = world.session.execute(text("select token_hash, last_used_at from scim_token")).one()
    assert scim.made.token.encode() not in row.token_hash and row.last_used_at is not None


def test_two_who_change_the_same_do_not_overwrite_each_other(scim, ann) -> None:
    first = scim("GET", f"/Users/{ann}").headers["etag"]
    body = ANN | {"title": "Buyer"}
    assert scim("PUT", f"/Users/{ann}", body, **{"if-match": first}).status_code == 200
    assert scim("PUT", f"/Users/{ann}", body | {"title": "x"}, **{"if-match": first}).status_code == 412
    assert (
        scim("GET", f"/Users/{ann}", **{"if-none-match": scim("GET", f"/Users/{ann}").headers["etag"]}).status_code
        == 304
    )


BAD = [
    ("POST", "/Users", {"schemas": [f"{SCHEMA}User"]}, 400),
    ("POST", "/Users", ["no", "object"], 400),
    ("POST", "/Groups", {"schemas": [f"{SCHEMA}Group"], "displayName": "Admin"}, 409),
    ("POST", "/Groups", {"schemas": [f"{SCHEMA}Group"], "displayName": "a\u0000b"}, 400),
    ("POST", "/Users", ANN | {"userName": "a\u0000b", "displayName": "x"}, 400),
    ("POST", "/Users", ANN | {"externalId": "a\u0000b"}, 400),
    ("GET", "/Users?filter=userName zz", None, 400),
    ("GET", "/Users/nothing", None, 404),
    ("GET", "/Things", None, 404),
    ("DELETE", "/Users", None, 405),
    ("GET", "/Me", None, 501),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
def test_what_is_wrong_is_said_as_scim_says_it(scim, method, path, body, status) -> None:
    answer = scim(method, path, body)
    assert (answer.status_code, answer.json()["schemas"]) == (status, ["urn:ietf:params:scim:api:messages:2.0:Error"])


def test_a_bulk_request_goes_on_past_what_fails(scim) -> None:
    one = {"method": "POST", "path": "/Users", "bulkId": "1", "data": ANN}
    two = {"method": "POST", "path": "/Users", "bulkId": "2", "data": ANN}
    three = {"method": "POST", "path": "/Users", "bulkId": "3", "data": ANN | {"userName": "bob@alpha.example"}}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [one, two, three]}
    answer = scim("POST", "/Bulk", body).json()
    assert [o["status"] for o in answer["Operations"]] == ["201", "409", "201"]
