"""The whole way of a person through the hub stands in the logs of all concerned, and names nobody."""

from __future__ import annotations

import pyotp
import pytest
from sqlalchemy import text

from hub.database import Tenancy, set_tenancy
from identity.audit import sealing
from identity.audit.verify import verify
from identity.federation.models import FederatedIdentity
from identity.oauth import keys
from tests.conftest import GROUP
from tests.identity.audit.test_recorded import log_of, pseudonym, rows_of
from tests.identity.conftest import PASSWORD
from tests.identity.oauth.conftest import App, make_app  # noqa: F401 - a fixture
from tests.identity.strong.authenticator import Authenticator
from tests.identity.test_invitations import mailed

NEW = "a new long password"
BOSS, ANN = "boss@alpha.example", "newcomer@alpha.example"
PROVIDER = {"name": "Theirs", "issuer": "https://id.example", "client_id": "hub", "client_secret": "very secret"}
RULES = {"rules": [{"partner_kind": "supplier", "class_prefix": "", "level": "yes_no"}]}
EXPECTED = {
    "invitation_made", "account_made", "membership_made", "invitation_redeemed", "signed_in", "totp_added",
    "stepped_up", "passkey_added", "recovery_codes_made", "partner_granted", "client_made",
    "client_secret_made", "consent_given", "access_granted", "consent_withdrawn", "device_decided",
    "identity_provider_made", "scim_token_made", "disclosure_changed", "sign_in_policy_set", "person_erased",
}  # fmt: skip
# Every table with a key to a person; nobody's rows in the hidden ones are the application's to read.
GONE = {
    "account_merge", "audit_subject", "device", "email_change", "federated_identity", "federated_session",
    "login_session", "login_state", "membership", "oauth_consent", "oauth_grant", "one_time_link", "passkey",
    "pending_sign_in", "recovery_code", "scim_group_member", "scim_user", "totp", "webauthn_challenge",
}  # fmt: skip
HIDDEN = {"pending_sign_in", "webauthn_challenge"}
HELD = {
    "device", "federated_identity", "login_session", "membership", "oauth_consent", "oauth_grant", "passkey",
    "recovery_code", "totp",
}  # fmt: skip


@pytest.fixture
def walk(client, world, sign_in, make_app):  # noqa: F811
    """What was secret on the way, the person who went it, and in which tables they were, before and after."""
    keys._known.clear()
    world.person(BOSS, "admin", at=world.a)
    sign_in(BOSS)
    secrets = administer(client)
    app = make_app(at=world.a, is_trusted=False)
    consented(client, app, world.a)
    csrf = {"csrf_token": client.headers["x-csrf-token"]}
    assert client.post(f"/account/apps/{app.id}/withdraw", data=csrf).status_code == 303
    secrets |= join(client, world) | harden(client)
    consented(client, app, world.a)
    ann = link(world)
    before = knowing(world, ann)
    sign_in(BOSS)
    assert client.post(f"/v1/people/{ann}/erasure").status_code == 204
    return secrets, ann, before, knowing(world, ann)


def link(world):
    set_tenancy(world.session, Tenancy(world.everything, world.a))
    ann = world.session.scalar(text("select id from person where email = :email"), {"email": ANN})
    provider = world.session.scalar(text("select id from identity_provider"))
    world.session.add(FederatedIdentity(organisation_id=world.a, provider_id=provider, subject="s-1", person_id=ann))
    world.session.flush()
    return ann


def knowing(world, person_id) -> set[str]:
    """The tables with rows of a person."""
    set_tenancy(world.session, Tenancy(world.everything, world.a, person_id))
    found = set()
    for table in sorted(GONE - HIDDEN):
        rows = text(f"select count(*) from {table} where person_id = :id")
        found |= {table} if world.session.scalar(rows, {"id": person_id}) else set()
    return found


def made(answer, status=201):
    assert answer.status_code == status, answer.text
    return answer.json()


def administer(client) -> set[str]:
    assert client.post("/v1/invitations", json={"roles": ["planner"], "email": ANN}).status_code == 201
    made(client.post("/v1/partner-grants", json={"partner": "beta", "roles": ["planner"]}))
    fields = {"client_name": "Portal", "redirect_uris": ["https://app.example/cb"], "scopes": ["openid"]}
    portal = made(client.post("/v1/clients", json=fields))
    renewed = made(client.post(f"/v1/clients/{portal['id']}/secrets"))
    made(client.post("/v1/identity-providers", json=PROVIDER | {"default_roles": ["planner"]}))
    scim = made(client.post("/v1/scim/tokens", json={"name": "sync"}))
    made(client.put("/v1/disclosure", json=RULES), 200)
    place = client.get("/v1/me").json()["organisation_id"]
    made(client.put(f"/v1/organisations/{place}/sign-in-policy", json={"second_factor": "none"}), 200)
    return {portal["client_secret"], renewed["client_secret"], scim["token"], PROVIDER["client_secret"]}


def consented(client, app: App, at) -> None:
    csrf = {"csrf_token": client.headers["x-csrf-token"]}
    asked = dict(app.authorize(scope="openid", organization=str(at)).request.url.params)
    assert client.post("/oauth/authorize", data=asked | csrf | {"decision": "allow"}).status_code == 303
    begun = client.post("/oauth/device_authorization", data={"client_id": "hub-agent"}).json()
    form = csrf | {"user_code": begun["user_code"], "decision": "allow", "organization": "alpha"}
    assert client.post("/device", data=form).status_code == 200


def join(client, world) -> set[str]:
    given = mailed(world, ANN) | {"name": "Newcomer", "password": NEW}
    answer = made(client.post("/v1/invitations/account", json=given))
    client.headers["x-csrf-token"] = answer["csrf_token"]
    return {given["token"], given["proof"]}


def harden(client) -> set[str]:
    app = pyotp.TOTP(client.post("/v1/me/totp").json()["secret"])
    assert client.post("/v1/me/totp/confirmation", json={"code": app.now()}).status_code == 204
    options = client.post("/v1/me/passkeys/options").json()
    made(client.post("/v1/me/passkeys", json={"credential": Authenticator().create(options), "name": "My phone"}))
    codes = made(client.post("/v1/me/recovery-codes"))["codes"]
    return {app.secret, "My phone", *codes}


def test_all_of_it_is_recorded_where_it_concerns_and_names_nobody(walk, world) -> None:
    secrets, ann, *_ = walk
    assert {e.action for e in log_of(world, world.a)} >= EXPECTED
    assert "partner_granted" in {e.action for e in log_of(world, world.b)}
    assert "device_decided" in {e.action for e in log_of(world, GROUP)}
    rows = rows_of(world)
    people = {BOSS, ANN, "boss", "newcomer", "Newcomer", PASSWORD, NEW, str(ann)}
    assert [word for word in secrets | people if word in rows] == []


def test_the_seals_hold_and_whoever_was_erased_has_no_name(walk, world, client) -> None:
    sealing.seal(world.session.connection())
    set_tenancy(world.session, Tenancy(world.everything))
    for organisation_id in (GROUP, world.a, world.b):
        found = verify(world.session, organisation_id)
        assert (found.findings, found.unsealed) == ([], 0) and found.rows
    told = client.get("/v1/audit/export").text
    assert "person_erased" in told and "ewcomer" not in told
    assert pseudonym(world, walk[1]) is None
    (erased,) = [e for e in log_of(world, world.a) if e.action == "person_erased"]
    assert erased.object_id in {str(e.actor) for e in log_of(world, world.a) if e.action == "passkey_added"}


def test_erasure_leaves_no_row_of_the_person(walk) -> None:
    _, _, before, after = walk
    assert (HELD - before, after) == (set(), set())


REFERRING = """
    select c.conrelid::regclass::text as place, c.confdeltype::text as rule, t.relforcerowsecurity as is_fenced,
        exists (select from pg_policies p, pg_proc f
        where f.proname = 'identity_erase' and p.tablename = t.relname and p.cmd in ('ALL', 'DELETE')
          and p.roles && array[pg_get_userbyid(f.proowner), 'public']::name[]) as is_open
    from pg_constraint c join pg_class t on t.oid = c.conrelid
    where c.contype = 'f' and c.confrelid = 'person'::regclass and t.relname <> 'person' order by 1"""


def test_every_table_that_knows_a_person_is_open_to_erasure(world) -> None:
    """A table that its owner may not delete from would be passed over without a word."""
    found = world.session.execute(text(REFERRING)).all()
    gone = [row for row in found if row.rule == "c"]
    # Who made these stays somebody, without a name.
    assert {row.place for row in found if row.rule != "c"} == {"invitation", "partner_grant"}
    assert {row.place for row in gone} == GONE
    assert [row.place for row in gone if row.is_fenced and not row.is_open] == []
