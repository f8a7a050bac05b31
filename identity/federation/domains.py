"""Domains of e-mail addresses that organisations have shown to be their own, by a DNS record or a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import Final
from uuid import UUID

import dns.exception
import dns.resolver
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub import outgoing
from hub.columns import new_id
from hub.database import NOBODY, Tenancy, unit_of_work
from hub.errors import Conflict, NotFound, Unavailable, Unprocessable
from identity.audit.service import record
from identity.federation.models import VerifiedDomain
from identity.federation.schemas import DomainIn, DomainOut
from identity.federation.service import organisation_of
from identity.principal import Principal, act_for
from identity.secrets import new_token

CHECK: Final = "identity.check_domains"
# A record may vanish for a while when a zone is moved.
GRACE: Final = timedelta(days=7)
SECONDS: Final = 5.0
# Whoever answers slowly keeps one of the process's threads busy, not all of them.
_checking = BoundedSemaphore(1)


def out(domain: VerifiedDomain) -> DomainOut:
    plain = {name: getattr(domain, name) for name in DomainOut.model_fields if hasattr(domain, name)}
    return DomainOut(**plain, place=place(domain), proof=proof(domain))


def place(domain: VerifiedDomain) -> str:
    if domain.method == "dns":
        return f"_group-hub.{domain.domain}"
    return f"https://{domain.domain}/.well-known/group-hub.txt"


def proof(domain: VerifiedDomain) -> str:
    return f"group-hub={domain.token}"


def list_domains(session: Session) -> Sequence[VerifiedDomain]:
    """Of every organisation the caller may read."""
    return session.scalars(select(VerifiedDomain).order_by(VerifiedDomain.domain, VerifiedDomain.id)).all()


def get_domain(session: Session, domain_id: UUID) -> VerifiedDomain:
    found = session.get(VerifiedDomain, domain_id)
    if found is None:
        raise NotFound(f"There is no domain {domain_id}.")
    return found


def create_domain(session: Session, caller: Principal, given: DomainIn) -> VerifiedDomain:
    """It counts once its proof is found. Raises Conflict where the organisation has it."""
    organisation_id = organisation_of(session, caller, given.organisation_id)
    mine = VerifiedDomain.organisation_id == organisation_id
    if session.scalar(select(VerifiedDomain.id).where(mine, VerifiedDomain.domain == given.domain)) is not None:
        raise Conflict(f"{given.domain} is in the list already.")
    made = VerifiedDomain(
        id=new_id(), organisation_id=organisation_id, domain=given.domain, method=given.method, token=new_token()
    )
    session.add(made)
    session.flush()
    _tell(session, "domain_added", made)
    return made


def delete_domain(session: Session, caller: Principal, domain_id: UUID) -> None:
    found = get_domain(session, domain_id)
    act_for(session, caller, found.organisation_id)
    session.delete(found)
    session.flush()
    _tell(session, "domain_removed", found)


def verify_domain(session: Session, caller: Principal, domain_id: UUID) -> VerifiedDomain:
    """Looks for the proof now. Raises Unprocessable where it is not there, Conflict where another organisation has
    shown the domain to be its own."""
    found = get_domain(session, domain_id)
    act_for(session, caller, found.organisation_id)
    if not _checking.acquire(blocking=False):
        raise Unavailable("Another domain is being checked. Try again in a few seconds.")
    try:
        is_proven = has_proof(found)
    finally:
        _checking.release()
    if not is_proven:
        raise Unprocessable(f"The proof was not found at {place(found)}. A new DNS record may take an hour to be seen.")
    _prove(session, found)
    _tell(session, "domain_verified", found)
    return found


def _prove(session: Session, found: VerifiedDomain) -> None:
    now = datetime.now(UTC)
    try:
        with session.begin_nested():
            found.verified_at, found.last_checked_at, found.missing_since = found.verified_at or now, now, None
            session.flush()
    except IntegrityError:
        raise Conflict(
            f"Another organisation has shown {found.domain} to be its own. Its proof must be taken away first; it is "
            f"given up {GRACE.days} days later."
        ) from None


def has_proof(domain: VerifiedDomain) -> bool:
    """Whoever does not answer proves nothing."""
    try:
        said = _txt(place(domain)) if domain.method == "dns" else _file(place(domain))
    except (dns.exception.DNSException, outgoing.Unreachable):
        return False
    return proof(domain) in said


def _txt(name: str) -> list[str]:
    answer = dns.resolver.resolve(name, "TXT", lifetime=SECONDS)
    return [b"".join(record.strings).decode("ascii", "replace") for record in answer]


def _file(address: str) -> list[str]:
    answer = outgoing.ask(address, headers={"accept": "text/plain"}, seconds=SECONDS)
    return answer.body.decode("ascii", "replace").split() if answer.status == 200 else []


def check_domains(engine: Engine) -> None:
    """Every verified domain once more, each in a transaction of its own; what its owner took away for GRACE is lost."""
    with unit_of_work(engine, NOBODY) as session:
        known = session.execute(text("select id, organisation_id from federation_domains()")).all()
    for row in known:
        tenancy = Tenancy((row.organisation_id,), row.organisation_id)
        with unit_of_work(engine, tenancy) as session:
            domain = session.get(VerifiedDomain, row.id)
        is_proven = domain is not None and has_proof(domain)
        with unit_of_work(engine, tenancy) as session:
            domain = session.get(VerifiedDomain, row.id)
            if domain is not None:
                _checked(session, domain, is_proven=is_proven)


def _checked(session: Session, domain: VerifiedDomain, *, is_proven: bool) -> None:
    now = datetime.now(UTC)
    domain.last_checked_at = now
    domain.missing_since = None if is_proven else domain.missing_since or now
    if domain.missing_since is not None and now - domain.missing_since > GRACE:
        domain.verified_at = None
        _tell(session, "domain_lost", domain)


def _tell(session: Session, action: str, known: VerifiedDomain) -> None:
    places = [known.organisation_id]
    record(session, action, organisations=places, object_kind="domain", object_id=known.id, domain=known.domain)
