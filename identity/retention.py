"""What identity forgets after its time."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import Engine, text

from hub.database import NOBODY, unit_of_work
from hub.settings import settings
from identity.strong import devices

FORGET: Final = "identity.forget"
INVITATION_DAYS: Final = 90

log = structlog.get_logger(__name__)


def forget(engine: Engine) -> None:
    """Delete sessions, links and tokens that ended `session_days` ago, used-up nonces, old counts of tries, stale
    devices, sign-ins that nobody ended, and after 90 days what is left of invitations and of changed addresses."""
    with unit_of_work(engine, NOBODY) as session:
        days = {"days": settings().session_days}
        every = text("select identity_forget(:days) + oauth_forget(:days) + federation_forget()")
        gone = session.scalar(every, days)
        gone += session.scalar(text("select identity_forget_joining(:days)"), {"days": INVITATION_DAYS})
        gone += session.scalar(text("select identity_forget_strong(:days)"), {"days": devices.DAYS})
    log.info("identity_forgotten", rows=gone)
