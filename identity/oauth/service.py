"""Clients and service accounts of an organisation: made, changed, disabled, their secrets replaced with an overlap; and
by themselves with an initial access token (RFC 7591, RFC 7592)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, delete, or_, select, text, tuple_, update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, Forbidden, NotFound, Unauthenticated
from identity.audit.service import Someone, own_account, record
from identity.oauth.models import Client, ClientSecret, Consent, Grant, RegistrationToken
from identity.oauth.schemas import ClientIn, ClientPatch, RegistrationIn
from identity.oauth.tokens import OPENID
from identity.principal import Principal, act_for
from identity.secrets import digest, new_token

# After a new secret the older ones go on working, so that a program can be changed over without a pause.
OVERLAP = timedelta(days=7)
SECRETS_MAX = 5


class Made(NamedTuple):
    client: Client
    secret: str | None


class Registered(NamedTuple):
    client: Client
    secret: str | None
    registration_token: str


def list_clients(session: Session, after: tuple[Any, ...] | None = None, limit: int = 1_000) -> Sequence[Client]:
    """By name, after the given name and id."""
    found = select(Client).order_by(Client.name, Client.id).limit(limit)
    if after is not None:
        found = found.where(tuple_(Client.name, Client.id) > after)
    return session.scalars(found).all()


def get_client(session: Session, client_id: UUID) -> Client:
    found = session.get(Client, client_id)
    if found is None:
        raise NotFound(f"There is no client {client_id}.")
    return found


def secrets_of(session: Session, client_ids: Iterable[UUID]) -> dict[UUID, list[ClientSecret]]:
    """The living secrets of each, the newest first; their values nobody knows."""
    living = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > datetime.now(UTC))
    chosen = select(ClientSecret).where(ClientSecret.client_id.in_(list(client_ids)), living)
    found: dict[UUID, list[ClientSecret]] = {}
    for secret in session.scalars(chosen.order_by(ClientSecret.created_at.desc())):
        found.setdefault(secret.client_id, []).append(secret)
    return found


def create_client(session: Session, caller: Principal, given: ClientIn) -> Made:
    """Raises Forbidden for scopes the caller does not hold, and for a trusted client of anyone but the group."""
    organisation_id = given.organisation_id or caller.organisation_id
    if organisation_id is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, organisation_id)
    _grantable(caller, given.scopes)
    if given.is_trusted and not caller.is_group:
        raise Forbidden("Only the group's own applications may go without people's consent.")
    return _made(session, organisation_id, given)


def _grantable(caller: Principal, scopes: Sequence[str]) -> None:
    beyond = sorted(set(scopes) - OPENID - caller.scopes)
    if beyond:
        raise Forbidden(f"You cannot grant what you do not hold: {', '.join(beyond)}.")


def _made(session: Session, organisation_id: UUID, given: ClientIn) -> Made:
    fields = given.model_dump(exclude={"client_name", "organisation_id"})
    client = Client(id=new_id(), organisation_id=organisation_id, name=given.client_name, client_id="", **fields)
    # Never a bare id: a token's sub says whether it speaks for a person or a client.
    client.client_id = f"client-{client.id.hex}"
    session.add(client)
    session.flush()
    secret = _add_secret(session, client) if "secret" in client.token_endpoint_auth_method else None
    _tell(session, "client_made", client, scopes=client.scopes, is_trusted=client.is_trusted)
    return Made(client, secret)


def _add_secret(session: Session, client: Client) -> str:
    secret = new_token()
    kept = ClientSecret(
        id=new_id(), organisation_id=client.organisation_id, client_id=client.id, secret_hash=digest(secret)
    )
    session.add(kept)
    session.flush()
    return secret


def change_client(session: Session, caller: Principal, client_id: UUID, given: ClientPatch) -> Client:
    client = get_client(session, client_id)
    act_for(session, caller, client.organisation_id)
    changes = given.model_dump(exclude_unset=True, exclude={"is_disabled", "client_name"})
    _grantable(caller, changes.get("scopes") or [])
    for name, value in changes.items():
        setattr(client, name, value)
    if given.client_name is not None:
        client.name = given.client_name
    if given.is_disabled is not None:
        client.disabled_at = datetime.now(UTC) if given.is_disabled else None
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise Conflict("A client of the authorization code grant needs redirect_uris.")
    session.flush()
    _tell(session, "client_changed", client, fields=sorted(given.model_fields_set), scopes=client.scopes)
    return client


def delete_client(session: Session, caller: Principal, client_id: UUID) -> None:
    """With all it was granted."""
    client = get_client(session, client_id)
    act_for(session, caller, client.organisation_id)
    remove_client(session, client)


def remove_client(session: Session, client: Client) -> None:
    """Disabled first, which ends what it was granted and tells it so."""
    client.disabled_at = client.disabled_at or datetime.now(UTC)
    session.flush()
    session.delete(client)
    session.flush()
    _tell(session, "client_deleted", client)


def _tell(session: Session, action: str, client: Client, **detail: Any) -> None:
    places = [client.organisation_id]
    record(session, action, organisations=places, object_kind="client", object_id=client.id, **detail)


def renew_secret(session: Session, caller: Principal, client_id: UUID) -> tuple[str, datetime]:
    """A new secret, beside which the older ones live on for `OVERLAP`."""
    client = get_client(session, client_id)
    act_for(session, caller, client.organisation_id)
    if "secret" not in client.token_endpoint_auth_method:
        raise Conflict("This client proves itself without a secret.")
    if len(secrets_of(session, [client.id]).get(client.id, [])) >= SECRETS_MAX:
        raise Conflict(f"This client has {SECRETS_MAX} living secrets. End one of them first.")
    ends = datetime.now(UTC) + OVERLAP
    older = update(ClientSecret).where(ClientSecret.client_id == client.id, ClientSecret.expires_at.is_(None))
    session.execute(older.values(expires_at=ends))
    secret = _add_secret(session, client)
    _tell(session, "client_secret_made", client)
    return secret, ends


def end_secret(session: Session, caller: Principal, client_id: UUID, secret_id: UUID) -> None:
    client = get_client(session, client_id)
    act_for(session, caller, client.organisation_id)
    gone = delete(ClientSecret).where(ClientSecret.id == secret_id, ClientSecret.client_id == client.id)
    if session.scalar(gone.returning(ClientSecret.id)) is None:
        raise NotFound(f"This client has no secret {secret_id}.")
    _tell(session, "client_secret_ended", client, secret=secret_id)


def create_registration(session: Session, caller: Principal, given: RegistrationIn) -> tuple[str, datetime]:
    organisation_id = given.organisation_id or caller.organisation_id
    if organisation_id is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, organisation_id)
    token, ends = new_token(), datetime.now(UTC) + timedelta(days=given.days)
    kept = RegistrationToken(
        id=new_id(),
        organisation_id=organisation_id,
        token_hash=digest(token),
        uses_left=given.uses,
        expires_at=ends,
    )
    session.add(kept)
    session.flush()
    record(
        session,
        "registration_token_made",
        organisations=[organisation_id],
        object_kind="registration_token",
        object_id=kept.id,
        uses=given.uses,
    )
    return token, ends


def register(session: Session, token: str, given: ClientIn) -> Registered:
    """A client that registers itself; it knows of people, no more: rights in the hub an administrator adds. Raises
    Unauthenticated where the initial access token is unknown, used up or expired."""
    use = text("select organisation_id from oauth_use_registration(:hash)")
    organisation_id = session.scalar(use, {"hash": digest(token)})
    if organisation_id is None:
        raise Unauthenticated("The initial access token is unknown, used up or expired.")
    _act_itself(session, organisation_id)
    if set(given.scopes) - OPENID or given.is_trusted or "client_credentials" in given.grant_types:
        raise Forbidden("A client that registers itself gets openid, profile, email and offline_access alone.")
    client, secret = _made(session, organisation_id, given)
    registration_token = new_token()
    client.registration_hash = digest(registration_token)
    session.flush()
    return Registered(client, secret, registration_token)


def registered(session: Session, token: str, client_id: str) -> Client:
    """The client of a registration access token, for which the session acts from then on; raises Unauthenticated."""
    find = text("select * from oauth_registered(:hash)")
    row = session.execute(find, {"hash": digest(token)}).one_or_none()
    if row is None or row.client_id != client_id:
        raise Unauthenticated("The registration access token is not one of this client.")
    _act_itself(session, row.organisation_id)
    return get_client(session, row.id)


def _act_itself(session: Session, organisation_id: UUID) -> None:
    set_tenancy(session, Tenancy((organisation_id,), organisation_id))
    session.info["caller"] = Someone("client", None, organisation_id)


def replace_metadata(session: Session, client: Client, given: ClientIn) -> Client:
    """RFC 7592 §2.2: what is left out is reset."""
    if set(given.scopes) - OPENID or given.is_trusted or "client_credentials" in given.grant_types:
        raise Forbidden("A client that registers itself gets openid, profile, email and offline_access alone.")
    for name, value in given.model_dump(exclude={"client_name", "organisation_id"}).items():
        setattr(client, name, value)
    client.name = given.client_name
    session.flush()
    _tell(session, "client_changed", client)
    return client


def list_consents(session: Session) -> Sequence[Row[Any]]:
    """What the bound person agreed to: client (its id), name, organisation, scopes, created_at."""
    return session.execute(text("select * from oauth_my_consents()")).all()


def withdraw(session: Session, person_id: UUID, client_id: UUID) -> None:
    """Take a consent back: the client is asked for again, and what it holds ends now."""
    own = Grant.person_id == person_id, Grant.client_id == client_id
    ended = update(Grant).where(*own, Grant.revoked_at.is_(None)).values(revoked_at=datetime.now(UTC))
    gone = delete(Consent).where(Consent.person_id == person_id, Consent.client_id == client_id)
    places = {
        *session.scalars(ended.returning(Grant.organisation_id)),
        *session.scalars(gone.returning(Consent.organisation_id)),
    }
    if not places:
        return
    owner = session.scalar(text("select oauth_client_owner(:id)"), {"id": client_id})
    told = own_account(session, person_id, owner, *places) | {"object_kind": "client", "object_id": client_id}
    record(session, "consent_withdrawn", **told)
