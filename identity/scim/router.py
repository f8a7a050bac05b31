"""HTTP: the SCIM server of each organisation (RFC 7644), and for administrators its tokens and groups."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from scim2_models import PayloadTooLargeException, SCIMException, UnauthorizedException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService
from sqlalchemy.orm import Session

from hub.web import OpenSessionDep, Router, SessionDep
from identity.access import CanReadPeople, CanWritePeople
from identity.audit.service import note
from identity.scim import groups, tokens
from identity.scim.schemas import BODY_MAX, PROVIDER, GroupOut, GroupRoles, TokenIn, TokenMade, TokenOut
from identity.scim.storage import Storage

log = structlog.get_logger(__name__)

protocol = APIRouter(include_in_schema=False)
router = Router(prefix="/v1/scim", tags=["provisioning"])
# Not idempotent: an answer that holds a token must not be kept.
secret = APIRouter(prefix="/v1/scim", tags=["provisioning"])

_service = ScimService(PROVIDER)


async def _body(request: Request) -> bytes:
    """Read before a connection is taken: it may follow slowly."""
    return await request.body()


@protocol.api_route("/scim/v2/{organisation_id}/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def scim(
    request: Request,
    body: Annotated[bytes, Depends(_body)],
    session: OpenSessionDep,
    organisation_id: UUID,
    path: str,
) -> Response:
    asked = ScimRequest(
        method=request.method,
        base_url=tokens.base_url(organisation_id),
        path=f"/{path}",
        query=dict(request.query_params),
        headers=list(request.headers.items()),
        body=body,
    )
    try:
        if len(body) > BODY_MAX:
            raise PayloadTooLargeException
        answer = _answer(session, asked, organisation_id)
    except SCIMException as refused:
        log.info("scim_refused", organisation=str(organisation_id), status=refused.status, detail=refused.detail)
        # What was refused to a token; without one anybody could fill the log.
        if refused.status == 403 and "caller" in session.info:
            note(session, "scim_refused", organisations=[organisation_id], status=403)
        answer = _service.error_response(refused)
    if answer.body is None:
        return Response(status_code=answer.status, headers=answer.headers)
    return JSONResponse(answer.body, answer.status, headers=answer.headers, media_type=answer.headers["Content-Type"])


def _answer(session: Session, asked: ScimRequest, organisation_id: UUID) -> ScimResponse:
    scheme, _, token = (asked.header("authorization") or "").partition(" ")
    caller = tokens.authenticate(session, token.strip(), organisation_id) if scheme.lower() == "bearer" else None
    if caller is None:
        raise UnauthorizedException(detail="The bearer token is none of this organisation, or has ended.")
    return ScimHandler(_service, Storage(session, caller)).handle(asked)


@router.get("/tokens")
def list_scim_tokens(session: SessionDep, _: CanWritePeople) -> list[TokenOut]:
    """Tokens of provisioning that are good."""
    return [TokenOut.model_validate(one) for one in tokens.list_tokens(session)]


@secret.post("/tokens", status_code=201)
def create_scim_token(given: TokenIn, session: SessionDep, me: CanWritePeople) -> TokenMade:
    """A new token of provisioning, shown once; older ones go on until they are revoked or end."""
    return tokens.create_token(session, me, given)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_scim_token(token_id: UUID, session: SessionDep, me: CanWritePeople) -> None:
    """End a token of provisioning at once."""
    tokens.revoke_token(session, me, token_id)


@router.get("/groups")
def list_scim_groups(session: SessionDep, _: CanReadPeople) -> list[GroupOut]:
    """Groups that provisioning fills, and the roles they hold."""
    return [GroupOut.model_validate(one) for one in groups.list_all(session)]


@router.patch("/groups/{group_id}")
def change_scim_group(group_id: UUID, given: GroupRoles, session: SessionDep, me: CanWritePeople) -> GroupOut:
    """Say which roles a group holds; its members follow at once."""
    return GroupOut.model_validate(groups.change_roles(session, me, group_id, given.roles))
