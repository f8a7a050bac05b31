"""HTTP: one's own address, and uniting two accounts of one's own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.web import OpenSessionDep, Router, SessionDep
from identity.access import CanChangeOwnSettings
from identity.people import account
from identity.people.schemas import EmailIn, EmailOut, MergedOut, MergeToken, TokenIn
from identity.sessions.router import OwnPage, browser_of

router = Router(tags=["identity"])
# Not idempotent: neither a password nor a token may be kept.
secret = APIRouter(tags=["identity"])


@secret.post("/v1/me/email", status_code=202, response_class=Response)
def request_email(given: EmailIn, request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    """Have a link mailed to a new address. The answer is the same whether it has an account or not."""
    account.request_email(session, me, given.email, given.password, browser_of(request).address)
    return Response(status_code=202)


@router.post("/v1/emails", response_model=EmailOut, dependencies=[OwnPage])
def confirm_email(given: TokenIn, session: OpenSessionDep) -> EmailOut:
    """Sign in with the address the link was mailed to from now on."""
    return EmailOut(email=account.confirm_email(session, given.token))


@router.post("/v1/emails/undo", response_model=EmailOut, dependencies=[OwnPage])
def undo_email(given: TokenIn, session: OpenSessionDep) -> EmailOut:
    """Take the old address back, by the link mailed to it; every session ends."""
    return EmailOut(email=account.undo_email(session, given.token))


@secret.post("/v1/me/merge-token", status_code=201)
def start_merge(session: SessionDep, me: CanChangeOwnSettings) -> MergeToken:
    """Begin to merge this account into another one of yours: show the token while signed in to that."""
    return MergeToken(token=account.start_merge(session, me))


@router.post("/v1/me/merges")
def merge_accounts(given: TokenIn, session: SessionDep, me: CanChangeOwnSettings) -> MergedOut:
    """Take over what the token's account may do; its address leads to this account from now on."""
    return MergedOut(merged_id=account.merge(session, me, given.token))
