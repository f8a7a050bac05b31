"""Page: an organisation's sign-in providers and domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hub.errors import Unprocessable
from hub.pages import render
from hub.web import SessionDep
from identity.access import CanWriteFederation
from identity.federation import domains, service
from identity.federation.schemas import DomainIn, ProviderIn, ProviderPatch
from identity.forms import attempt, go
from identity.organisations.service import list_organisations
from identity.principal import Principal
from identity.scopes import TEMPLATE

router = APIRouter(include_in_schema=False)
HERE = "/federation"


@router.get(HERE)
def federation_page(request: Request, session: SessionDep, me: CanWriteFederation) -> Response:
    return _page(request, session, me)


def _page(request: Request, session: Session, me: Principal, error: str = "") -> Response:
    return render(
        request,
        "federation.html",
        status=422 if error else 200,
        me=me,
        names={o.id: o for o in list_organisations(session)},
        providers=[service.out(one) for one in service.list_providers(session)],
        domains=[domains.out(one) for one in domains.list_domains(session)],
        roles=list(dict.fromkeys(role for roles in TEMPLATE.values() for role in roles)),
        error=error,
    )


def _tried(request: Request, session: Session, me: Principal, action: Callable[[], Any]) -> Response:
    _, error = attempt(session, me, action)
    return _page(request, session, me, error) if error else go(HERE)


class ProviderForm(BaseModel):
    """The form; ProviderIn judges it. A line of `mapping` is a value of the claim, a colon, roles."""

    name: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    role_claim: str = ""
    mapping: str = ""
    default_roles: list[str] = []
    is_authoritative: bool = False

    def given(self) -> dict[str, Any]:
        values = self.model_dump(exclude={"mapping"}) | {"role_mapping": mapping_of(self.mapping)}
        return values | {"client_secret": self.client_secret or None}


def mapping_of(lines: str) -> dict[str, list[str]]:
    """`stock-admins: admin, it` → {"stock-admins": ["admin", "it"]}; raises Unprocessable."""
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        value, colon, roles = line.rpartition(":")
        if not colon:
            raise Unprocessable(f"“{line[:60]}” has no colon: write the claim's value, a colon, and its roles.")
        found[value.strip()] = [role.strip() for role in roles.split(",") if role.strip()]
    return found


@router.post("/federation/providers")
def create_provider(
    request: Request, session: SessionDep, me: CanWriteFederation, form: Annotated[ProviderForm, Form()]
) -> Response:
    return _tried(
        request, session, me, lambda: service.create_provider(session, me, ProviderIn.model_validate(form.given()))
    )


CHANGES = {
    "enforce": {"is_enforced": True},
    "release": {"is_enforced": False},
    "disable": {"is_disabled": True},
    "enable": {"is_disabled": False},
}


@router.post("/federation/providers/{provider_id}")
def change_provider(
    request: Request, session: SessionDep, me: CanWriteFederation, provider_id: UUID, action: Annotated[str, Form()]
) -> Response:
    if action == "delete":
        return _tried(request, session, me, lambda: service.delete_provider(session, me, provider_id))
    patch = ProviderPatch.model_validate(CHANGES.get(action, {}))
    return _tried(request, session, me, lambda: service.change_provider(session, me, provider_id, patch))


@router.post("/federation/domains")
def create_domain(
    request: Request,
    session: SessionDep,
    me: CanWriteFederation,
    domain: Annotated[str, Form()] = "",
    method: Annotated[str, Form()] = "dns",
) -> Response:
    given = {"domain": domain, "method": method}
    return _tried(request, session, me, lambda: domains.create_domain(session, me, DomainIn.model_validate(given)))


@router.post("/federation/domains/{domain_id}")
def change_domain(
    request: Request, session: SessionDep, me: CanWriteFederation, domain_id: UUID, action: Annotated[str, Form()]
) -> Response:
    change = domains.delete_domain if action == "delete" else domains.verify_domain
    return _tried(request, session, me, lambda: change(session, me, domain_id))
