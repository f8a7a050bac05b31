"""Page of disclosure: the rules of the organisation acted for, one changed at a time, and what others see by them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel

from hub.errors import NotFound
from identity.access import CanReadFeeds, CanReadInventory, CanWriteDisclosure, Principal, SessionDep
from identity.forms import attempt, go
from masterdata.disclosure import enquiry, service
from masterdata.disclosure.schemas import KINDS, DisclosureIn
from masterdata.golden.pages import Number, shown

router = APIRouter(include_in_schema=False)


@router.get("/disclosure")
def disclosure_page(
    request: Request, session: SessionDep, me: CanReadFeeds, number: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    return _page(request, session, me, number.strip())


def _page(request: Request, session: SessionDep, me: Principal, number: str = "", error: str = "") -> Response:
    previews: list[tuple[str, Any]] = []
    try:
        previews = [(kind, service.preview(session, number, kind)) for kind in KINDS] if number else []
    except NotFound as unknown:
        error = unknown.detail
    return shown(
        request, session, me, "disclosure.html", found=service.get_disclosure(session), previews=previews,
        number=number, error=error,
    )  # fmt: skip


class Change(BaseModel):
    """The form: one rule; an empty level takes it back. DisclosureIn judges it."""

    partner_kind: str = ""
    class_prefix: str = ""
    level: str = ""


@router.post("/disclosure")
def change_rule(
    request: Request, session: SessionDep, me: CanWriteDisclosure, form: Annotated[Change, Form()]
) -> Response:
    given = form.model_dump()
    kept = [
        {"partner_kind": rule.partner_kind, "class_prefix": rule.class_prefix, "level": rule.level}
        for rule in service.get_disclosure(session).rules
        if (rule.partner_kind, rule.class_prefix) != (form.partner_kind, form.class_prefix.strip())
    ]
    rules = [*kept, *([given] if form.level else [])]
    _, error = attempt(
        session, me, lambda: service.put_disclosure(session, me, DisclosureIn.model_validate({"rules": rules}))
    )
    return _page(request, session, me, error=error) if error else go("/disclosure")


@router.post("/materials/{number}/enquiry")
def ask_head_office(session: SessionDep, me: CanReadInventory, number: Number) -> Response:
    """Who has asked already is led to the same place."""
    attempt(session, me, lambda: enquiry.ask_head_office(session, me, number))
    return go(f"/materials/{number}?asked=1#holders")
