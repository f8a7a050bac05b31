"""Second factors that are codes: authenticator apps (TOTP, RFC 6238) and recovery codes. Every function works on rows
of the person the session is bound to."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple
from uuid import UUID

import pyotp
import structlog
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from hub import vault
from hub.errors import Conflict, NotFound, Unprocessable
from identity.audit.service import own_account, record
from identity.secrets import code_digest, new_code
from identity.strong.models import Passkey, RecoveryCode, Totp

ISSUER = "Group Hub"
STEP_SECONDS = 30
CODES = 10

Method = Literal["passkey", "totp", "recovery_code"]


log = structlog.get_logger(__name__)

METHODS = text("""
    select exists (select from passkey where person_id = :id) as passkey,
           exists (select from totp where person_id = :id and confirmed_at is not null) as totp,
           exists (select from recovery_code where person_id = :id and used_at is null) as recovery_code""")


class App(NamedTuple):
    """An authenticator app that is being set up; shown once."""

    secret: str
    uri: str


def list_methods(session: Session, person_id: UUID) -> tuple[Method, ...]:
    """How the person can give a second factor; empty: not at all. Recovery codes alone are none."""
    row = session.execute(METHODS, {"id": person_id}).one()
    held: list[Method] = [m for m in ("passkey", "totp", "recovery_code") if getattr(row, m)]  # type: ignore[misc]
    return tuple(held) if row.passkey or row.totp else ()


def begin_totp(session: Session, person_id: UUID, email: str) -> App:
    """A new secret, which counts once a code of it was given. Raises Conflict where there is an app already."""
    found = session.get(Totp, person_id)
    if found is not None and found.confirmed_at is not None:
        raise Conflict("You have an authenticator app already. Remove it first.")
    secret = pyotp.random_base32()
    if found is None:
        found = Totp(person_id=person_id)
        session.add(found)
    found.secret, found.last_step = vault.seal(secret.encode()), 0
    session.flush()
    return App(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER))


def confirm_totp(session: Session, person_id: UUID, code: str) -> None:
    """Raises Unprocessable where the code does not fit, NotFound where no app is being set up."""
    if session.scalar(select(Totp.person_id).where(Totp.person_id == person_id, Totp.confirmed_at.is_(None))) is None:
        raise NotFound("No authenticator app is being set up. Begin again.")
    if not _is_totp(session, person_id, code):
        raise Unprocessable("The code does not fit. Set the phone's clock to automatic and give the code shown now.")
    session.execute(update(Totp).where(Totp.person_id == person_id).values(confirmed_at=func.now()))
    record(session, "totp_added", **own_account(session, person_id))


def remove_totp(session: Session, person_id: UUID) -> None:
    gone = delete(Totp).where(Totp.person_id == person_id).returning(Totp.person_id)
    if session.scalar(gone) is None:
        raise NotFound("You have no authenticator app.")
    drop_codes_without_factor(session, person_id)
    record(session, "totp_removed", **own_account(session, person_id))


def check_code(session: Session, person_id: UUID, code: str) -> Method | None:
    """Which factor the code is of; it is used up by being right."""
    digits = "".join(code.split())
    if len(digits) == 6 and digits.isascii() and digits.isdigit():
        confirmed = select(Totp.confirmed_at).where(Totp.person_id == person_id)
        return "totp" if session.scalar(confirmed) and _is_totp(session, person_id, digits) else None
    mine = update(RecoveryCode).where(
        RecoveryCode.person_id == person_id, RecoveryCode.code_hash == code_digest(code), RecoveryCode.used_at.is_(None)
    )
    if session.scalar(mine.values(used_at=func.now()).returning(RecoveryCode.person_id)) is None:
        return None
    record(session, "recovery_code_used", **own_account(session, person_id))
    return "recovery_code"


def _is_totp(session: Session, person_id: UUID, code: str) -> bool:
    """This time step, the one before or after; never the same or an older one again, and of many at once one."""
    sealed = session.scalar(select(Totp.secret).where(Totp.person_id == person_id))
    if sealed is None:
        return False
    generator, now = pyotp.TOTP(vault.unseal(sealed).decode()), int(time.time()) // STEP_SECONDS
    given = "".join(code.split())
    fitting = [s for s in (now - 1, now, now + 1) if pyotp.utils.strings_equal(generator.generate_otp(s), given)]
    if not fitting:
        return False
    newer = update(Totp).where(Totp.person_id == person_id, Totp.last_step < fitting[-1])
    if session.scalar(newer.values(last_step=fitting[-1]).returning(Totp.person_id)) is None:
        log.warning("totp_replayed", person=str(person_id))
        return False
    return True


def new_recovery_codes(session: Session, person_id: UUID) -> list[str]:
    """Ten new ones in place of all older; shown once. Raises Conflict where there is no factor they could stand for."""
    if not list_methods(session, person_id):
        raise Conflict("Recovery codes stand in for a passkey or an authenticator app. Add one of them first.")
    codes = [new_code() for _ in range(CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    session.add_all(RecoveryCode(person_id=person_id, code_hash=code_digest(code)) for code in codes)
    session.flush()
    record(session, "recovery_codes_made", **own_account(session, person_id))
    return codes


def count_codes(session: Session, person_id: UUID) -> int:
    """Recovery codes that are left."""
    left = select(func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(left) or 0


def drop_codes_without_factor(session: Session, person_id: UUID) -> None:
    session.flush()
    held = session.scalar(select(Passkey.id).where(Passkey.person_id == person_id).limit(1))
    if held is None and session.get(Totp, person_id) is None:
        session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
