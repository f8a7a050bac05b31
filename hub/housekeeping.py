"""What the kernel forgets after its time: events, kept answers, finished jobs, mail; and mail that still waits."""

from __future__ import annotations

from uuid import UUID

import structlog
from sqlalchemy import Engine, text

from hub import mailer
from hub.database import NOBODY, Tenancy, unit_of_work
from hub.settings import settings

log = structlog.get_logger("hub.housekeeping")
JOB_DAYS = 7
# As long as the links in them live at most.
MAIL_DAYS = 7

FORGET_KEYS = text(
    "delete from idempotency_key where organisation_id = :organisation "
    "and created_at < clock_timestamp() - make_interval(days => :days)"
)
FORGET_MAIL = text(
    "delete from mail where organisation_id = :organisation "
    "and created_at < clock_timestamp() - make_interval(days => :days)"
)
FORGET_JOBS = text(
    "delete from procrastinate_jobs j where status in ('succeeded', 'failed', 'cancelled', 'aborted') and not exists "
    "(select from procrastinate_events e where e.job_id = j.id and e.at > now() - make_interval(days => :days))"
)
UNSENT = text("select id, organisation_id from mail where sent_at is null and attempts < :most order by created_at")
MOST_ATTEMPTS = 100


def organisations(engine: Engine) -> tuple[UUID, ...]:
    """Ids of all organisations: for work that passes over each of them."""
    with unit_of_work(engine, NOBODY) as session:
        return tuple(session.execute(text("select all_organisations()")).scalar_one())


def forget(engine: Engine) -> None:
    """Delete what is past its retention, each in a transaction of its own."""
    kept = settings()
    with unit_of_work(engine, NOBODY) as session:
        events: int = session.execute(text("select outbox_forget(:days)"), {"days": kept.outbox_days}).scalar_one()
        session.execute(FORGET_JOBS, {"days": JOB_DAYS})
    for organisation in organisations(engine):
        with unit_of_work(engine, Tenancy((organisation,), organisation)) as session:
            session.execute(FORGET_KEYS, {"organisation": organisation, "days": kept.idempotency_days})
            session.execute(FORGET_MAIL, {"organisation": organisation, "days": MAIL_DAYS})
    log.info("retention_applied", events=events)


def send_mail(engine: Engine, organisation_id: str, mail_id: str) -> None:
    """Send one mail if there is a mail server; without one it waits on the outbox page."""
    url = settings().smtp_url
    if url is None:
        return
    acting = UUID(organisation_id)
    deliver = mailer.over_smtp(url.get_secret_value(), settings().mail_from)
    with unit_of_work(engine, Tenancy((acting,), acting)) as session:
        sent = mailer.send(session, UUID(mail_id), deliver)
    log.info("mail_sent" if sent else "mail_waits", mail=mail_id)


def send_waiting_mail(engine: Engine) -> None:
    """Try again what could not be sent; also what was written before there was a mail server."""
    if settings().smtp_url is None:
        return
    with unit_of_work(engine, Tenancy(organisations(engine))) as session:
        waiting = [(str(row.organisation_id), str(row.id)) for row in session.execute(UNSENT, {"most": MOST_ATTEMPTS})]
    for organisation_id, mail_id in waiting:
        send_mail(engine, organisation_id, mail_id)
