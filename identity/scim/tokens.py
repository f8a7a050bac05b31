"""Tokens of an organisation's provisioning: made by its administrators, shown once, kept as digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import set_tenancy
from hub.errors import NotFound
from identity import links
from identity.audit.service import record
from identity.federation.service import organisation_of
from identity.principal import Principal, act_for
from identity.scim.caller import Caller
from identity.scim.groups import seed
from identity.scim.models import ScimToken
from identity.scim.schemas import TokenIn, TokenMade, TokenOut
from identity.secrets import digest, new_token

PREFIX = "hubscim_"


def authenticate(session: Session, token: str, organisation_id: UUID) -> Caller | None:
    """Binds the session to the token's organisation; None where it is none of this organisation's."""
    found = session.execute(text("select * from scim_authenticate(:digest)"), {"digest": digest(token)}).one_or_none()
    if found is None or found.organisation_id != organisation_id:
        return None
    caller = Caller(found.id, found.organisation_id, frozenset(found.grantable))
    set_tenancy(session, caller.tenancy)
    session.info["caller"] = caller
    return caller


def base_url(organisation_id: UUID) -> str:
    return f"{links.base_url()}/scim/v2/{organisation_id}"


def list_tokens(session: Session) -> Sequence[ScimToken]:
    """Those that are good, of every organisation the caller may read."""
    good = select(ScimToken).where(ScimToken.revoked_at.is_(None), ScimToken.expires_at > datetime.now(UTC))
    return session.scalars(good.order_by(ScimToken.created_at.desc(), ScimToken.id)).all()


def create_token(session: Session, caller: Principal, given: TokenIn) -> TokenMade:
    """The first of an organisation brings its roles as groups."""
    organisation_id = organisation_of(session, caller, given.organisation_id)
    token = PREFIX + new_token()
    made = ScimToken(
        id=new_id(),
        organisation_id=organisation_id,
        name=given.name,
        token_hash=digest(token),
        grantable=sorted(caller.scopes),
        made_by=caller.id,
        expires_at=datetime.now(UTC) + timedelta(days=given.days),
    )
    session.add(made)
    session.flush()
    session.refresh(made)
    seed(session, organisation_id)
    places = [organisation_id]
    record(session, "scim_token_made", organisations=places, object_kind="scim_token", object_id=made.id)
    shown = TokenOut.model_validate(made).model_dump()
    return TokenMade(**shown, token=token, base_url=base_url(organisation_id))


def revoke_token(session: Session, caller: Principal, token_id: UUID) -> None:
    found = session.get(ScimToken, token_id)
    if found is None or found.revoked_at is not None:
        raise NotFound(f"There is no SCIM token {token_id}.")
    act_for(session, caller, found.organisation_id)
    found.revoked_at = datetime.now(UTC)
    session.flush()
    places = [found.organisation_id]
    record(session, "scim_token_revoked", organisations=places, object_kind="scim_token", object_id=token_id)
