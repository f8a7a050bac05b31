"""SCIM users are people at home in the organisation who are members of it: read, made, changed and taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from scim2_models import InvalidValueException, Meta, NotFoundException, Reference, UniquenessException
from sqlalchemy import ColumnElement, Row, Select, func, select, text
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import set_tenancy
from hub.models import Organisation
from identity.fields import Email, Zone
from identity.models import Membership, Person
from identity.people.service import tell
from identity.scim import groups
from identity.scim.caller import Caller
from identity.scim.models import ScimUser
from identity.scim.schemas import Group, GroupRef, User
from identity.sessions.service import end_other_sessions

KEPT = {"active", "name", "display_name", "title", "preferred_language", "timezone", "emails"}

_email: TypeAdapter[str] = TypeAdapter(Email)
_zone: TypeAdapter[str] = TypeAdapter(Zone)
Found = Row[Person, ScimUser | None]


def _known(organisation_id: UUID) -> Select[Person, ScimUser | None]:
    member = (Membership.person_id == Person.id) & (Membership.organisation_id == organisation_id)
    said = (ScimUser.person_id == Person.id) & (ScimUser.organisation_id == organisation_id)
    mine = select(Person, ScimUser).join(Membership, member).outerjoin(ScimUser, said)
    return mine.where(Person.organisation_id == organisation_id).order_by(Person.id)


def named(name: str, value: str) -> ColumnElement[bool] | None:
    """What a filter `name eq value` leaves, where the database can tell."""
    match name.lower():
        case "username":
            return func.coalesce(ScimUser.user_name, Person.email) == value.casefold()
        case "externalid":
            return ScimUser.external_id == value
        case "id":
            return Person.id == _uuid(value)
    return None


def list_users(
    session: Session, organisation_id: UUID, where: ColumnElement[bool] | None, limit: int | None, offset: int
) -> list[User]:
    chosen = _known(organisation_id).limit(limit).offset(offset)
    rows = session.execute(chosen if where is None else chosen.where(where)).all()
    held = groups.of_people(session, [row[0].id for row in rows])
    return [_resource(row, held.get(row[0].id, ())) for row in rows]


def count_users(session: Session, organisation_id: UUID) -> int:
    return session.scalar(select(func.count()).select_from(_known(organisation_id).subquery())) or 0


def get_user(session: Session, organisation_id: UUID, user_id: str) -> User:
    person = _row(session, organisation_id, user_id)
    return _resource(person, groups.of_people(session, [person[0].id]).get(person[0].id, ()))


def _row(session: Session, organisation_id: UUID, user_id: str, *, is_locked: bool = False) -> Found:
    chosen = _known(organisation_id).where(Person.id == _uuid(user_id))
    row = session.execute(chosen.with_for_update(of=Person) if is_locked else chosen).one_or_none()
    if row is None:
        raise NotFoundException(detail=f"There is no user {user_id}.")
    return row


def _resource(row: Found, held: Sequence[tuple[UUID, str]]) -> User:
    person, said = row
    emails = [{"value": person.email, "primary": True}]
    plain = {"displayName": person.name, "emails": emails, "userName": person.email, "active": True}
    given = dict(said.attributes) if said is not None else plain
    made = User.model_validate(given | {"id": str(person.id)})
    made.groups = [_group(key, name) for key, name in held] or None
    if made.active is not None or person.disabled_at is not None:
        made.active = person.disabled_at is None
    made.external_id = said.external_id or None if said is not None else None
    changed = said.updated_at if said is not None else person.created_at
    made.meta = Meta(resource_type="User", created=person.created_at, last_modified=changed)
    return made


def _group(key: UUID, name: str) -> GroupRef:
    return GroupRef(value=str(key), ref=Reference[Group](f"Groups/{key}"), display=name)


def create_user(session: Session, caller: Caller, given: User) -> UUID:
    """An account of this home that lost its membership gets it back. Raises UniquenessException for any other."""
    _check_name(session, caller, given, None)
    person_id = new_id()
    email = _address(session, caller, given, person_id)
    account = session.scalar(select(Person).where(Person.email == email))
    if account is None and session.scalar(text("select identity_is_taken(:email)"), {"email": email}):
        raise UniquenessException(detail=f"{email} has an account elsewhere in the group.")
    if account is None:
        account = Person(id=person_id, organisation_id=caller.organisation_id, email=email, name=email)
        session.add(account)
        session.flush()
    elif account.organisation_id != caller.organisation_id or _is_member(session, caller, account.id):
        raise UniquenessException(detail=f"{email} has an account already.")
    session.add(Membership(organisation_id=caller.organisation_id, person_id=account.id, scopes=groups.NO_ROLE))
    _write(session, caller, account, given)
    tell(session, "person_provisioned", account.id, caller.organisation_id)
    return account.id


def change_user(session: Session, caller: Caller, given: User) -> None:
    """Raises UniquenessException where the name or the address is another's."""
    person = _row(session, caller.organisation_id, str(given.id), is_locked=True)[0]
    _check_name(session, caller, given, person.id)
    email = _address(session, caller, given, person.id)
    if email != person.email:
        _change_address(session, caller, person, email)
    _write(session, caller, person, given)
    tell(session, "person_changed", person.id, caller.organisation_id)


def delete_user(session: Session, caller: Caller, user_id: str) -> None:
    """Ends the membership and the sessions; the account stays, and what it did."""
    person, said = _row(session, caller.organisation_id, user_id, is_locked=True)
    groups.leave_all(session, person.id)
    session.delete(session.get_one(Membership, (caller.organisation_id, person.id)))
    if said is not None:
        session.delete(said)
    session.flush()
    _end_sessions(session, caller, person.id)
    tell(session, "membership_ended", person.id, caller.organisation_id)


def _check_name(session: Session, caller: Caller, given: User, person_id: UUID | None) -> None:
    taken = _known(caller.organisation_id).with_only_columns(Person.id).order_by(None)
    name = named("userName", given.user_name or "")
    other = session.scalar(taken.where(*([name] if name is not None else []), Person.id != (person_id or new_id())))
    if other is not None:
        raise UniquenessException(detail=f"The userName {given.user_name} is taken.")


def _is_member(session: Session, caller: Caller, person_id: UUID) -> bool:
    return session.get(Membership, (caller.organisation_id, person_id)) is not None


def _address(session: Session, caller: Caller, given: User, person_id: UUID) -> str:
    """The primary address, or the first, or a userName that is one. Without any, an address that no mail reaches: such
    an account signs in at the organisation's provider alone."""
    said = sorted(given.emails or [], key=lambda e: not e.primary)
    for value in (*(e.value for e in said), given.user_name):
        try:
            return _email.validate_python(value)
        except ValidationError:
            continue
    key = session.scalar(select(Organisation.key).where(Organisation.id == caller.organisation_id))
    return f"{person_id}@{key}.invalid"


def _change_address(session: Session, caller: Caller, person: Person, email: str) -> None:
    """Who chooses the address can have a new password sent to it: only where nobody else's access hangs on it."""
    keepers = session.scalar(text("select identity_keepers(:id)"), {"id": person.id}) or []
    if caller.organisation_id not in keepers:
        raise InvalidValueException(
            detail="The address of a person who also belongs to other organisations is changed by themselves."
        )
    if session.scalar(text("select identity_is_taken(:email)"), {"email": email}):
        raise UniquenessException(detail=f"{email} has an account already.")
    person.email = email
    tell(session, "email_changed", person.id, caller.organisation_id)


def _write(session: Session, caller: Caller, person: Person, given: User) -> None:
    """What SCIM said, and what of it the account is made of."""
    person.name = _name(given)[:120]
    spoken = (given.preferred_language or "").partition("-")[0].lower()
    person.locale = spoken if spoken in ("zh", "en") else person.locale
    person.zone = _zone_of(given) or person.zone
    is_disabled = given.active is False
    if is_disabled != (person.disabled_at is not None):
        person.disabled_at = datetime.now(UTC) if is_disabled else None
        tell(session, "person_disabled" if is_disabled else "person_enabled", person.id, caller.organisation_id)
    attributes = given.model_dump(include=KEPT | {"user_name"}, mode="json", by_alias=True, exclude_none=True)
    said = session.get(ScimUser, (caller.organisation_id, person.id))
    if said is None:
        said = ScimUser(organisation_id=caller.organisation_id, person_id=person.id)
        session.add(said)
    said.user_name, said.external_id = (given.user_name or "").casefold(), given.external_id or ""
    said.attributes, said.updated_at = attributes, datetime.now(UTC)
    session.flush()
    if is_disabled:
        _end_sessions(session, caller, person.id)


def _name(given: User) -> str:
    parts = given.name
    whole = " ".join(p for p in (parts.given_name, parts.family_name) if p) if parts else ""
    named_as = given.display_name or (parts.formatted if parts else "") or whole or given.user_name or ""
    return "".join(c for c in named_as if c.isprintable()).strip() or str(given.user_name)


def _zone_of(given: User) -> str | None:
    try:
        return _zone.validate_python(given.timezone)
    except ValidationError:
        return None


def _end_sessions(session: Session, caller: Caller, person_id: UUID) -> None:
    set_tenancy(session, replace(caller.tenancy, person=person_id))
    end_other_sessions(session, person_id, keep=None)
    set_tenancy(session, caller.tenancy)


def _uuid(given: str) -> UUID:
    """An id nobody has, for what is none."""
    try:
        return UUID(given)
    except ValueError:
        return UUID(int=0)
