"""What identity forgets after its time."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import Engine, text

from hub.database import NOBODY, unit_of_work
from hub.settings import settings

FORGET: Final = "identity.forget"

log = structlog.get_logger(__name__)


def forget(engine: Engine) -> None:
    """Delete sessions and links that ended `session_days` ago, used-up nonces and logout tokens, sign-ins that
    nobody ended, and old counts of tries."""
    with unit_of_work(engine, NOBODY) as session:
        gone = session.scalar(
            text("select identity_forget(:days) + federation_forget()"), {"days": settings().session_days}
        )
    log.info("identity_forgotten", rows=gone)
