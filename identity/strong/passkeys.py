"""Passkeys (WebAuthn level 3): registered, named, removed, and the proof that one of them was used."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from hub.columns import new_id
from hub.database import Tenancy, set_tenancy
from hub.errors import Conflict, NotFound, Unauthenticated, Unprocessable
from hub.settings import settings
from identity.audit.service import note, own_account, record, unproven
from identity.secrets import digest
from identity.strong.factors import ISSUER, drop_codes_without_factor
from identity.strong.models import Passkey

Purpose = Literal["register", "sign_in", "second", "step_up"]

CHALLENGE_SECONDS = 300
MOST = 20
REFUSED = "The passkey was not accepted. Try again, or sign in another way."
# What the library raises on bytes that are no WebAuthn at all.
MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error)


ASK = text("select identity_challenge(:challenge, :browser, :purpose, :person, :seconds)")
ANSWER = text("select * from identity_answer_challenge(:challenge, :browser)")
FIND = text("select * from identity_passkey(:credential)")


class Proof(NamedTuple):
    """Whose passkey was used. `is_verified`: the authenticator knew the person, by PIN or body."""

    person_id: UUID
    is_verified: bool
    is_synced: bool

    def amr(self, before: Sequence[str] = ()) -> tuple[str, ...]:
        """RFC 8176. A passkey that knew its owner stands for both factors, whatever came before it; one that did not
        is a second factor after what came before."""
        key = ("pop",) if self.is_synced else ("pop", "hwk")
        earlier = () if self.is_verified else tuple(before)
        mfa = ("mfa",) if self.is_verified or before else ()
        return tuple(dict.fromkeys((*earlier, *key, *mfa)))


def relying_party() -> str:
    """The host people open the hub at: passkeys belong to it (WebAuthn's RP id)."""
    return urlsplit(settings().address).hostname or "localhost"


def _origin() -> str:
    parts = urlsplit(settings().address)
    return f"{parts.scheme}://{parts.netloc}"


def begin_registration(session: Session, person_id: UUID, email: str, name: str, browser: str) -> dict[str, Any]:
    """What navigator.credentials.create() asks for."""
    options = webauthn.generate_registration_options(
        rp_id=relying_party(),
        rp_name=ISSUER,
        user_id=person_id.bytes,
        user_name=email or name,
        user_display_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(session, person_id),
    )
    _ask(session, options.challenge, browser, "register", person_id)
    return options_to_json_dict(options)


def begin_authentication(
    session: Session, purpose: Purpose, browser: str, person_id: UUID | None = None
) -> dict[str, Any]:
    """What navigator.credentials.get() asks for: any passkey of the hub, or one of the person's."""
    options = webauthn.generate_authentication_options(
        rp_id=relying_party(),
        allow_credentials=_descriptors(session, person_id) if person_id is not None else [],
        user_verification=(
            UserVerificationRequirement.REQUIRED if person_id is None else UserVerificationRequirement.PREFERRED
        ),
    )
    _ask(session, options.challenge, browser, purpose, person_id)
    return options_to_json_dict(options)


def _ask(session: Session, challenge: bytes, browser: str, purpose: Purpose, person_id: UUID | None) -> None:
    bound = {"browser": digest(browser), "purpose": purpose, "person": person_id, "seconds": CHALLENGE_SECONDS}
    session.execute(ASK, {"challenge": challenge} | bound)


def _descriptors(session: Session, person_id: UUID) -> list[PublicKeyCredentialDescriptor]:
    mine = select(Passkey.credential_id).where(Passkey.person_id == person_id)
    return [PublicKeyCredentialDescriptor(id=one) for one in session.scalars(mine)]


def _answered(new_session: Callable[[], Session], credential: dict[str, Any], browser: str) -> tuple[bytes, Row[Any]]:
    """The challenge an answer is for, gone in a transaction of its own, whatever comes of the answer."""
    try:
        challenge = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"])).challenge
    except MALFORMED:
        raise Unprocessable("This is no answer of an authenticator.") from None
    with new_session() as session, session.begin():
        asked = session.execute(ANSWER, {"challenge": challenge, "browser": digest(browser)}).one_or_none()
    if asked is None:
        raise Unauthenticated("This passkey request has ended or is another browser's. Try again.")
    return challenge, asked


def register(
    session: Session, new_session: Callable[[], Session], person_id: UUID, credential: dict[str, Any], browser: str
) -> tuple[Passkey, Proof]:
    """Keeps a new passkey of the person the session is bound to. Attestation is not asked for: a hub must not refuse
    the authenticators people have."""
    challenge, asked = _answered(new_session, credential, browser)
    if (asked.purpose, asked.person_id) != ("register", person_id):
        raise Unauthenticated(REFUSED)
    try:
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=relying_party(),
            expected_origin=_origin(),
        )  # fmt: skip
    except MALFORMED:
        note(session, "passkey_refused", **own_account(session, person_id), reason="registration")
        raise Unprocessable("The passkey was not accepted. Nothing was kept; try again.") from None
    held = session.scalar(select(func.count()).where(Passkey.person_id == person_id)) or 0
    if held >= MOST or session.execute(FIND, {"credential": made.credential_id}).one_or_none() is not None:
        raise Conflict(f"This passkey is kept already, or you have {MOST}. Remove one first.")
    is_synced = made.credential_device_type == CredentialDeviceType.MULTI_DEVICE
    passkey = Passkey(
        id=new_id(), person_id=person_id, credential_id=made.credential_id, public_key=made.credential_public_key,
        sign_count=made.sign_count, is_synced=is_synced, name="",
    )  # fmt: skip
    session.add(passkey)
    session.flush()
    record(session, "passkey_added", **own_account(session, person_id), passkey=passkey.id)
    return passkey, Proof(person_id, made.user_verified, is_synced)


def authenticate(
    session: Session, new_session: Callable[[], Session], credential: dict[str, Any], browser: str, asked_for: Purpose
) -> Proof:
    """Raises Unauthenticated where the answer proves nothing; binds the session to the person whose passkey it is."""
    challenge, asked = _answered(new_session, credential, browser)
    found = _find(session, credential)
    if found is None or asked.purpose != asked_for or asked.person_id not in (None, found.person_id):
        raise Unauthenticated(REFUSED)
    try:
        used = webauthn.verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=relying_party(),
            expected_origin=_origin(), credential_public_key=found.public_key, credential_current_sign_count=0,
            require_user_verification=asked.person_id is None,
        )  # fmt: skip
    except MALFORMED:
        set_tenancy(session, Tenancy(person=found.person_id))
        note(session, "passkey_refused", **unproven(session, found.person_id), reason=asked_for, passkey=found.id)
        raise Unauthenticated(REFUSED) from None
    set_tenancy(session, Tenancy(person=found.person_id))
    _count(session, found.id, found.person_id, used.new_sign_count)
    is_synced = used.credential_device_type == CredentialDeviceType.MULTI_DEVICE
    return Proof(found.person_id, used.user_verified, is_synced)


def _find(session: Session, credential: dict[str, Any]) -> Row[Any] | None:
    try:
        raw = base64url_to_bytes(credential["rawId"])
    except MALFORMED:
        raise Unprocessable("This is no answer of an authenticator.") from None
    return session.execute(FIND, {"credential": raw}).one_or_none()


def _count(session: Session, passkey_id: UUID, person_id: UUID, count: int) -> None:
    """A counter that does not go up tells of a copied key (WebAuthn §6.1.1); passkeys that keep none say 0."""
    has_risen = Passkey.sign_count < count if count else Passkey.sign_count == 0
    mine = update(Passkey).where(Passkey.id == passkey_id, has_risen)
    if session.scalar(mine.values(sign_count=count, last_used_at=func.now()).returning(Passkey.id)) is None:
        told = unproven(session, person_id)
        note(session, "sign_count_regressed", **told, passkey=passkey_id, count=count)
        raise Unauthenticated("This passkey's counter went back, as a copied one's does. Remove it and add a new one.")


def list_passkeys(session: Session, person_id: UUID) -> Sequence[Passkey]:
    mine = select(Passkey).where(Passkey.person_id == person_id)
    return session.scalars(mine.order_by(Passkey.created_at, Passkey.id)).all()


def name_passkey(session: Session, person_id: UUID, passkey_id: UUID, name: str) -> Passkey:
    """Raises NotFound for a passkey that is not the person's own."""
    found = session.get(Passkey, passkey_id)
    if found is None or found.person_id != person_id:
        raise NotFound(f"You have no passkey {passkey_id}.")
    found.name = name
    session.flush()
    return found


def remove_passkey(session: Session, person_id: UUID, passkey_id: UUID) -> None:
    own = delete(Passkey).where(Passkey.id == passkey_id, Passkey.person_id == person_id)
    if session.scalar(own.returning(Passkey.id)) is None:
        raise NotFound(f"You have no passkey {passkey_id}; it may be removed already.")
    drop_codes_without_factor(session, person_id)
    record(session, "passkey_removed", **own_account(session, person_id), passkey=passkey_id)
