"""HTTP: the administration of clients, their secrets, and of who may register by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hub.paging import Page, PagingDep, cut
from hub.web import Router, SessionDep
from identity.access import CanReadClients, CanWriteClients, RecentSignIn
from identity.oauth import service
from identity.oauth.models import Client
from identity.oauth.schemas import (
    ClientIn,
    ClientMade,
    ClientOut,
    ClientPatch,
    NewSecret,
    RegistrationIn,
    RegistrationOut,
    SecretOut,
)

router = Router(prefix="/v1/clients", tags=["clients"])
# Not idempotent: an answer that holds a secret must not be kept.
secret = APIRouter(tags=["clients"])


@router.get("")
def list_clients(session: SessionDep, _: CanReadClients, page: PagingDep) -> Page[ClientOut]:
    """Clients and service accounts of the organisations you may read."""
    rows = service.list_clients(session, after=page.key((str, UUID)), limit=page.limit + 1)
    clients, after = cut(rows, page.limit, lambda c: (c.name, c.id))
    return Page(items=shown(session, clients), next=after)


@secret.post("/v1/clients", response_model=ClientMade, status_code=201, dependencies=[RecentSignIn])
def create_client(given: ClientIn, session: SessionDep, me: CanWriteClients) -> ClientMade:
    """A new client; the answer holds its secret, once."""
    made = service.create_client(session, me, given)
    return ClientMade(**shown(session, [made.client])[0].model_dump(), client_secret=made.secret)


@router.get("/{client_id}", response_model=ClientOut)
def get_client(client_id: UUID, session: SessionDep, _: CanReadClients) -> ClientOut:
    """One client."""
    return shown(session, [service.get_client(session, client_id)])[0]


@router.patch("/{client_id}", response_model=ClientOut, dependencies=[RecentSignIn])
def change_client(client_id: UUID, given: ClientPatch, session: SessionDep, me: CanWriteClients) -> ClientOut:
    """Change a client, or disable it: what it was granted ends at once."""
    return shown(session, [service.change_client(session, me, client_id, given)])[0]


@router.delete("/{client_id}", status_code=204)
def delete_client(client_id: UUID, session: SessionDep, me: CanWriteClients) -> None:
    """Remove a client with all it was granted."""
    service.delete_client(session, me, client_id)


@secret.post("/v1/clients/{client_id}/secrets", response_model=NewSecret, status_code=201, dependencies=[RecentSignIn])
def renew_secret(client_id: UUID, session: SessionDep, me: CanWriteClients) -> NewSecret:
    """A new secret; the older ones work for seven days more."""
    value, ends = service.renew_secret(session, me, client_id)
    return NewSecret(client_secret=value, others_end_at=ends)


@router.delete("/{client_id}/secrets/{secret_id}", status_code=204)
def end_secret(client_id: UUID, secret_id: UUID, session: SessionDep, me: CanWriteClients) -> None:
    """End a secret, and the tokens got with it, at once."""
    service.end_secret(session, me, client_id, secret_id)


@secret.post("/v1/client-registrations", response_model=RegistrationOut, status_code=201, dependencies=[RecentSignIn])
def create_registration(given: RegistrationIn, session: SessionDep, me: CanWriteClients) -> RegistrationOut:
    """An initial access token with which clients register themselves."""
    token, ends = service.create_registration(session, me, given)
    return RegistrationOut(initial_access_token=token, uses=given.uses, expires_at=ends)


def shown(session: Session, clients: Sequence[Client]) -> list[ClientOut]:
    secrets = service.secrets_of(session, [c.id for c in clients])
    return [_out(c, [SecretOut.model_validate(s) for s in secrets.get(c.id, [])]) for c in clients]


def _out(client: Client, secrets: list[SecretOut]) -> ClientOut:
    fields = {n: getattr(client, n) for n in ClientOut.model_fields if hasattr(client, n)}
    return ClientOut(**fields, client_name=client.name, is_disabled=client.disabled_at is not None, secrets=secrets)
