"""Pages: the second step of signing in, step-up, the security of one's account, an organisation's sign-in policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub.errors import HubError
from hub.pages import render
from hub.web import OpenSessionDep, SessionDep
from identity.access import CanChangeOwnSettings, CanWritePeople, RecentSignIn
from identity.forms import Field, attempt, filled, go, own
from identity.organisations.service import list_organisations
from identity.principal import Principal
from identity.sessions.router import PENDING_COOKIE, OwnPage, browser_of, set_cookie
from identity.strong import devices, factors, passkeys, policy, signin, step_up
from identity.strong.router import by_form, factors_of, totp_out
from identity.strong.schemas import CodeIn, PasskeyPatch, PolicyIn, StepUp, TotpOut

router = APIRouter(include_in_schema=False)

HERE = "/account/security"


@router.get("/signin/second")
def second_factor_page(request: Request, session: OpenSessionDep, next: str = "/") -> Response:
    return _second(request, session, next)


def _second(request: Request, session: Session, next: str, refused: HubError | None = None) -> Response:
    pending = signin.find_pending(session, request.cookies.get(PENDING_COOKIE, ""))
    if pending is None:
        return go("/signin")
    status = refused.status if refused else 200
    return render(request, "second-factor.html", status=status, pending=pending, next=own(next), error=bool(refused))


@router.post("/signin/second", dependencies=[OwnPage])
def second_factor(request: Request, session: OpenSessionDep, code: Field = "", next: Field = "/") -> Response:
    token, new_session = request.cookies.get(PENDING_COOKIE, ""), request.app.state.new_session
    try:
        opened = signin.finish_by_code(session, new_session, token=token, code=code, browser=browser_of(request))
    except HubError as refused:
        return _second(request, session, next, refused)
    answer = go(next)
    set_cookie(request, answer, opened)
    return answer


@router.get("/step-up")
def step_up_page(request: Request, session: SessionDep, me: CanChangeOwnSettings, next: str = "/") -> Response:
    return _step_up(request, session, me, next)


def _step_up(request: Request, session: Session, me: Principal, next: str, error: str = "") -> Response:
    methods = factors.list_methods(session, me.id)
    status = 403 if error else 200
    return render(request, "step-up.html", status=status, me=me, methods=methods, next=own(next), error=error)


class Confirmation(BaseModel):
    """The form; StepUp judges it."""

    password: str = ""
    code: str = ""
    next: str = "/"


@router.post("/step-up")
def confirm(
    request: Request,
    session: SessionDep,
    me: CanChangeOwnSettings,
    form: Annotated[Confirmation, Form()],
) -> Response:
    given = filled(**form.model_dump(exclude={"next"}))
    _, error = attempt(session, me, lambda: by_form(session, request, me, StepUp(**given)))
    return _step_up(request, session, me, form.next, error) if error else go(form.next)


@router.get(HERE)
def security_page(request: Request, session: SessionDep, me: CanChangeOwnSettings) -> Response:
    return _security(request, session, me)


def _security(request: Request, session: Session, me: Principal, **shown: Any) -> Response:
    """`shown` is what one act gave: an app being set up, new codes, or an error."""
    defaults: dict[str, Any] = {"app": None, "codes": (), "error": ""}
    status = 422 if shown.get("error") else 200
    held = factors_of(session, me)
    return render(request, "security.html", status=status, me=me, held=held, **(defaults | shown))


class Act(BaseModel):
    """`action` is the button; `id` the passkey or device it stands beside."""

    action: str = ""
    id: UUID | None = None
    code: str = ""
    name: str = ""


@router.post(HERE, dependencies=[RecentSignIn])
def change_security(
    request: Request, session: SessionDep, me: CanChangeOwnSettings, form: Annotated[Act, Form()]
) -> Response:
    given, error = attempt(session, me, lambda: _act(session, me, form))
    if error:
        return _security(request, session, me, error=error)
    if isinstance(given, TotpOut):
        return _security(request, session, me, app=given)
    return _security(request, session, me, codes=given) if given else go(HERE)


def _act(session: Session, me: Principal, form: Act) -> TotpOut | list[str] | None:
    match form.action:
        case "add-totp":
            return totp_out(session, me)
        case "confirm-totp":
            factors.confirm_totp(session, me.id, CodeIn(code=form.code).code)
            step_up.enrolled(session, me, (*me.amr, "otp", "mfa"))
        case "remove-totp":
            factors.remove_totp(session, me.id)
        case "codes":
            step_up.may_enrol(session, me)
            return factors.new_recovery_codes(session, me.id)
        case _:
            _act_on(session, me, form)
    return None


def _act_on(session: Session, me: Principal, form: Act) -> None:
    acts: dict[str, Callable[[Session, UUID, UUID], object]] = {
        "remove-passkey": passkeys.remove_passkey,
        "forget-device": devices.forget,
        "name-passkey": lambda s, who, which: passkeys.name_passkey(s, who, which, PasskeyPatch(name=form.name).name),
    }
    if form.id is not None and form.action in acts:
        acts[form.action](session, me.id, form.id)


@router.get("/policy")
def policy_page(request: Request, session: SessionDep, me: CanWritePeople, of: UUID | None = None) -> Response:
    return _policy(request, session, me, of or me.organisation_id)


def _policy(request: Request, session: Session, me: Principal, of: UUID | None, error: str = "") -> Response:
    organisations = list_organisations(session)
    chosen = of or organisations[0].id
    return render(
        request,
        "policy.html",
        status=422 if error else 200,
        me=me,
        organisations=organisations,
        chosen=chosen,
        own=policy.get_policy(session, chosen),
        effective=policy.effective(session, chosen),
        error=error,
    )


class PolicyForm(BaseModel):
    """The form; PolicyIn judges it. An empty number asks for nothing."""

    organisation_id: UUID
    second_factor: str = "none"
    session_hours: str = ""
    idle_minutes: str = ""
    allow_password: bool = True


@router.post("/policy", dependencies=[RecentSignIn])
def set_policy(
    request: Request, session: SessionDep, me: CanWritePeople, form: Annotated[PolicyForm, Form()]
) -> Response:
    of = form.organisation_id
    given = filled(**form.model_dump(exclude={"organisation_id"}))
    _, error = attempt(session, me, lambda: policy.set_policy(session, me, of, PolicyIn.model_validate(given)))
    return _policy(request, session, me, of, error) if error else go(f"/policy?of={of}")
