"""HTTP: the second step of signing in, passkeys, authenticator app, recovery codes, devices, step-up, policies."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import segno
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from hub.errors import Unprocessable
from hub.web import OpenSessionDep, Router, SessionDep
from identity.access import CanChangeOwnSettings, CanReadPeople, CanWritePeople, RecentInBrowser, RecentSignIn
from identity.people.router import Of
from identity.principal import Principal
from identity.secrets import new_token
from identity.sessions.router import PENDING_COOKIE, OwnPage, answer, browser_of, keep
from identity.sessions.schemas import SignedInOut
from identity.strong import devices, factors, passkeys, policy, signin, step_up
from identity.strong.administration import reset_factors
from identity.strong.models import Passkey
from identity.strong.passkeys import CHALLENGE_SECONDS
from identity.strong.schemas import (
    CodeIn,
    CredentialIn,
    DeviceOut,
    FactorsOut,
    PasskeyIn,
    PasskeyOut,
    PasskeyPatch,
    PoliciesOut,
    PolicyIn,
    PolicyOut,
    RecoveryCodesOut,
    StepUp,
    TotpOut,
)

# Names the browser that a WebAuthn challenge was given to.
CEREMONY_COOKIE = "hub_ceremony"

router = Router(tags=["identity"])
# Not idempotent: answers that hold secrets and digests of what was typed must not be kept, challenges not be repeated.
secret = APIRouter(tags=["identity"])


def _ceremony(request: Request, response: Response) -> str:
    token = request.cookies.get(CEREMONY_COOKIE) or new_token()
    keep(request, response, CEREMONY_COOKIE, token, CHALLENGE_SECONDS)
    return token


@router.post("/v1/session/second-factor", response_model=SignedInOut, status_code=201, dependencies=[OwnPage])
def give_second_factor(given: CodeIn, request: Request, response: Response, session: OpenSessionDep) -> Any:
    """Go on with the sign-in that waits: a code of the authenticator app, or a recovery code."""
    token, new_session = request.cookies.get(PENDING_COOKIE, ""), request.app.state.new_session
    opened = signin.finish_by_code(session, new_session, token=token, code=given.code, browser=browser_of(request))
    return answer(request, response, opened)


@router.post("/v1/session/passkey/options", dependencies=[OwnPage])
def begin_passkey_sign_in(request: Request, response: Response, session: OpenSessionDep) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON: for any passkey, or for those of the person whose sign-in waits."""
    token, new_session = request.cookies.get(PENDING_COOKIE, ""), request.app.state.new_session
    ceremony = _ceremony(request, response)
    options: dict[str, Any] = signin.begin_passkey(
        session, new_session, token=token, ceremony=ceremony, browser=browser_of(request)
    )
    return options


@router.post("/v1/session/passkey", response_model=SignedInOut, status_code=201, dependencies=[OwnPage])
def sign_in_by_passkey(given: CredentialIn, request: Request, response: Response, session: OpenSessionDep) -> Any:
    """Sign in with a passkey alone, or give it as the second factor."""
    opened = signin.finish_by_passkey(
        session,
        request.app.state.new_session,
        given.credential,
        token=request.cookies.get(PENDING_COOKIE, ""),
        ceremony=request.cookies.get(CEREMONY_COOKIE, ""),
        browser=browser_of(request),
    )
    return answer(request, response, opened)


@router.get("/v1/me/factors", response_model=FactorsOut)
def list_factors(session: SessionDep, me: CanChangeOwnSettings) -> FactorsOut:
    """One's own passkeys, authenticator app, recovery codes left, and known devices."""
    return factors_of(session, me)


def factors_of(session: Session, me: Principal) -> FactorsOut:
    return FactorsOut(
        passkeys=[PasskeyOut.model_validate(one) for one in passkeys.list_passkeys(session, me.id)],
        has_totp="totp" in factors.list_methods(session, me.id),
        recovery_codes=factors.count_codes(session, me.id),
        devices=[DeviceOut.model_validate(one) for one in devices.list_devices(session, me.id)],
    )


@secret.post("/v1/me/passkeys/options", dependencies=[RecentInBrowser])
def begin_passkey(
    request: Request, response: Response, session: SessionDep, me: CanChangeOwnSettings
) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON for a new passkey."""
    step_up.may_enrol(session, me)
    return passkeys.begin_registration(session, me.id, me.email, me.name, _ceremony(request, response))


@secret.post("/v1/me/passkeys", response_model=PasskeyOut, status_code=201, dependencies=[RecentInBrowser])
def add_passkey(given: PasskeyIn, request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Passkey:
    """Keep a new passkey; every other session ends."""
    step_up.may_enrol(session, me)
    ceremony, new_session = request.cookies.get(CEREMONY_COOKIE, ""), request.app.state.new_session
    passkey, proof = passkeys.register(session, new_session, me.id, given.credential, ceremony)
    step_up.enrolled(session, me, proof.amr(me.amr))
    return passkeys.name_passkey(session, me.id, passkey.id, given.name)


@router.patch("/v1/me/passkeys/{passkey_id}", response_model=PasskeyOut)
def name_passkey(passkey_id: UUID, given: PasskeyPatch, session: SessionDep, me: CanChangeOwnSettings) -> Passkey:
    """Give a passkey another name."""
    return passkeys.name_passkey(session, me.id, passkey_id, given.name)


@router.delete("/v1/me/passkeys/{passkey_id}", status_code=204, dependencies=[RecentInBrowser])
def remove_passkey(passkey_id: UUID, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Remove a passkey."""
    passkeys.remove_passkey(session, me.id, passkey_id)


@secret.post("/v1/me/totp", response_model=TotpOut, status_code=201, dependencies=[RecentInBrowser])
def begin_totp(session: SessionDep, me: CanChangeOwnSettings) -> TotpOut:
    """A new secret for an authenticator app; it counts once a code of it is given."""
    return totp_out(session, me)


def totp_out(session: Session, me: Principal) -> TotpOut:
    step_up.may_enrol(session, me)
    made = factors.begin_totp(session, me.id, me.email)
    return TotpOut(secret=made.secret, uri=made.uri, qr=segno.make(made.uri, error="m").svg_data_uri(scale=4))


@secret.post("/v1/me/totp/confirmation", status_code=204, dependencies=[RecentInBrowser])
def confirm_totp(given: CodeIn, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """The app's first code: from now on it is a second factor; every other session ends."""
    factors.confirm_totp(session, me.id, given.code)
    step_up.enrolled(session, me, (*me.amr, "otp", "mfa"))


@router.delete("/v1/me/totp", status_code=204, dependencies=[RecentInBrowser])
def remove_totp(session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Remove the authenticator app."""
    factors.remove_totp(session, me.id)


@secret.post("/v1/me/recovery-codes", response_model=RecoveryCodesOut, status_code=201, dependencies=[RecentInBrowser])
def make_recovery_codes(session: SessionDep, me: CanChangeOwnSettings) -> RecoveryCodesOut:
    """Ten new codes in place of all older ones."""
    step_up.may_enrol(session, me)
    return RecoveryCodesOut(codes=factors.new_recovery_codes(session, me.id))


@router.delete("/v1/me/devices/{device_id}", status_code=204)
def forget_device(device_id: UUID, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Forget a browser one has signed in from."""
    devices.forget(session, me.id, device_id)


@secret.post("/v1/me/step-up", status_code=204)
def confirm(given: StepUp, request: Request, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Confirm by password or code who is there; for ten minutes the session may do what is dangerous."""
    by_form(session, request, me, given)


def by_form(session: Session, request: Request, me: Principal, given: StepUp) -> None:
    if given.code is not None:
        step_up.by_code(session, request.app.state.new_session, me, given.code)
    elif given.password is not None:
        step_up.by_password(session, request.app.state.new_session, me, given.password)
    else:
        raise Unprocessable("Give a code or the password.")


@secret.post("/v1/me/step-up/passkey/options")
def begin_passkey_step_up(
    request: Request, response: Response, session: SessionDep, me: CanChangeOwnSettings
) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON to confirm by one of one's own passkeys."""
    return passkeys.begin_authentication(session, "step_up", _ceremony(request, response), me.id)


@secret.post("/v1/me/step-up/passkey", status_code=204)
def confirm_by_passkey(given: CredentialIn, request: Request, session: SessionDep, me: CanChangeOwnSettings) -> None:
    """Confirm by a passkey who is there."""
    ceremony = request.cookies.get(CEREMONY_COOKIE, "")
    step_up.by_passkey(session, request.app.state.new_session, me, given.credential, ceremony)


@router.get("/v1/organisations/{organisation_id}/sign-in-policy", response_model=PoliciesOut)
def get_sign_in_policy(organisation_id: UUID, session: SessionDep, _: CanReadPeople) -> PoliciesOut:
    """What sessions that act for the organisation must meet: by its own policy, and with those above it."""
    own, whole = policy.get_policy(session, organisation_id), policy.effective(session, organisation_id)
    return PoliciesOut(own=PolicyOut.model_validate(own), effective=PolicyOut.model_validate(whole))


@router.put("/v1/organisations/{organisation_id}/sign-in-policy", response_model=PolicyOut, dependencies=[RecentSignIn])
def set_sign_in_policy(
    organisation_id: UUID, given: PolicyIn, session: SessionDep, me: CanWritePeople
) -> policy.Policy:
    """Set the organisation's own policy; it binds open sessions from their next request on."""
    return policy.set_policy(session, me, organisation_id, given)


@router.delete("/v1/people/{person_id}/factors", status_code=204, dependencies=[RecentSignIn])
def reset_factors_of(person_id: UUID, session: SessionDep, me: CanWritePeople, organisation_id: Of = None) -> None:
    """Remove every second factor of a person who lost them; they are told by mail."""
    reset_factors(session, me, organisation_id, person_id)
