"""Mail: written with the change it tells of, sent by a job over SMTP; without SMTP it waits on the outbox page."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.errors import Unavailable
from hub.jobs import defer
from hub.models import Mail

TASK = "mail.send"
TIMEOUT_SECONDS = 30
DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


def queue(session: Session, organisation_id: UUID, recipient: str, subject: str, body: str) -> UUID:
    """Keep the mail and defer its sending; both happen when the transaction commits."""
    mail = Mail(id=new_id(), organisation_id=organisation_id, recipient=recipient, subject=subject, body=body)
    session.add(mail)
    session.flush()
    defer(session, TASK, mail_id=str(mail.id), organisation_id=str(organisation_id))
    return mail.id


def list_unsent(session: Session, organisation_id: UUID | None, most: int = 200) -> list[Mail]:
    """What the outbox page of the organisation's administrators shows, newest first."""
    unsent = select(Mail).where(Mail.organisation_id == organisation_id, Mail.sent_at.is_(None))
    return list(session.scalars(unsent.order_by(Mail.created_at.desc()).limit(most)))


def send(session: Session, mail_id: UUID, deliver: Callable[[Mail], None]) -> bool:
    """Send one mail, once: the row is locked meanwhile; what was sent is not kept, since links stand in it. False:
    already sent, gone, or it failed, which is kept in words."""
    mail = session.get(Mail, mail_id, with_for_update=True)
    if mail is None or mail.sent_at is not None:
        return False
    mail.attempts += 1
    try:
        deliver(mail)
    except (OSError, smtplib.SMTPException) as error:
        mail.error = _in_words(error)
    else:
        mail.sent_at, mail.error, mail.body = datetime.now(UTC), None, ""
    session.flush()
    return mail.sent_at is not None


def over_smtp(url: str, sender: str) -> Callable[[Mail], None]:
    """Delivery over `smtp://` (STARTTLS where offered) or `smtps://`; user and password in the address are optional."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise Unavailable("HUB_SMTP_URL must read smtp[s]://user:password@host:port.")
    host, port = parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]

    def deliver(mail: Mail) -> None:
        context = ssl.create_default_context()
        with (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
            if parts.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        ) as server:
            server.ehlo()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message(mail, sender))

    return deliver


def message(mail: Mail, sender: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, mail.recipient, mail.subject
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(idstring=mail.id.hex, domain="hub.invalid")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(mail.body)
    return made


def _in_words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server refused user or password. Check HUB_SMTP_URL."
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "The mail server refused the recipient's address."
    if isinstance(error, smtplib.SMTPException):
        return f"The mail server answered: {error}"
    return f"The mail server cannot be reached ({type(error).__name__}). Check HUB_SMTP_URL and the network."
