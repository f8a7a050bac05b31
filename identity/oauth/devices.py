"""The person's side of the device flow (RFC 8628): look the code up, then allow it for one organisation, or refuse."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.database import Tenancy, set_tenancy
from hub.errors import NotFound, TooManyRequests
from identity.audit.service import record
from identity.oauth.authorize import signed_in_at
from identity.oauth.clients import KnownClient, find_client
from identity.oauth.grants import chosen_organisation, new_grant
from identity.principal import Principal
from identity.secrets import code_digest
from identity.sessions import throttle

UNKNOWN = "This code is unknown, used or expired. Look at the device for the one it shows now."
# 34.6 bits in ten minutes: at this pace a guess hits one of a thousand waiting codes once in a hundred thousand years.
TRIES, WINDOW = 10, 600


@dataclass(frozen=True, slots=True)
class Waiting:
    client: KnownClient
    scopes: list[str]


def count_try(new_session: Callable[[], Session], me: Principal) -> None:
    """In a transaction of its own, whatever becomes of the caller's; raises TooManyRequests."""
    door = throttle.Door(hashlib.sha256(f"user-code\x1f{me.id}".encode()).digest(), TRIES, WINDOW)
    with new_session() as session, session.begin():
        wait = throttle.take(session, (door,))
    if wait:
        raise TooManyRequests(f"Too many codes were tried. Wait {wait} s.", retry_after=wait)


def find(session: Session, code: str) -> Waiting:
    """Raises NotFound."""
    row = session.execute(text("select * from oauth_find_device(:code)"), {"code": code_digest(code)}).one_or_none()
    client = find_client(session, row.client_id) if row else None
    if row is None or client is None:
        raise NotFound(UNKNOWN)
    return Waiting(client, row.scopes)


def decide(session: Session, me: Principal, code: str, organisation: str) -> None:
    """Allows the device to act for `organisation` (id or key; "" refuses it). Of many answers at once one counts, the
    others raise NotFound."""
    waiting, wanted, grant_id = find(session, code), None, None
    if organisation:
        wanted = chosen_organisation(session, organisation)
        if wanted not in waiting.client.readable:
            raise NotFound("This application does not serve that organisation.")
        set_tenancy(session, Tenancy((*me.readable, wanted), wanted, me.id))
        made = new_grant(
            me.id,
            wanted,
            waiting.client.id,
            waiting.scopes,
            session_id=me.session_id,
            authenticated_at=signed_in_at(me),
            amr=list(me.amr),
        )
        session.add(made)
        session.flush()
        grant_id = made.id
    decided = text("select oauth_decide_device(:code, :grant)")
    if not session.scalar(decided, {"code": code_digest(code), "grant": grant_id}):
        raise NotFound(UNKNOWN)
    record(
        session,
        "device_decided",
        actor=me,
        organisations=[wanted, waiting.client.organisation_id],
        object_kind="client",
        object_id=waiting.client.id,
        is_allowed=grant_id is not None,
        scopes=waiting.scopes,
    )
