"""A provider tells that a session of theirs has ended (OpenID Connect Back-Channel Logout): ours end with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from identity.audit.service import Someone
from identity.federation import oidc
from identity.federation.flow import provider
from identity.federation.models import FederatedSession, LogoutToken
from identity.secrets import digest
from identity.sessions.service import end_session


def end_sessions(session: Session, provider_id: UUID, told: oidc.Logout) -> int:
    """Ends the sessions of the sid, or of the subject; each token counts once. Raises oidc.Refused."""
    asked = provider(session, provider_id)
    # Afterwards its iat refuses it.
    kept_until = datetime.now(UTC) + timedelta(seconds=oidc.TOKEN_AGE + 2 * oidc.SKEW)
    once = insert(LogoutToken).values(
        organisation_id=asked.organisation_id,
        provider_id=provider_id,
        jti_hash=digest(told.jti),
        expires_at=kept_until,
    )
    if session.scalar(once.on_conflict_do_nothing().returning(LogoutToken.provider_id)) is None:
        raise oidc.Refused("This logout token was used before (jti).")
    found = select(FederatedSession.session_id, FederatedSession.person_id).where(
        FederatedSession.provider_id == provider_id
    )
    if told.sid is not None:
        found = found.where(FederatedSession.sid == told.sid)
    if told.subject is not None:
        found = found.where(FederatedSession.subject == told.subject)
    ended = session.execute(found).all()
    for session_id, person_id in ended:
        set_tenancy(session, Tenancy(person=person_id))
        end_session(session, person_id, session_id, Someone("system", None, asked.organisation_id))
    return len(ended)
