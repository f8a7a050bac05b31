"""Who asks the matrix: others who may do all that their kind may, those who are out, and those who prove that an
address is right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from hub.database import Tenancy, unit_of_work
from identity.oauth import tokens
from identity.principal import COOKIE
from identity.scopes import AGENT_SCOPES, ROLES, effective
from identity.sessions.service import Opened
from tests.conftest import GROUP
from tests.identity.test_agents import bearer
from tests.isolation import things
from tests.isolation.matrix import Caller
from tests.isolation.world import Tenant, World

EVERY = sorted(ROLES["admin"])
SUSPEND = "update membership set disabled_at = now() where person_id = %s"
DISABLE = "update person set disabled_at = now() where id = %s"


def cookie(opened: Opened) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={opened.token}", "x-csrf-token": opened.csrf}


def acting(engine: Engine, place: UUID) -> Any:
    return unit_of_work(engine, Tenancy((GROUP, place), place))


def by_cookie(engine: Engine, tenant: Tenant, name: str) -> Caller:
    with acting(engine, tenant.id) as session:
        opened = things.signed_in(session, tenant.person_id)
    return Caller(name, cookie(opened), tenant.id, effective(EVERY, tenant.kind))


def by_agent(tenant: Tenant, name: str) -> Caller:
    return Caller(name, bearer(str(tenant.agent_id), tenant.key_pair), tenant.id, AGENT_SCOPES)


def by_token(engine: Engine, tenant: Tenant, name: str) -> Caller:
    """A person by an application that was granted everything."""
    with acting(engine, tenant.id) as session:
        opened = things.signed_in(session, tenant.person_id)
        token = _token(session, tenant, opened)
    return Caller(name, {"authorization": f"Bearer {token}"}, tenant.id, effective(EVERY, tenant.kind))


def _token(session: Session, tenant: Tenant, opened: Opened) -> str:
    made = things.granted(session, tenant.id, UUID(tenant.things["client_id"]), opened, EVERY)
    given = tokens.find_standing(session, made.id)
    assert given is not None
    return tokens.access_token(session, given.client_id, tokens.about_person(given), frozenset(EVERY))


def others(engine: Engine, world: World) -> list[Caller]:
    """Of another subsidiary, a supplier, a carrier: by session, by token, and their agents."""
    found = []
    for tenant in (world.tenants[1], world.tenants[4], world.tenants[5]):
        found += [by_cookie(engine, tenant, tenant.kind), by_token(engine, tenant, f"{tenant.kind} by token")]
        found += [by_agent(tenant, f"{tenant.kind}'s agent")]
    return found


def out(engine: Engine, owner: Any, a: Tenant, patch: pytest.MonkeyPatch) -> list[Caller]:
    """Nobody, and those of A who are out."""
    opened: dict[str, Opened] = {}
    with acting(engine, a.id) as session:
        for name in ("expired session", "suspended membership", "disabled person"):
            person = things.another(session, a.id, f"{name.replace(' ', '-')}@mail.example", EVERY)
            opened[name] = things.signed_in(session, person)
            things.set_tenancy(session, Tenancy((GROUP, a.id), a.id))
    with unit_of_work(engine, Tenancy((a.id,), a.id, opened["expired session"].person_id)) as session:
        things.expire(session, opened["expired session"])
    owner.execute(SUSPEND, [opened["suspended membership"].person_id])
    owner.execute(DISABLE, [opened["disabled person"].person_id])
    with patch.context() as aged:
        aged.setattr(tokens, "ACCESS_SECONDS", -60)
        expired = by_token(engine, a, "expired access token")
    return [Caller("nobody", {}), expired, *(Caller(name, cookie(one)) for name, one in opened.items())]


def proving(engine: Engine, a: Tenant) -> list[Caller]:
    """Those of A and of head office, for whom its things are there."""
    with acting(engine, GROUP) as session:
        person = things.another(session, GROUP, "root@mail.example", EVERY)
        root = things.signed_in(session, person)
    head = Caller("head office", cookie(root), GROUP, effective(EVERY, "group"))
    return [by_cookie(engine, a, "itself"), by_agent(a, "its agent"), by_token(engine, a, "itself by token"), head]
