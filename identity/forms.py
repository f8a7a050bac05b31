"""What the pages of this package share: forms that explain a refusal, and where a browser goes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import Form
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from hub.database import set_tenancy
from hub.errors import HubError
from identity.principal import Principal

T = TypeVar("T")
Field = Annotated[str, Form(max_length=500)]


def attempt(session: Session, me: Principal, action: Callable[[], T]) -> tuple[T | None, str]:
    """What the action gave, or why it was refused; a refused one leaves nothing behind."""
    try:
        with session.begin_nested():
            return action(), ""
    except HubError as error:
        refusal = error.detail
    except ValidationError as error:
        refusal = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    set_tenancy(session, me.tenancy)
    return None, refusal


def own(address: str) -> str:
    """One of our own pages; anything else is the first page."""
    is_own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_own else "/"


def go(address: str) -> RedirectResponse:
    """To one of our own pages after a form."""
    to = own(address)
    # It may lead to another site, where a form may not go by itself.
    if to.startswith("/oauth/"):
        to = f"/continue?next={quote(to, safe='')}"
    return RedirectResponse(to, status_code=303)


def filled(**values: Any) -> dict[str, Any]:
    """The fields of a form that were filled in."""
    return {name: value for name, value in values.items() if value not in ("", None, [])}
