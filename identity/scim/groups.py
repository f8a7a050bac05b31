"""SCIM groups: whoever is a member holds the group's roles in the organisation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from scim2_models import ForbiddenException, InvalidValueException, Meta, NotFoundException, UniquenessException
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Conflict, NotFound
from identity.audit.service import record
from identity.models import Membership, Person
from identity.people.service import grantable, kind_of, tell
from identity.principal import Principal, act_for
from identity.scim.caller import Caller
from identity.scim.models import ScimGroup, ScimGroupMember
from identity.scim.schemas import Group, MemberRef
from identity.scopes import GROUP_ONLY, TEMPLATE, roles_in, scopes_of

# Of a member in no group with roles: enough to sign in and see that there is nothing.
NO_ROLE = ["settings:self"]


def seed(session: Session, organisation_id: UUID) -> None:
    """Each role as a group with those who hold it, where the organisation has no group yet."""
    if session.scalar(select(ScimGroup.id).where(ScimGroup.organisation_id == organisation_id).limit(1)):
        return
    home = select(Membership).join(Person, Person.id == Membership.person_id)
    members = session.scalars(
        home.where(Membership.organisation_id == organisation_id, Person.organisation_id == organisation_id)
    ).all()
    kind = kind_of(session, organisation_id)
    for role in TEMPLATE[kind]:
        group = _add(session, organisation_id, role, [role])
        holders = [m.person_id for m in members if role in roles_in(m.scopes, kind)]
        session.add_all(_member(group, person_id) for person_id in holders)
    session.flush()


def _add(session: Session, organisation_id: UUID, name: str, roles: list[str]) -> ScimGroup:
    now = datetime.now(UTC)
    made = ScimGroup(id=new_id(), organisation_id=organisation_id, display_name=name, roles=roles, created_at=now)
    made.updated_at = now
    session.add(made)
    session.flush()
    return made


def _member(group: ScimGroup, person_id: UUID) -> ScimGroupMember:
    return ScimGroupMember(organisation_id=group.organisation_id, group_id=group.id, person_id=person_id)


def of_people(session: Session, people: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, str]]]:
    """The groups of each, by id and name."""
    found = (
        select(ScimGroupMember.person_id, ScimGroup.id, ScimGroup.display_name)
        .join(ScimGroup, ScimGroup.id == ScimGroupMember.group_id)
        .where(ScimGroupMember.person_id.in_(people))
        .order_by(ScimGroup.display_name)
    )
    held: dict[UUID, list[tuple[UUID, str]]] = defaultdict(list)
    for person_id, group_id, name in session.execute(found):
        held[person_id].append((group_id, name))
    return held


def named(name: str, value: str) -> ColumnElement[bool] | None:
    """What a filter `name eq value` leaves, where the database can tell."""
    match name.lower():
        case "displayname":
            return func.lower(ScimGroup.display_name) == value.lower()
        case "externalid":
            return ScimGroup.external_id == value
    return None


def list_groups(
    session: Session, organisation_id: UUID, where: ColumnElement[bool] | None, limit: int | None, offset: int
) -> list[Group]:
    chosen = select(ScimGroup).where(ScimGroup.organisation_id == organisation_id).order_by(ScimGroup.id)
    chosen = chosen.limit(limit).offset(offset)
    return [_resource(session, one) for one in session.scalars(chosen if where is None else chosen.where(where))]


def count_groups(session: Session, organisation_id: UUID) -> int:
    mine = select(func.count()).select_from(ScimGroup).where(ScimGroup.organisation_id == organisation_id)
    return session.scalar(mine) or 0


def get_group(session: Session, organisation_id: UUID, group_id: str) -> Group:
    return _resource(session, _row(session, organisation_id, group_id))


def _row(session: Session, organisation_id: UUID, group_id: str, *, is_locked: bool = False) -> ScimGroup:
    try:
        found = session.get(ScimGroup, UUID(group_id), with_for_update=is_locked, populate_existing=is_locked)
    except ValueError:
        found = None
    if found is None or found.organisation_id != organisation_id:
        raise NotFoundException(detail=f"There is no group {group_id}.")
    return found


def _resource(session: Session, group: ScimGroup) -> Group:
    members = [
        MemberRef.model_validate({"value": str(person_id), "$ref": f"Users/{person_id}", "type": "User"})
        for person_id in _people(session, group)
    ]
    made = Group(id=str(group.id), display_name=group.display_name, members=members or None)
    made.external_id = group.external_id or None
    made.meta = Meta(resource_type="Group", created=group.created_at, last_modified=group.updated_at)
    return made


def _people(session: Session, group: ScimGroup) -> Sequence[UUID]:
    members = select(ScimGroupMember.person_id).where(ScimGroupMember.group_id == group.id)
    return session.scalars(members.order_by(ScimGroupMember.person_id)).all()


def create_group(session: Session, caller: Caller, given: Group) -> UUID:
    """A group called as a role holds it; what another one holds, an administrator says."""
    name = _free_name(session, caller, given, None)
    role = name.lower()
    made = _add(
        session,
        caller.organisation_id,
        name,
        [role] if role in TEMPLATE[kind_of(session, caller.organisation_id)] else [],
    )
    made.external_id = given.external_id or ""
    _tell(session, "scim_group_made", made)
    _set_members(session, caller, made, given)
    return made.id


def change_group(session: Session, caller: Caller, given: Group) -> None:
    group = _row(session, caller.organisation_id, str(given.id), is_locked=True)
    group.display_name = _free_name(session, caller, given, group.id)
    group.external_id, group.updated_at = given.external_id or "", datetime.now(UTC)
    _set_members(session, caller, group, given)
    _tell(session, "scim_group_changed", group)


def delete_group(session: Session, caller: Caller, group_id: str) -> None:
    group = _row(session, caller.organisation_id, group_id, is_locked=True)
    _remove(session, group, _people(session, group))
    session.delete(group)
    session.flush()
    _tell(session, "scim_group_deleted", group)


def leave_all(session: Session, person_id: UUID) -> None:
    mine = select(ScimGroup).join(ScimGroupMember, ScimGroupMember.group_id == ScimGroup.id)
    for group in session.scalars(mine.where(ScimGroupMember.person_id == person_id)).all():
        _remove(session, group, [person_id])


def _free_name(session: Session, caller: Caller, given: Group, group_id: UUID | None) -> str:
    name = (given.display_name or "").strip()
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise InvalidValueException(detail="A group's displayName has 1 to 200 printable characters.")
    same = select(ScimGroup.id).where(
        ScimGroup.organisation_id == caller.organisation_id, func.lower(ScimGroup.display_name) == name.lower()
    )
    other = session.scalar(same if group_id is None else same.where(ScimGroup.id != group_id))
    if other is not None:
        raise UniquenessException(detail=f"There is a group {name} already.")
    return name


def _set_members(session: Session, caller: Caller, group: ScimGroup, given: Group) -> None:
    """Raises InvalidValueException for a member who is no user of the organisation."""
    wanted = {member.value for member in given.members or [] if member.value}
    people = select(Person.id).join(Membership, Membership.person_id == Person.id)
    mine = people.where(
        Membership.organisation_id == caller.organisation_id, Person.organisation_id == caller.organisation_id
    )
    known = {str(key): key for key in session.scalars(mine.where(Person.id.in_(_uuids(wanted))))}
    unknown = sorted(wanted - set(known))
    if unknown:
        raise InvalidValueException(detail=f"{unknown[0][:60]} is no user. Members of a group are users.")
    had = set(_people(session, group))
    _remove(session, group, had - set(known.values()))
    gained = set(known.values()) - had
    _check_grantable(session, caller, group.roles if gained else [])
    session.add_all(_member(group, person_id) for person_id in gained)
    session.flush()
    for person_id in gained:
        _follow(session, group, person_id)


def _uuids(given: Iterable[str]) -> list[UUID]:
    found = []
    for one in given:
        try:
            found.append(UUID(one))
        except ValueError:
            raise InvalidValueException(detail=f"{one[:60]} is no user. Members of a group are users.") from None
    return found


def _remove(session: Session, group: ScimGroup, people: Iterable[UUID]) -> None:
    for person_id in people:
        session.delete(session.get_one(ScimGroupMember, (group.id, person_id)))
        session.flush()
        _follow(session, group, person_id, group.roles)


def _follow(session: Session, group: ScimGroup, person_id: UUID, lost: Iterable[str] = ()) -> None:
    """The membership carries what it had without `lost`, and the roles of the groups the person is in."""
    member = session.get(Membership, (group.organisation_id, person_id), with_for_update=True)
    if member is None:
        return
    kind = kind_of(session, group.organisation_id)
    template = TEMPLATE[kind]
    taken = [template[role] for role in lost if role in template]
    # Several roles may have the same scopes: with one of them the other is lost.
    kept = {role for role in roles_in(member.scopes, kind) if not any(template[role] <= scopes for scopes in taken)}
    scopes = scopes_of(kept | _held(session, person_id), kind) or NO_ROLE
    if sorted(member.scopes) == sorted(scopes):
        return
    before, member.scopes = set(member.scopes), scopes
    session.flush()
    changed = {"granted": sorted(set(scopes) - before), "revoked": sorted(before - set(scopes))}
    tell(session, "membership_changed", person_id, group.organisation_id, group=group.id, **changed)


def _held(session: Session, person_id: UUID) -> set[str]:
    found = select(ScimGroup.roles).join(ScimGroupMember, ScimGroupMember.group_id == ScimGroup.id)
    return {r for roles in session.scalars(found.where(ScimGroupMember.person_id == person_id)) for r in roles}


def _check_grantable(session: Session, caller: Caller, roles: Sequence[str]) -> None:
    beyond = sorted(set(scopes_of(roles, kind_of(session, caller.organisation_id))) - GROUP_ONLY - caller.grantable)
    if beyond:
        raise ForbiddenException(detail=f"Who made this token could not grant {', '.join(beyond)}, nor can it.")


def list_all(session: Session) -> Sequence[ScimGroup]:
    """Of every organisation the caller may read."""
    return session.scalars(select(ScimGroup).order_by(ScimGroup.display_name, ScimGroup.id)).all()


def change_roles(session: Session, me: Principal, group_id: UUID, roles: Sequence[str]) -> ScimGroup:
    """Which roles the group holds from now on; its members follow at once."""
    group = session.get(ScimGroup, group_id)
    if group is None:
        raise NotFound(f"There is no SCIM group {group_id}.")
    act_for(session, me, group.organisation_id)
    people = _people(session, group)
    if me.id in people:
        raise Conflict("You are in this group, and cannot change your own roles: ask another administrator.")
    grantable(me, sorted({*roles, *group.roles}), kind_of(session, group.organisation_id))
    before, group.roles = group.roles, sorted(set(roles))
    session.flush()
    for person_id in people:
        _follow(session, group, person_id, before)
    _tell(session, "scim_group_changed", group)
    return group


def _tell(session: Session, action: str, group: ScimGroup) -> None:
    places, roles = [group.organisation_id], list(group.roles)
    record(session, action, organisations=places, object_kind="scim_group", object_id=group.id, roles=roles)
