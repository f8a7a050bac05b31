"""People and their memberships, administered by the organisations they work for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Conflict, Forbidden, NotFound, Unprocessable
from hub.models import Organisation
from identity import links
from identity.audit.service import forget_person, record
from identity.mail import Letter, send
from identity.models import Membership, Person
from identity.people.schemas import MemberOut, PersonIn, PersonPatch
from identity.principal import Principal, act_for
from identity.scopes import GROUP_ONLY, TEMPLATE, roles_in, scopes_of


class Member(NamedTuple):
    membership: Membership
    person: Person
    kind: str

    @property
    def out(self) -> MemberOut:
        return MemberOut(
            person_id=self.person.id,
            organisation_id=self.membership.organisation_id,
            home_organisation_id=self.person.organisation_id,
            email=self.person.email,
            name=self.person.name,
            roles=roles_in(self.membership.scopes, self.kind),  # type: ignore[arg-type]
            scopes=self.membership.scopes,
            is_suspended=self.membership.disabled_at is not None,
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
    return [Member(*row) for row in session.execute(found)]


def get_member(session: Session, organisation_id: UUID | None, person_id: UUID) -> Member:
    """Raises NotFound where the person is no member of the organisation, or neither may be seen."""
    found = _members().where(Membership.organisation_id == organisation_id, Membership.person_id == person_id)
    row = session.execute(found).one_or_none()
    if row is None:
        raise NotFound(f"There is no person {person_id} in this organisation.")
    return Member(*row)


def _members() -> Select[Membership, Person, str]:
    """The organisations' own people; a partner's are with the grant to it (identity.partners)."""
    own = select(Membership, Person, Organisation.kind).where(Membership.via_id.is_(None))
    return own.join(Person, Person.id == Membership.person_id).join(
        Organisation, Organisation.id == Membership.organisation_id
    )


def add_person(session: Session, organisation_id: UUID, given: PersonIn) -> UUID:
    """An account without a password, at home in the organisation the session acts for. Raises Conflict where the e-mail
    has one: nobody may be told who has not shown that the address is theirs."""
    if session.scalar(text("select identity_is_taken(:email)"), {"email": given.email}):
        raise Conflict(f"{given.email} has an account already. Sign in with it, or give another address.")
    person = Person(id=new_id(), organisation_id=organisation_id, **given.model_dump(exclude={"roles"}))
    session.add(person)
    session.flush()
    tell(session, "account_made", person.id, organisation_id)
    return person.id


def join(session: Session, organisation_id: UUID, person_id: UUID, scopes: Sequence[str]) -> None:
    """Makes the person a member of the organisation the session acts for, or adds to what a member may do. What a
    partner had assigned gives way to a membership of one's own."""
    known = session.get(Membership, (organisation_id, person_id), populate_existing=True)
    if known is None:
        session.add(Membership(organisation_id=organisation_id, person_id=person_id, scopes=sorted(scopes)))
    else:
        kept = known.scopes if known.via_id is None else []
        known.scopes, known.via_id, known.disabled_at = sorted({*kept, *scopes}), None, None
    session.flush()
    tell(session, "membership_made", person_id, organisation_id, granted=sorted(scopes))


def change_person(session: Session, caller: Principal, person_id: UUID, given: PersonPatch) -> Member:
    organisation_id = acting(session, caller, given.organisation_id)
    member = get_member(session, organisation_id, person_id)
    if given.roles is not None:
        _not_self(caller, person_id, "change your own roles")
        before, after = set(member.membership.scopes), grantable(caller, given.roles, member.kind)
        member.membership.scopes = after
        changed = {"granted": sorted(set(after) - before), "revoked": sorted(before - set(after))}
        tell(session, "membership_changed", person_id, organisation_id, roles=given.roles, **changed)
    if given.is_suspended is not None:
        _not_self(caller, person_id, "suspend your own membership")
        member.membership.disabled_at = datetime.now(UTC) if given.is_suspended else None
        action = "membership_suspended" if given.is_suspended else "membership_resumed"
        tell(session, action, person_id, organisation_id)
    if given.is_disabled is not None:
        _not_self(caller, person_id, "disable or enable yourself")
        _only_home(member.person, organisation_id)
        _not_gone(member.person)
        member.person.disabled_at = datetime.now(UTC) if given.is_disabled else None
        action = "person_disabled" if given.is_disabled else "person_enabled"
        tell(session, action, person_id, organisation_id)
    session.flush()
    return member


def remove_member(session: Session, caller: Principal, organisation_id: UUID | None, person_id: UUID) -> None:
    """Ends the membership; the account stays, and what it did."""
    place = acting(session, caller, organisation_id)
    _not_self(caller, person_id, "remove yourself")
    membership = get_member(session, place, person_id).membership
    session.delete(membership)
    session.flush()
    tell(session, "membership_ended", person_id, place, revoked=membership.scopes)


def send_reset(session: Session, caller: Principal, organisation_id: UUID | None, person_id: UUID) -> None:
    """A new link by mail, or on the keeper's outbox page. Raises Forbidden where the person belongs to an organisation
    that the caller does not administer: whoever sees the link may use it."""
    person = get_member(session, acting(session, caller, organisation_id), person_id).person
    keeper_id = _as_keeper(session, caller, person_id)
    purpose: links.Purpose = "reset" if person.password_hash else "set_password"
    link = links.issue(session, person.id, keeper_id, purpose)
    send(session, keeper_id, person.email, Letter("reset", person.locale, person.name, link))


def erase_person(session: Session, caller: Principal, person_id: UUID) -> None:
    """Replaces name and e-mail by a pseudonym and deletes memberships, sessions, links and factors; the row stays, so
    that what was done by it stays somebody's. It cannot be undone. Raises as `send_reset`."""
    person = session.get(Person, person_id)
    if person is None or person.erased_at is not None:
        raise NotFound(f"There is no person {person_id} in the organisations you administer.")
    _not_self(caller, person_id, "erase yourself")
    _as_keeper(session, caller, person_id)
    # While the log still has a pseudonym for the person.
    tell(session, "person_erased", person_id, person.organisation_id)
    values = {"id": person_id, "pseudonym": f"erased-{token_hex(6)}"}
    if not session.scalar(text("select identity_erase(:id, :pseudonym)"), values):
        raise NotFound(f"There is no person {person_id} in the organisations you administer.")
    session.expire_all()
    # The one place where a person is forgotten: what else keeps personal data forgets it from here.
    forget_person(session, person_id)


def tell(session: Session, action: str, person_id: UUID, organisation_id: UUID, **detail: Any) -> None:
    """What was done to a person as a member of an organisation."""
    record(
        session,
        action,
        organisations=[organisation_id],
        object_kind="person",
        object_id=person_id,
        organisation=organisation_id,
        **detail,
    )


def _as_keeper(session: Session, caller: Principal, person_id: UUID) -> UUID:
    """Acts for the nearest organisation above all the person belongs to."""
    keeper_id = links.keeper(session, person_id)
    if keeper_id not in caller.readable:
        raise Forbidden(
            "This person also belongs to organisations that you do not administer. An administrator of the "
            "organisation above them all can do this."
        )
    act_for(session, caller, keeper_id)
    return keeper_id


def acting(session: Session, caller: Principal, organisation_id: UUID | None) -> UUID:
    """Acts for the organisation (None: the caller's) from here on; raises NotFound where the caller may not."""
    wanted = organisation_id or caller.organisation_id
    if wanted is None:
        raise Forbidden("Say for which organisation: organisation_id.")
    act_for(session, caller, wanted)
    return wanted


def kind_of(session: Session, organisation_id: UUID) -> str:
    return session.get_one(Organisation, organisation_id).kind


def grantable(caller: Principal, roles: Sequence[str], kind: str) -> list[str]:
    """The scopes of these roles; raises Unprocessable for one that this kind of organisation has not, Forbidden for
    what the caller does not hold."""
    if strange := sorted(set(roles) - set(TEMPLATE[kind])):
        raise Unprocessable(f"A {kind} has no role {', '.join(strange)}. It has: {', '.join(TEMPLATE[kind])}.")
    scopes = scopes_of(roles, kind)
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


def _not_gone(person: Person) -> None:
    if person.merged_into_id is not None or person.erased_at is not None:
        raise Conflict("This account was merged into another one or erased. It cannot be enabled again.")
