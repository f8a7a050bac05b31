"""Sessions of a person: opened for whoever identity.strong.signin let in, listed and ended; personal settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, text, update
from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Forbidden, NotFound
from hub.settings import settings
from identity.audit.service import ANYONE, Actor, Someone, home_of, note, own_account, record, unproven
from identity.models import LoginSession, Person
from identity.principal import Principal
from identity.secrets import digest, hash_password, new_token
from identity.sessions.schemas import SettingsPatch
from identity.strong import devices, passwords

NewSession = Callable[[], Session]


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened; the token is known here and to the browser alone, as is `device`, the token of a browser
    that the person had not signed in from before."""

    token: str
    csrf: str
    session_id: UUID
    person_id: UUID
    expires_at: datetime
    device: str = ""


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a person signs in from; `devices` are digests of the device tokens it holds."""

    address: str
    name: str
    devices: tuple[bytes, ...] = ()


class SignInElsewhere(Forbidden):
    """`provider_id` is where."""

    def __init__(self, provider_id: UUID) -> None:
        super().__init__("Your organisation has you sign in at its own provider: choose that on the sign-in page.")
        self.provider_id = provider_id


def refuse_where_federated(session: Session, person_id: UUID) -> None:
    """For every way to sign in that is not the organisation's provider; raises SignInElsewhere where that is enforced.
    To be asked once the person has proved who they are, so that it tells nobody else."""
    provider_id = session.scalar(text("select federation_enforced(:id)"), {"id": person_id})
    if provider_id is not None:
        set_tenancy(session, Tenancy(person=person_id))
        note(session, "sign_in_refused", **unproven(session, person_id), reason="provider_enforced")
        raise SignInElsewhere(provider_id)


def refused(session: Session, account: Row[Any] | None, reason: str) -> None:
    """A sign-in that came to nothing, in the log of the account's home, or the group's where nobody has it."""
    home, person_id = (account.organisation_id, account.id) if account else (None, None)
    note(
        session,
        "sign_in_refused",
        actor=ANYONE,
        organisations=[home],
        object_kind="person" if account else "",
        object_id=person_id,
        reason=reason,
    )


def open_session(session: Session, person_id: UUID, browser: Browser, amr: Sequence[str] = ()) -> Opened:
    """Acts for the home organisation where the person is a member of it, or for the only one. Of several others the
    person chooses; until then the session may do nothing else. `amr` is how the person was authenticated; what a policy
    asks beyond that, the session may not do."""
    set_tenancy(session, Tenancy(person=person_id))
    mine = [o for o in list_own_organisations(session) if o.member_since is not None]
    if not mine:
        note(session, "sign_in_refused", **unproven(session, person_id), reason="no_organisation")
        raise Forbidden("Your account belongs to no organisation any more. Ask your administrator.")
    first = min(mine, key=lambda o: (not o.is_home, not o.is_last, o.member_since))
    token, csrf, now = new_token(), new_token(), datetime.now(UTC)
    made = LoginSession(
        id=new_id(),
        organisation_id=first.id,
        is_chosen=first.is_home or len(mine) == 1,
        person_id=person_id,
        token_hash=digest(token),
        csrf=csrf,
        address=browser.address,
        browser=browser.name[:200],
        amr=list(amr),
        expires_at=now + timedelta(days=settings().session_days),
    )
    session.add(made)
    session.flush()
    device = devices.remember(session, person_id, browser.devices, browser.name)
    record(
        session,
        "signed_in",
        actor=Someone("person", person_id, first.id),
        organisations=[home_of(session, person_id)],
        object_kind="session",
        object_id=made.id,
        amr=list(amr),
        is_new_device=bool(device),
    )
    return Opened(token, csrf, made.id, person_id, made.expires_at, device)


def list_sessions(session: Session, person_id: UUID) -> Sequence[LoginSession]:
    mine = select(LoginSession).where(LoginSession.person_id == person_id, LoginSession.expires_at > datetime.now(UTC))
    return session.scalars(mine.order_by(LoginSession.last_seen_at.desc(), LoginSession.id).limit(200)).all()


def end_session(session: Session, person_id: UUID, session_id: UUID, by: Actor | None = None) -> None:
    """`by` is who ended it, where it was not the person. Raises NotFound for a session that is not the person's own."""
    own = delete(LoginSession).where(LoginSession.id == session_id, LoginSession.person_id == person_id)
    organisation_id = session.scalar(own.returning(LoginSession.organisation_id))
    if organisation_id is None:
        raise NotFound(f"You have no session {session_id}; it may have ended already.")
    record(
        session,
        "session_ended",
        actor=by or Someone("person", person_id, organisation_id),
        organisations=[organisation_id, home_of(session, person_id)],
        object_kind="session",
        object_id=session_id,
    )


def end_other_sessions(session: Session, person_id: UUID, keep: UUID | None) -> None:
    mine = delete(LoginSession).where(LoginSession.person_id == person_id)
    session.execute(mine if keep is None else mine.where(LoginSession.id != keep))


def list_own_organisations(session: Session) -> Sequence[Row[Any]]:
    """Every organisation the signed-in person may act for, in the group's order; `via_*` name the partner by whose
    grant. `member_since` is None for what only a membership above covers."""
    return session.execute(text("select * from identity_my_organisations()")).all()


def act_for_organisation(session: Session, principal: Principal, organisation_id: UUID) -> None:
    """The session acts for another organisation from its next request on; raises NotFound where it may not."""
    if organisation_id not in {o.id for o in list_own_organisations(session)}:
        raise NotFound(f"There is no organisation {organisation_id} you may act for.")
    own = update(LoginSession).where(LoginSession.id == principal.session_id)
    session.execute(own.values(organisation_id=organisation_id, is_chosen=True))
    session.get_one(Person, principal.id).last_organisation_id = organisation_id
    session.flush()
    record(
        session,
        "acting_organisation_changed",
        actor=principal,
        organisations=[organisation_id],
        object_kind="session",
        object_id=principal.session_id,
        organisation=organisation_id,
    )


def change_settings(session: Session, person_id: UUID, given: SettingsPatch) -> None:
    person = session.get_one(Person, person_id)
    for name, value in given.model_dump(exclude_none=True).items():
        setattr(person, name, value)
    session.flush()


def change_password(session: Session, principal: Principal, password: str) -> None:
    """Ends every other session. Who asks was judged by `identity.strong.step_up.prove_password`."""
    person = session.get_one(Person, principal.id)
    passwords.judge(password, person.email, person.name)
    person.password_hash = hash_password(password)
    session.flush()
    end_other_sessions(session, principal.id, keep=principal.session_id)
    record(session, "password_changed", **own_account(session, principal.id))
