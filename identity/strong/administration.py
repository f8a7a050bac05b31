"""What administrators do about the factors of others: a person who lost them all begins anew."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import Conflict, Forbidden
from identity import links
from identity.audit.service import record
from identity.mail import Letter, send
from identity.people.service import get_member
from identity.principal import Principal, act_for

RESET = text("select identity_reset_factors(:person)")


def reset_factors(session: Session, caller: Principal, organisation_id: UUID | None, person_id: UUID) -> None:
    """Removes passkeys, authenticator app and recovery codes, ends every session, and tells the person. Raises
    Forbidden where the person belongs to an organisation that the caller does not administer."""
    person = get_member(session, organisation_id or caller.organisation_id, person_id).person
    if person_id == caller.id:
        raise Conflict("You cannot reset your own factors here: remove them in your account.")
    keeper_id = links.keeper(session, person_id)
    if keeper_id not in caller.readable:
        raise Forbidden(
            "This person also belongs to organisations that you do not administer. An administrator of the "
            "organisation above them all can reset the factors."
        )
    act_for(session, caller, keeper_id)
    gone = session.scalar(RESET, {"person": person_id})
    letter = Letter("factors_reset", person.locale, person.name, f"{links.base_url()}/signin")
    send(session, keeper_id, person.email, letter)
    places = [keeper_id, person.organisation_id]
    record(session, "factors_reset", organisations=places, object_kind="person", object_id=person_id, factors=gone)
