"""People and their memberships, administered by the organisations they work for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Conflict, Forbidden, NotFound
from identity import links
from identity.audit.service import record
from identity.mail import Letter, send
from identity.models import Membership, Person
from identity.people.schemas import MemberOut, PersonIn, PersonPatch
from identity.principal import Principal, act_for
from identity.scopes import GROUP_ONLY, roles_in, scopes_of


class Member(NamedTuple):
    membership: Membership
    person: Person

    @property
    def out(self) -> MemberOut:
        return MemberOut(
            person_id=self.person.id,
            organisation_id=self.membership.organisation_id,
            home_organisation_id=self.person.organisation_id,
            email=self.person.email,
            name=self.person.name,
            roles=roles_in(self.membership.scopes),  # type: ignore[arg-type]
            scopes=self.membership.scopes,
            is_disabled=self.person.disabled_at is not None,
            has_password=self.person.password_hash is not None,
            created_at=self.membership.created_at,
        )


def list_members(
    session: Session, organisation_id: UUID | None = None, after: tuple[Any, ...] | None = None, limit: int = 100
) -> Sequence[Member]:
    """Members by e-mail and organisation, after the given pair."""
    found = _members().order_by(Person.email, Membership.organisation_id).limit(limit)
    if organisation_id is not None:
        found = found.where(Membership.organisation_id == organisation_id)
    if after is not None:
        found = found.where(tuple_(Person.email, Membership.organisation_id) > after)
    return [Member(row[0], row[1]) for row in session.execute(found)]


def get_member(session: Session, organisation_id: UUID | None, person_id: UUID) -> Member:
    """Raises NotFound where the person is no member of the organisation, or neither may be seen."""
    found = _members().where(Membership.organisation_id == organisation_id, Membership.person_id == person_id)
    row = session.execute(found).one_or_none()
    if row is None:
        raise NotFound(f"There is no person {person_id} in this organisation.")
    return Member(row[0], row[1])


def _members() -> Select[Membership, Person]:
    return select(Membership, Person).join(Person, Person.id == Membership.person_id)


def create_person(session: Session, caller: Principal, given: PersonIn) -> Member:
    """Invites by mail; whoever the caller can see already only becomes a member, and is told so. Raises Conflict for
    a member, and for an account of an organisation the caller cannot read."""
    organisation_id = _acting(session, caller, given.organisation_id)
    scopes = _grantable(caller, given.roles)
    person_id = session.scalar(select(Person.id).where(Person.email == given.email))
    if person_id is None:
        person_id = _invite(session, organisation_id, given)
    elif session.get(Membership, (organisation_id, person_id)) is not None:
        raise Conflict(f"{given.email} is a member of this organisation already.")
    else:
        send(session, organisation_id, given.email, Letter("added", given.locale, given.name, links.base_url()))
    session.add(Membership(organisation_id=organisation_id, person_id=person_id, scopes=scopes))
    session.flush()
    _tell(session, "membership_made", caller, person_id, organisation_id, roles=given.roles, granted=scopes)
    return get_member(session, organisation_id, person_id)


def _invite(session: Session, organisation_id: UUID, given: PersonIn) -> UUID:
    person_id = add_person(session, organisation_id, given)
    link = links.issue(session, person_id, organisation_id, "set_password")
    send(session, organisation_id, given.email, Letter("set_password", given.locale, given.name, link))
    return person_id


def add_person(session: Session, organisation_id: UUID, given: PersonIn) -> UUID:
    """An account without a password, at home in the organisation the session acts for; raises Conflict where another
    organisation has one with the same e-mail."""
    if session.scalar(text("select identity_is_taken(:email)"), {"email": given.email}):
        raise Conflict(
            f"{given.email} has an account elsewhere in the group. An administrator of the group can add it."
        )
    person = Person(
        id=new_id(),
        organisation_id=organisation_id,
        email=given.email,
        name=given.name,
        locale=given.locale,
        zone=given.zone,
    )
    session.add(person)
    session.flush()
    return person.id


def change_person(session: Session, caller: Principal, person_id: UUID, given: PersonPatch) -> Member:
    organisation_id = _acting(session, caller, given.organisation_id)
    member = get_member(session, organisation_id, person_id)
    if given.roles is not None:
        _not_self(caller, person_id, "change your own roles")
        before, member.membership.scopes = member.membership.scopes, _grantable(caller, given.roles)
        after = member.membership.scopes
        changed: dict[str, Any] = {"roles": given.roles, "granted": sorted(set(after) - set(before))}
        changed["revoked"] = sorted(set(before) - set(after))
        _tell(session, "membership_changed", caller, person_id, organisation_id, **changed)
    if given.is_disabled is not None:
        _not_self(caller, person_id, "disable or enable yourself")
        _only_home(member.person, organisation_id)
        member.person.disabled_at = datetime.now(UTC) if given.is_disabled else None
        action = "person_disabled" if given.is_disabled else "person_enabled"
        _tell(session, action, caller, person_id, organisation_id)
    session.flush()
    return member


def remove_member(session: Session, caller: Principal, organisation_id: UUID | None, person_id: UUID) -> None:
    """Ends the membership; the account stays, and what it did."""
    acting = _acting(session, caller, organisation_id)
    _not_self(caller, person_id, "remove yourself")
    membership = get_member(session, acting, person_id).membership
    session.delete(membership)
    session.flush()
    _tell(session, "membership_ended", caller, person_id, acting, revoked=membership.scopes)


def send_reset(session: Session, caller: Principal, organisation_id: UUID | None, person_id: UUID) -> None:
    """A new link by mail, or on the keeper's outbox page. Raises Forbidden where the person belongs to an organisation
    that the caller does not administer: whoever sees the link may use it."""
    person = get_member(session, _acting(session, caller, organisation_id), person_id).person
    keeper_id = links.keeper(session, person_id)
    if keeper_id not in caller.readable:
        raise Forbidden(
            "This person also belongs to organisations that you do not administer. An administrator of the "
            "organisation above them all can send the link."
        )
    act_for(session, caller, keeper_id)
    purpose: links.Purpose = "reset" if person.password_hash else "set_password"
    link = links.issue(session, person.id, keeper_id, purpose)
    send(session, keeper_id, person.email, Letter("reset", person.locale, person.name, link))


def _tell(
    session: Session, action: str, caller: Principal, person_id: UUID, organisation_id: UUID, **detail: Any
) -> None:
    """What was done to a person as a member of an organisation."""
    record(
        session,
        action,
        actor=caller,
        organisations=[organisation_id],
        object_kind="person",
        object_id=person_id,
        organisation=organisation_id,
        **detail,
    )


def _acting(session: Session, caller: Principal, organisation_id: UUID | None) -> UUID:
    wanted = organisation_id or caller.organisation_id
    if wanted is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, wanted)
    return wanted


def _grantable(caller: Principal, roles: Sequence[str]) -> list[str]:
    scopes = scopes_of(roles)
    beyond = sorted(set(scopes) - GROUP_ONLY - caller.scopes)
    if beyond:
        raise Forbidden(f"You cannot grant what you do not hold: {', '.join(beyond)}.")
    return scopes


def _not_self(caller: Principal, person_id: UUID, what: str) -> None:
    if caller.id == person_id:
        raise Conflict(f"You cannot {what}: ask another administrator, so that there always is one.")


def _only_home(person: Person, organisation_id: UUID) -> None:
    if person.organisation_id != organisation_id:
        raise Forbidden("Only the person's home organisation may disable the account.")
