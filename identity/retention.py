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
    """Delete sessions, links and tokens that ended `session_days` ago, used-up nonces and old counts of tries."""
    with unit_of_work(engine, NOBODY) as session:
        days = {"days": settings().session_days}
        gone = session.scalar(text("select identity_forget(:days) + oauth_forget(:days)"), days)
    log.info("identity_forgotten", rows=gone)
