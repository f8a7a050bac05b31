"""HTTP: invitations, for administrators and for whoever holds a link."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from hub.paging import Page, PagingDep, cut
from hub.web import OpenSessionDep, Router, SessionDep
from identity.access import CanChangeOwnSettings, CanReadPeople, CanWritePeople
from identity.invitations import service
from identity.invitations.schemas import (
    AddressIn,
    InvitationIn,
    InvitationMade,
    InvitationOut,
    JoinedOut,
    Link,
    NewAccount,
)
from identity.sessions.router import OwnPage, browser_of, set_cookie
from identity.sessions.schemas import SignedInOut

router = Router(prefix="/v1/invitations", tags=["invitations"])
# Not idempotent: an answer that holds a link must not be kept.
secret = APIRouter(prefix="/v1/invitations", tags=["invitations"])


@router.get("")
def list_invitations(
    session: SessionDep, _: CanReadPeople, page: PagingDep, organisation_id: UUID | None = None
) -> Page[InvitationOut]:
    """Invitations of one organisation, or of every organisation you may read; the newest first."""
    (key,) = page.key((UUID,)) or (None,)
    rows = service.list_invitations(session, organisation_id, after=key, limit=page.limit + 1)
    invitations, after = cut(rows, page.limit, lambda i: (i.id,))
    return Page(items=[service.shown(i) for i in invitations], next=after)


@secret.post("", response_model=InvitationMade, status_code=201)
def create_invitation(given: InvitationIn, session: SessionDep, me: CanWritePeople) -> InvitationMade:
    """Invite somebody: the link goes out by mail where an address is given, and stands in the answer."""
    made = service.invite(session, me, given)
    return InvitationMade(invitation=service.shown(made.invitation), link=made.link)


@secret.post("/{invitation_id}/link", response_model=InvitationMade, status_code=201)
def resend_invitation(invitation_id: UUID, session: SessionDep, me: CanWritePeople) -> InvitationMade:
    """A new link, mailed where an address is known; the one before opens nothing any more."""
    made = service.resend(session, me, invitation_id)
    return InvitationMade(invitation=service.shown(made.invitation), link=made.link)


@router.delete("/{invitation_id}", status_code=204)
def revoke_invitation(invitation_id: UUID, session: SessionDep, me: CanWritePeople) -> None:
    """Take an invitation back."""
    service.revoke(session, me, invitation_id)


@router.post("/accept", response_model=JoinedOut)
def accept_invitation(given: Link, session: SessionDep, me: CanChangeOwnSettings) -> JoinedOut:
    """Join with the account you are signed in to."""
    return JoinedOut(organisation_id=service.accept(session, me, given.token))


@router.post("/address", status_code=202, response_class=Response, dependencies=[OwnPage])
def mail_invitation(given: AddressIn, request: Request, session: OpenSessionDep) -> Response:
    """Have the link mailed to the address you want to sign in with."""
    service.mail_link(session, given.token, given.email, browser_of(request).address)
    return Response(status_code=202)


@router.post("/accept-mailed", response_model=JoinedOut, dependencies=[OwnPage])
def accept_mailed_invitation(given: Link, session: OpenSessionDep) -> JoinedOut:
    """Let the account of the address that the link was mailed to join; sign in afterwards."""
    return JoinedOut(organisation_id=service.accept_mailed(session, given.token, given.proof))


@router.post("/account", response_model=SignedInOut, status_code=201, dependencies=[OwnPage])
def redeem_invitation(given: NewAccount, request: Request, response: Response, session: OpenSessionDep) -> SignedInOut:
    """Make an account with the address that the link was mailed to, join and sign in."""
    opened = service.redeem(session, given, browser_of(request))
    set_cookie(request, response, opened)
    return SignedInOut(session_id=opened.session_id, csrf_token=opened.csrf, expires_at=opened.expires_at)
