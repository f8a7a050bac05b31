"""The demonstration group, entered into the hub as an administrator would: organisations, people, systems, the agent,
exchange rates, the cross-reference file. Entered once; what grows by the day is brought up to date at each start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from demo.group import DemoGroup
from demo.plants import GROUP, Person, System
from demo.plants import Organisation as Plant
from hub.columns import new_id
from hub.database import Tenancy, set_tenancy, unit_of_work
from hub.jobs import defer
from hub.models import Organisation
from identity import models
from identity.agents.schemas import AgentIn, Grant
from identity.agents.service import create_agent
from identity.oauth.schemas import ClientIn
from identity.oauth.service import create_client
from identity.organisations.schemas import OrganisationIn
from identity.organisations.service import create_organisation
from identity.partners import service as partners
from identity.partners.schemas import PartnerGrantIn
from identity.people.schemas import PersonIn
from identity.people.service import add_person
from identity.principal import Principal, act_for
from identity.scopes import ROLES, scopes_of
from identity.secrets import hash_password
from masterdata.disclosure.schemas import DisclosureIn, RuleIn
from masterdata.disclosure.service import put_disclosure
from masterdata.lake.apart import BUILD
from masterdata.landscape.models import SourceSystem
from masterdata.landscape.schemas import SystemIn
from masterdata.landscape.service import register_system
from masterdata.materials.models import CrossReference, ExchangeRate

AGENT, ADMINISTRATOR = "demo", "admin@cloudcliff.example"
# An application at a terminal: any port of this machine, no secret; people are asked before it sees stock.
APPLICATION = ClientIn(
    client_name="班组终端 Shift terminal",
    application_type="native",
    token_endpoint_auth_method="none",  # noqa: S106 - the name of a method
    redirect_uris=["http://127.0.0.1/callback"],
    grant_types=["authorization_code", "refresh_token"],
    scopes=["openid", "profile", "email", "offline_access", "inventory:read"],
)
FIRST_BUILD = timedelta(minutes=3)
# Plants name the job, the hub the rights.
ROLE_OF = {"keeper": "steward"}


@dataclass(frozen=True, slots=True)
class Founded:
    """`code` enrols the agent; None where the group was there before."""

    code: str | None


def found(owner: Engine, application: Engine, group: DemoGroup) -> Founded:
    """Enter the group; a second time only what has grown since."""
    if _group_id(owner) is not None:
        with unit_of_work(application, _everyone(owner)) as session:
            _rates(session, group)
        return Founded(None)
    root = _root(group)
    with unit_of_work(owner, Tenancy((root.id,))) as session:
        session.add(root)
    with unit_of_work(application, Tenancy((root.id,), root.id)) as session:
        return Founded(_enter(session, group, root.id))


def _group_id(owner: Engine) -> UUID | None:
    with unit_of_work(owner, Tenancy()) as session:
        return session.scalar(select(Organisation.id).where(Organisation.parent_id.is_(None)))


def _everyone(owner: Engine) -> Tenancy:
    with unit_of_work(owner, Tenancy()) as session:
        ids = tuple(session.scalars(select(Organisation.id)))
    return Tenancy(ids, _group_id(owner))


def _root(group: DemoGroup) -> Organisation:
    plant = next(one for one in group.organisations() if one.parent is None)
    return Organisation(id=new_id(), **_fields(plant), kind="group")


def _fields(plant: Plant) -> dict[str, str]:
    names = ("key", "name_zh", "name_en", "seal", "letter", "currency", "zone")
    return {name: getattr(plant, name) for name in names}


def _enter(session: Session, group: DemoGroup, root: UUID) -> str:
    caller = _administrator(root)
    ids = {GROUP: root}
    below = [one for one in group.organisations() + group.partners() if one.parent is not None]
    for rank, one in enumerate(below):
        given = OrganisationIn(**_fields(one), kind=one.kind, rank=rank)  # type: ignore[arg-type]
        ids[one.key] = create_organisation(session, caller, given).id
    kinds, readable = {one.key: one.kind for one in group.organisations() + group.partners()}, tuple(ids.values())
    people: dict[str, UUID] = {}
    for person in group.people():
        set_tenancy(session, Tenancy(readable, ids[person.organisation]))
        people[person.email] = _person(session, person, ids[person.organisation], kinds[person.organisation])
    for system in group.systems():
        set_tenancy(session, Tenancy(readable, ids[system.organisation]))
        register_system(session, _system(system))
    set_tenancy(session, Tenancy(readable, root))
    _rates(session, group)
    _cross_references(session, group, ids)
    grants = [Grant(system=one.key, organisation_ids=[ids[one.organisation]]) for one in group.systems()]
    everyone = replace(_administrator(root, readable), id=people[ADMINISTRATOR])
    _partners(session, group, everyone, ids, people)
    set_tenancy(session, everyone.tenancy)
    create_client(session, everyone, APPLICATION)
    # By then the plants have told most of their two years.
    defer(session, BUILD, lock=BUILD, reason="demonstration", run_at=datetime.now(UTC) + FIRST_BUILD)
    return create_agent(session, everyone, AgentIn(name=AGENT, grants=grants)).code


def _administrator(root: UUID, readable: tuple[UUID, ...] = ()) -> Principal:
    scopes = frozenset(scopes_of(ROLES))
    return Principal("person", new_id(), "hub demo", root, readable or (root,), scopes, is_group=True)


def _partners(
    session: Session, group: DemoGroup, caller: Principal, ids: dict[str, UUID], people: dict[str, UUID]
) -> None:
    """What plants let partners do, and show their sisters."""
    for one in group.delegations():
        given = PartnerGrantIn(partner=one.partner, roles=list(one.roles), organisation_id=ids[one.giver])  # type: ignore[arg-type]
        made = partners.grant(session, caller, given)
        for email in one.people:
            partners.assign(session, caller, made.id, people[email], one.roles)
    for shown in group.disclosed():
        plant = act_for(session, caller, ids[shown.organisation])
        rule = RuleIn(partner_kind=shown.partner_kind, class_prefix=shown.class_prefix, level=shown.level)
        put_disclosure(session, plant, DisclosureIn(rules=[rule]))


def _person(session: Session, person: Person, organisation_id: UUID, kind: str) -> UUID:
    roles = [ROLE_OF.get(role, role) for role in person.roles]
    name = person.name_zh if person.language == "zh" else person.name_en
    given = PersonIn(email=person.email, name=name, roles=roles, locale=person.language)  # type: ignore[arg-type]
    person_id = add_person(session, organisation_id, given)
    made = session.get(models.Person, person_id)
    if made is not None:
        made.password_hash = hash_password(person.password)
    scopes = scopes_of(roles, kind)
    session.add(models.Membership(organisation_id=organisation_id, person_id=person_id, scopes=scopes))
    session.flush()
    return person_id


def _system(system: System) -> SystemIn:
    return SystemIn(
        key=system.key,
        kind=system.mapping,
        name_zh=system.name_zh,
        name_en=system.name_en,
        zone=system.zone,
        organisations=[system.organisation],
    )


def _rates(session: Session, group: DemoGroup) -> None:
    known = set(session.execute(select(ExchangeRate.currency, ExchangeRate.rate_on)))
    fresh = [
        {"currency": one.currency, "rate_on": one.valid_on, "rate": one.rate}
        for one in group.rates()
        if (one.currency, one.valid_on) not in known
    ]
    if fresh:
        session.execute(insert(ExchangeRate), fresh)


def _cross_references(session: Session, group: DemoGroup, ids: dict[str, UUID]) -> None:
    systems = {one.key: one for one in session.scalars(select(SourceSystem))}
    readable = tuple(ids.values())
    for organisation_id in readable:
        rows = [
            {
                "organisation_id": organisation_id,
                "system_id": systems[one.system].id,
                "item_id": one.item_id,
                "group_number": one.number,
            }
            for one in group.xref()
            if systems[one.system].organisation_id == organisation_id
        ]
        set_tenancy(session, Tenancy(readable, organisation_id))
        if rows:
            session.execute(insert(CrossReference), rows)
