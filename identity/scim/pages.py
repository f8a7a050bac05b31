"""Page: provisioning of an organisation's people, its tokens and what its groups hold."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from hub.pages import render
from hub.web import SessionDep
from identity.access import CanWritePeople
from identity.forms import Field, attempt, go
from identity.organisations.service import list_organisations
from identity.principal import Principal
from identity.scim import groups, tokens
from identity.scim.schemas import GroupRoles, TokenIn, TokenMade
from identity.scopes import TEMPLATE

router = APIRouter(include_in_schema=False)
HERE = "/provisioning"


@router.get(HERE)
def provisioning_page(request: Request, session: SessionDep, me: CanWritePeople) -> Response:
    return _page(request, session, me)


def _page(
    request: Request, session: Session, me: Principal, error: str = "", made: TokenMade | None = None
) -> Response:
    return render(
        request,
        "provisioning.html",
        status=422 if error else 200,
        me=me,
        names={o.id: o for o in list_organisations(session)},
        tokens=tokens.list_tokens(session),
        groups=groups.list_all(session),
        roles=list(dict.fromkeys(role for roles in TEMPLATE.values() for role in roles)),
        made=made,
        error=error,
    )


@router.post("/provisioning/tokens")
def create_token(request: Request, session: SessionDep, me: CanWritePeople, name: Field = "") -> Response:
    made, error = attempt(session, me, lambda: tokens.create_token(session, me, TokenIn(name=name)))
    return _page(request, session, me, error, made)


@router.post("/provisioning/tokens/{token_id}")
def revoke_token(request: Request, session: SessionDep, me: CanWritePeople, token_id: UUID) -> Response:
    _, error = attempt(session, me, lambda: tokens.revoke_token(session, me, token_id))
    return _page(request, session, me, error) if error else go(HERE)


@router.post("/provisioning/groups/{group_id}")
def change_group(
    request: Request,
    session: SessionDep,
    me: CanWritePeople,
    group_id: UUID,
    roles: Annotated[list[str] | None, Form()] = None,
) -> Response:
    given = {"roles": roles or []}
    _, error = attempt(
        session, me, lambda: groups.change_roles(session, me, group_id, GroupRoles.model_validate(given).roles)
    )
    return _page(request, session, me, error) if error else go(HERE)
