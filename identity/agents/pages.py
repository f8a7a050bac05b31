"""Page: connector agents, their codes and how they do."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from hub.errors import Unprocessable
from hub.pages import render
from hub.web import SessionDep
from identity.access import CanReadFeeds, CanWriteSystems, RecentSignIn
from identity.agents import service
from identity.agents.router import shown
from identity.agents.schemas import AgentIn, AgentPatch
from identity.forms import Field, attempt, go
from identity.organisations.service import list_organisations
from identity.principal import Principal

router = APIRouter(include_in_schema=False)


@router.get("/agents")
def agents_page(request: Request, session: SessionDep, me: CanReadFeeds) -> Response:
    return _agents(request, session, me)


def _agents(
    request: Request, session: Session, me: Principal, code: service.Code | None = None, error: str = ""
) -> Response:
    organisations = list_organisations(session)
    agents = shown(session, service.list_agents(session))
    return render(
        request,
        "agents.html",
        status=422 if error else 200,
        me=me,
        agents=agents,
        organisations=organisations,
        keys={o.id: o.key for o in organisations},
        code=code,
        error=error,
    )


@router.post("/agents", dependencies=[RecentSignIn])
def create(
    request: Request, session: SessionDep, me: CanWriteSystems, name: Field = "", grants: Annotated[str, Form()] = ""
) -> Response:
    """`grants` has one line per source system: its key, a colon, the keys of its organisations."""

    def act() -> service.Code:
        return service.create_agent(
            session, me, AgentIn.model_validate({"name": name, "grants": _read(session, grants)})
        )

    code, error = attempt(session, me, act)
    return _agents(request, session, me, code, error)


@router.post("/agents/{agent_id}", dependencies=[RecentSignIn])
def change(request: Request, session: SessionDep, me: CanWriteSystems, agent_id: UUID, action: Field = "") -> Response:
    """`action` is the button: code, disable or enable."""
    if action == "code":
        code, error = attempt(session, me, lambda: service.renew_code(session, me, agent_id))
        return _agents(request, session, me, code, error)
    patch = AgentPatch(is_disabled=action == "disable")
    _, error = attempt(session, me, lambda: service.change_agent(session, me, agent_id, patch))
    return _agents(request, session, me, None, error) if error else go("/agents")


def _read(session: Session, grants: str) -> list[dict[str, object]]:
    ids = {o.key: o.id for o in list_organisations(session)}
    found: dict[str, list[UUID]] = defaultdict(list)
    for line in filter(str.strip, grants.splitlines()):
        system, _, keys = line.partition(":")
        for key in keys.replace(",", " ").split():
            if key not in ids:
                raise Unprocessable(f"There is no organisation {key} you may act for.")
            found[system.strip()].append(ids[key])
    return [{"system": system, "organisation_ids": organisations} for system, organisations in found.items()]
