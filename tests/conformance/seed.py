"""Who is on the stage: a group with two plants, people of one and of several, a client of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.models import Organisation
from identity.federation.models import VerifiedDomain
from identity.models import Membership, Person
from identity.oauth import service
from identity.oauth.schemas import ClientIn, RegistrationIn
from identity.organisations.schemas import OrganisationIn
from identity.organisations.service import create_organisation
from identity.principal import Principal
from identity.scim.schemas import TokenIn
from identity.scim.tokens import create_token
from identity.scopes import ROLES, scopes_of
from identity.secrets import hash_password

PASSWORD = "correct horse battery"
CALLBACK, GOODBYE, LOOPBACK = "https://rp.example/cb", "https://rp.example/bye", "http://127.0.0.1/cb"
DJANGO = "http://127.0.0.1:9441/oidc/callback/"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

# Their name, the organisation they are at home in, and where they are members with which role.
PEOPLE: dict[str, tuple[str, dict[str, str]]] = {
    "root": ("group", {"group": "admin"}),
    "ann": ("alpha", {"alpha": "steward"}),
    "bob": ("beta", {"beta": "planner"}),
    "eve": ("alpha", {"alpha": "planner", "beta": "planner"}),
    "leaver": ("alpha", {"alpha": "planner"}),
    "dee": ("alpha", {"alpha": "planner", "beta": "planner"}),
}

WEB: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": [GOODBYE],
    "grant_types": ["authorization_code", "refresh_token", EXCHANGE],
    "scopes": ["openid", "profile", "email", "offline_access", "inventory:read", "feeds:read"],
    "is_trusted": True,
}
SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"], "scopes": ["feeds:read"]}
NATIVE: dict[str, Any] = {"application_type": "native", "token_endpoint_auth_method": "none"}
BY_KEY: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt"}

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "basic": ("group", WEB),
    "post": ("group", WEB | {"token_endpoint_auth_method": "client_secret_post"}),
    "key": ("group", WEB | BY_KEY),
    "django": ("group", WEB | {"token_endpoint_auth_method": "client_secret_post", "redirect_uris": [DJANGO]}),
    "consent": ("group", WEB | {"is_trusted": False}),
    "beta": ("beta", WEB | {"is_trusted": False}),
    "native": ("group", WEB | NATIVE | {"redirect_uris": [LOOPBACK, "com.example.app:/cb"]}),
    "device": ("group", WEB | NATIVE | {"redirect_uris": [], "grant_types": [DEVICE, "refresh_token"]}),
    "service": ("alpha", SERVICE),
    "service_key": ("alpha", SERVICE | BY_KEY),
}


def seed(owner: Engine, application: Engine) -> dict[str, Any]:
    """Answers all that a peer must know."""
    group = new_id()
    with unit_of_work(owner, Tenancy((group,))) as session:
        session.add(Organisation(id=group, key="group", kind="group", name_zh="集团", name_en="Group"))
    with unit_of_work(application, Tenancy((group,), group)) as session:
        root = _caller(group, (group,))
        plants = {key: create_organisation(session, root, _plant(key)).id for key in ("alpha", "beta")}
        organisations = {"group": group, **plants}
        caller = _caller(group, tuple(organisations.values()))
        return {
            "password": PASSWORD,
            "callback": CALLBACK,
            "goodbye": GOODBYE,
            "organisations": {key: str(one) for key, one in organisations.items()},
            "people": {name: _person(session, organisations, name) for name in PEOPLE},
            "clients": {name: _client(session, caller, organisations, name) for name in CLIENTS},
            "scim": {key: _scim(session, caller, plants[key]) for key in plants},
            "domains": {key: _domain(session, caller, plants[key], key) for key in plants},
            "registration": service.create_registration(session, caller, RegistrationIn(uses=100))[0],
        }


def _caller(group: UUID, readable: tuple[UUID, ...]) -> Principal:
    return Principal("person", new_id(), "stage", group, readable, frozenset(scopes_of(ROLES)), is_group=True)


def _plant(key: str) -> OrganisationIn:
    return OrganisationIn(key=key, name_zh=key, name_en=key)


def _person(session: Session, organisations: dict[str, UUID], name: str) -> dict[str, str]:
    home, roles = PEOPLE[name]
    everywhere = tuple(organisations.values())
    set_tenancy(session, Tenancy(everywhere, organisations[home]))
    email = f"{name}@{home}.example"
    person = Person(
        id=new_id(), organisation_id=organisations[home], email=email, name=name, password_hash=hash_password(PASSWORD)
    )
    session.add(person)
    session.flush()
    for key, role in roles.items():
        at = organisations[key]
        set_tenancy(session, Tenancy(everywhere, at))
        session.add(Membership(organisation_id=at, person_id=person.id, scopes=scopes_of([role])))
        session.flush()
    return {"id": str(person.id), "email": email, "home": str(organisations[home])}


def _client(session: Session, caller: Principal, organisations: dict[str, UUID], name: str) -> dict[str, Any]:
    at, fields = CLIENTS[name]
    told: dict[str, Any] = {}
    if fields.get("token_endpoint_auth_method") == "private_key_jwt":
        key = ECKey.generate_key("P-256", {"kid": f"{name}-1", "alg": "ES256", "use": "sig"})
        fields = fields | {"jwks": {"keys": [key.as_dict(private=False)]}}
        told["jwk"] = key.as_dict(private=True)
    given = {"client_name": name, "organisation_id": organisations[at]} | fields
    made = service.create_client(session, caller, ClientIn.model_validate(given))
    return told | {"id": str(made.client.id), "client_id": made.client.client_id, "client_secret": made.secret}


def _scim(session: Session, caller: Principal, organisation_id: UUID) -> dict[str, str]:
    made = create_token(session, caller, TokenIn(name="tester", organisation_id=organisation_id))
    return {"base_url": made.base_url, "token": made.token}


def _domain(session: Session, caller: Principal, organisation_id: UUID, key: str) -> str:
    """One that the organisation has shown to be its own; no name server tells here."""
    domain = f"people.{key}.example"
    set_tenancy(session, Tenancy(caller.readable, organisation_id))
    made = VerifiedDomain(
        id=new_id(),
        organisation_id=organisation_id,
        domain=domain,
        method="dns",
        token="",
        verified_at=datetime.now(UTC),
    )
    session.add(made)
    session.flush()
    return domain
