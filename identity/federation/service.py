"""The OpenID providers of organisations, as their administrators set them up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub import vault
from hub.columns import new_id
from hub.errors import Conflict, Forbidden, NotFound
from identity import links
from identity.audit.service import record
from identity.federation.flow import callback_address
from identity.federation.models import FederatedIdentity, IdentityProvider
from identity.federation.schemas import ProviderIn, ProviderOut, ProviderPatch
from identity.people.service import grantable, kind_of
from identity.principal import Principal, act_for


def out(provider: IdentityProvider) -> ProviderOut:
    plain = {name: getattr(provider, name) for name in ProviderOut.model_fields if hasattr(provider, name)}
    return ProviderOut(
        **plain,
        has_secret=provider.client_secret is not None,
        is_disabled=provider.disabled_at is not None,
        redirect_uri=callback_address(provider.id),
        backchannel_logout_uri=f"{links.base_url()}/federation/{provider.id}/backchannel-logout",
    )


def list_providers(session: Session) -> Sequence[IdentityProvider]:
    """Of every organisation the caller may read."""
    return session.scalars(select(IdentityProvider).order_by(IdentityProvider.name, IdentityProvider.id)).all()


def get_provider(session: Session, provider_id: UUID) -> IdentityProvider:
    found = session.get(IdentityProvider, provider_id)
    if found is None:
        raise NotFound(f"There is no sign-in provider {provider_id}.")
    return found


def create_provider(session: Session, caller: Principal, given: ProviderIn) -> IdentityProvider:
    """It signs people in from now on. Raises Conflict where the organisation has it, Forbidden for roles beyond the
    caller's."""
    organisation_id = organisation_of(session, caller, given.organisation_id)
    _grantable(session, caller, organisation_id, _roles(given.default_roles, given.role_mapping))
    twice = select(IdentityProvider.id).where(
        IdentityProvider.organisation_id == organisation_id,
        IdentityProvider.issuer == given.issuer,
        IdentityProvider.client_id == given.client_id,
    )
    if session.scalar(twice) is not None:
        raise Conflict(f"The organisation signs in at {given.issuer} as this client already.")
    secret = None if given.client_secret is None else vault.seal(given.client_secret.encode())
    made = IdentityProvider(
        **given.model_dump(exclude={"organisation_id", "client_secret"}),
        id=new_id(),
        organisation_id=organisation_id,
        client_secret=secret,
        is_enforced=False,
    )
    session.add(made)
    session.flush()
    session.refresh(made)
    _tell(session, "identity_provider_made", made)
    return made


def change_provider(session: Session, caller: Principal, provider_id: UUID, given: ProviderPatch) -> IdentityProvider:
    """A secret that is given replaces the one kept."""
    found = get_provider(session, provider_id)
    act_for(session, caller, found.organisation_id)
    changes = given.model_dump(exclude_none=True)
    roles = _roles(changes.get("default_roles", ()), changes.get("role_mapping", {}))
    _grantable(session, caller, found.organisation_id, roles)
    if changes.get("is_enforced") and not _has_worked(session, provider_id):
        raise Conflict("Nobody has signed in here yet. Try it first, so that nobody is shut out.")
    if "client_secret" in changes:
        changes["client_secret"] = vault.seal(changes["client_secret"].encode())
    if (is_disabled := changes.pop("is_disabled", None)) is not None:
        changes["disabled_at"] = datetime.now(UTC) if is_disabled else None
    for name, value in changes.items():
        setattr(found, name, value)
    session.flush()
    _tell(session, "identity_provider_changed", found, changed=sorted(changes))
    return found


def delete_provider(session: Session, caller: Principal, provider_id: UUID) -> None:
    """With the links to it; the accounts stay, and sign in with a password."""
    found = get_provider(session, provider_id)
    act_for(session, caller, found.organisation_id)
    session.delete(found)
    session.flush()
    _tell(session, "identity_provider_deleted", found)


def _has_worked(session: Session, provider_id: UUID) -> bool:
    used = select(FederatedIdentity.subject).where(
        FederatedIdentity.provider_id == provider_id, FederatedIdentity.last_used_at.is_not(None)
    )
    return session.scalar(used.limit(1)) is not None


def organisation_of(session: Session, caller: Principal, wanted: UUID | None) -> UUID:
    """The session acts for it from here on; default: the one the caller acts for."""
    organisation_id = wanted or caller.organisation_id
    if organisation_id is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, organisation_id)
    return organisation_id


def _roles(default: Iterable[str], mapping: dict[str, Any]) -> list[str]:
    return sorted({role for given in (default, *mapping.values()) for role in given})


def _grantable(session: Session, caller: Principal, organisation_id: UUID, roles: Sequence[str]) -> None:
    """A provider grants nothing that its administrator could not."""
    grantable(caller, roles, kind_of(session, organisation_id))


def _tell(session: Session, action: str, provider: IdentityProvider, **detail: Any) -> None:
    places = [provider.organisation_id]
    record(session, action, organisations=places, object_kind="identity_provider", object_id=provider.id, **detail)
