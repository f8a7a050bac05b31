"""HTTP of disclosure: the policy of the organisation acted for, and what partners see by it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hub.web import Router
from identity.access import CanReadFeeds, CanReadInventory, CanWriteDisclosure, SessionDep
from masterdata.disclosure import enquiry, service
from masterdata.disclosure.schemas import Disclosure, DisclosureIn, PartnerKind
from masterdata.golden.router import Number
from masterdata.golden.schemas import SisterStock

router = Router(prefix="/v1/disclosure", tags=["disclosure"])


@router.get("")
def get_disclosure(session: SessionDep, _: CanReadFeeds) -> Disclosure:
    """What your organisation shows of its stock, to whom: rules in force and to come, defaults, bands."""
    return service.get_disclosure(session)


@router.put("")
def put_disclosure(given: DisclosureIn, session: SessionDep, me: CanWriteDisclosure) -> Disclosure:
    """Replace your organisation's policy, at once or from an instant to come. History is shown by the policy of today,
    too."""
    return service.put_disclosure(session, me, given)


@router.get("/preview")
def preview_disclosure(
    session: SessionDep,
    _: CanReadFeeds,
    number: Annotated[str, Query(pattern=r"^GM-[0-9]{7,12}$", examples=["GM-0000001"])],
    partner: PartnerKind = "subsidiary",
) -> list[SisterStock]:
    """What partners of a kind see of your stock of a golden material now."""
    return service.preview(session, number, partner)


@router.post("/enquiries/{number}", status_code=202)
def ask_head_office(session: SessionDep, me: CanReadInventory, number: Number) -> None:
    """Ask head office who holds a material that somebody holds without being named; once a day (409 after)."""
    enquiry.ask_head_office(session, me, number)
