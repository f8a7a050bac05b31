"""Browsers a person has signed in from. Each holds a random token of its own; a token is looked up by its digest, so a
signature on it would prove nothing more. What a known device is good for: identity.sessions.throttle."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import NotFound
from identity.audit.service import own_account, record
from identity.secrets import digest, new_token
from identity.strong.models import Device

COOKIE = "hub_device"
# People who share a browser each have a token in its cookie; the oldest goes.
MOST = 5
DAYS = 400


KNOWN = text("select identity_known_device(:whom, cast(:tokens as bytea[]))")


def read(cookie: str) -> tuple[bytes, ...]:
    """Digests of the tokens in a browser's cookie."""
    return tuple(digest(token) for token in cookie.split(".")[:MOST] if 0 < len(token) <= 100)


def written(cookie: str, token: str) -> str:
    """The cookie with a new token in front."""
    return ".".join([token, *cookie.split(".")][:MOST]).rstrip(".")


def find(session: Session, person_id: UUID, tokens: Sequence[bytes]) -> bytes | None:
    """Which of the browser's tokens is this person's; asked before anyone is known."""
    found = session.scalar(KNOWN, {"whom": person_id, "tokens": list(tokens)}) if tokens else None
    return bytes(found) if found is not None else None


def remember(session: Session, person_id: UUID, tokens: Sequence[bytes], name: str) -> str:
    """The token of a browser that is new to the person, to be kept in its cookie; empty: it is known already."""
    mine = update(Device).where(Device.person_id == person_id, Device.token_hash.in_(tokens))
    if tokens and session.scalars(mine.values(last_seen_at=func.now()).returning(Device.id)).first() is not None:
        return ""
    token = new_token()
    made = Device(id=new_id(), person_id=person_id, token_hash=digest(token), name=name[:200])
    session.add(made)
    session.flush()
    return token


def list_devices(session: Session, person_id: UUID) -> Sequence[Device]:
    mine = select(Device).where(Device.person_id == person_id)
    return session.scalars(mine.order_by(Device.last_seen_at.desc(), Device.id).limit(200)).all()


def forget(session: Session, person_id: UUID, device_id: UUID) -> None:
    """Raises NotFound for a device that is not the person's own."""
    own = delete(Device).where(Device.id == device_id, Device.person_id == person_id)
    if session.scalar(own.returning(Device.id)) is None:
        raise NotFound(f"You have no device {device_id}; it may be forgotten already.")
    record(session, "device_forgotten", **own_account(session, person_id), device=device_id)
