"""What an organisation asks of the sessions that act for it. Enforced where sessions are found (identity_session);
here it is read and set."""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import Conflict
from identity.audit.service import record
from identity.organisations.service import get_organisation
from identity.principal import Principal, act_for
from identity.strong.models import SignInPolicy
from identity.strong.schemas import PolicyIn

SecondFactor = Literal["none", "any", "passkey"]


class Policy(NamedTuple):
    second_factor: SecondFactor = "none"
    session_hours: int | None = None
    idle_minutes: int | None = None
    allow_password: bool = True


def get_policy(session: Session, organisation_id: UUID) -> Policy:
    """The organisation's own; raises NotFound where it cannot be read."""
    get_organisation(session, organisation_id)
    own = session.get(SignInPolicy, organisation_id)
    return Policy(*(getattr(own, name) for name in Policy._fields)) if own is not None else Policy()


def effective(session: Session, organisation_id: UUID) -> Policy:
    """The strictest of its own and of those above it; raises NotFound where it cannot be read."""
    get_organisation(session, organisation_id)
    row = session.execute(text("select * from identity_policy(:id)"), {"id": organisation_id}).one()
    return Policy(**row._mapping)


def set_policy(session: Session, caller: Principal, organisation_id: UUID, given: PolicyIn) -> Policy:
    """Raises Conflict where it would shut the caller out."""
    act_for(session, caller, organisation_id)
    wanted = Policy(**given.model_dump())
    if caller.session_id is not None and (lacking := _lacks(caller.amr, wanted)):
        raise Conflict(f"Your own session does not meet this: {lacking}. Sign in that way first, so that you stay in.")
    session.merge(SignInPolicy(organisation_id=organisation_id, **wanted._asdict()))
    session.flush()
    record(
        session,
        "sign_in_policy_set",
        organisations=[organisation_id],
        object_kind="organisation",
        object_id=organisation_id,
        **wanted._asdict(),
    )
    return wanted


def _lacks(amr: tuple[str, ...], wanted: Policy) -> str:
    if wanted.second_factor == "passkey" and "pop" not in amr:
        return "it was opened without a passkey"
    if wanted.second_factor == "any" and "mfa" not in amr:
        return "it was opened without a second factor"
    return "it was opened by a password" if not wanted.allow_password and "pwd" in amr else ""
