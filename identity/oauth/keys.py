"""Signing keys of the OpenID provider: RSA, published before they sign and as long as what they signed may live. The
private parts are kept encrypted (hub.vault)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import Engine, or_, select, text, update
from sqlalchemy.orm import Session

from hub.cache import Cache
from hub.database import NOBODY, unit_of_work
from hub.vault import seal, unseal
from identity.audit.service import SYSTEM, record
from identity.oauth.models import SigningKey

ALGORITHM: Final = "RS256"
BITS = 2048
# Clients keep the published set for minutes: a key is known to them before it signs.
LEAD = timedelta(minutes=15)
LIFE = timedelta(days=90)
# Longer than any token of ours is verified by others.
AFTERLIFE = timedelta(days=1)
LOCK = 7_240_011
ROTATE: Final = "identity.rotate_keys"

_known: Cache[list[SigningKey]] = Cache(30)


def published(session: Session) -> KeySet:
    """Every public key a token of ours may be signed with."""
    return KeySet([RSAKey.import_key(key.public_jwk) for key in _keys(session)])


def signing(session: Session) -> RSAKey:
    """The private key in use: the newest whose time has come."""
    known, now = _keys(session), datetime.now(UTC)
    active = [key for key in known if key.active_at <= now]
    return _private(max(active, key=lambda key: key.active_at).private_sealed)


def verifying(session: Session, kid: str) -> RSAKey | None:
    """The public key of this name; a name not heard of is looked up once more."""
    for attempt in range(2):
        for key in _keys(session):
            if key.kid == kid:
                return _public(json.dumps(key.public_jwk))
        if attempt == 0:
            _known.clear()
    return None


def rotate(session: Session) -> str:
    """A new key, which signs after `LEAD`; those before it end when what they signed has ended."""
    _lock(session)
    now = datetime.now(UTC)
    made = _make(now + LEAD)
    ends = now + LEAD + AFTERLIFE
    session.execute(update(SigningKey).where(SigningKey.ends_at.is_(None)).values(ends_at=ends))
    session.add(made)
    session.flush()
    _known.clear()
    record(session, "signing_key_rotated", actor=SYSTEM, object_kind="signing_key", object_id=made.kid)
    return made.kid


def keep_fresh(engine: Engine) -> None:
    """The daily look: a key older than `LIFE` is followed by a new one."""
    with unit_of_work(engine, NOBODY) as session:
        newest = session.scalar(select(SigningKey.created_at).order_by(SigningKey.created_at.desc()).limit(1))
        if newest is not None and newest < datetime.now(UTC) - LIFE:
            rotate(session)


def _keys(session: Session) -> list[SigningKey]:
    """Kept for seconds, once they are committed: a key made just now may still be rolled back."""
    found = _known.find("")
    if found is None:
        found = _stored(session)
        if found:
            _known.put("", found)
            return found
        _lock(session)
        found = _stored(session)
        if not found:
            first = _make(datetime.now(UTC))
            session.add(first)
            session.flush()
            record(session, "signing_key_made", actor=SYSTEM, object_kind="signing_key", object_id=first.kid)
            found = [first]
    return found


def _stored(session: Session) -> list[SigningKey]:
    living = or_(SigningKey.ends_at.is_(None), SigningKey.ends_at > datetime.now(UTC))
    found = list(session.scalars(select(SigningKey).where(living).order_by(SigningKey.active_at)))
    for key in found:
        session.expunge(key)
    return found


def _make(active_at: datetime) -> SigningKey:
    made = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return SigningKey(
        kid=made.kid,
        alg=ALGORITHM,
        public_jwk=made.as_dict(private=False),
        private_sealed=seal(json.dumps(made.as_dict(private=True)).encode()),
        active_at=active_at,
    )


def _lock(session: Session) -> None:
    session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


@lru_cache(maxsize=8)
def _private(sealed: bytes) -> RSAKey:
    return RSAKey.import_key(_loaded(unseal(sealed)))


@lru_cache(maxsize=8)
def _public(jwk: str) -> RSAKey:
    return RSAKey.import_key(_loaded(jwk.encode()))


def _loaded(raw: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(raw)
    return loaded
