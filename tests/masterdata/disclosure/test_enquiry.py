"""Head office is asked who holds what is shown without a name: its administrators get a mail, once a day."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from hub.columns import new_id
from identity.models import Membership, Person
from tests.masterdata.disclosure.conftest import Mills

PATHS = ("/v1/disclosure/enquiries/{number}", "/materials/{number}/enquiry")


@pytest.fixture
def office(mills: Mills) -> None:
    """Two administrators of head office, a planner of it, and b, which does not name itself."""
    shop = mills.shop
    shop.act(shop.group)
    people = {"zh@office.example": "people:write", "en@office.example": "people:write", "plan@office.example": "none"}
    for email, scope in people.items():
        person = Person(
            id=new_id(), organisation_id=shop.group, email=email, name="Zq", locale=email[:2].replace("pl", "zh")
        )
        shop.session.add(person)
        shop.session.flush()
        shop.session.add(Membership(organisation_id=shop.group, person_id=person.id, scopes=[scope]))
        shop.session.flush()
    mills.hold("b", 30)
    mills.rule("b", "hidden")


def mails(mills: Mills) -> list[Any]:
    mills.shop.see(mills.shop.group)
    return list(mills.shop.session.execute(text("select recipient, subject, body from mail order by recipient")).all())


@pytest.mark.parametrize(("path", "status"), list(zip(PATHS, (202, 303), strict=True)))
def test_its_administrators_are_told_once_a_day(mills: Mills, ask: Any, office: None, path: str, status: int) -> None:
    assert ask("a", path, "POST").status_code == status
    told = mails(mills)
    assert [mail.recipient for mail in told] == ["en@office.example", "zh@office.example"]
    assert told[0].subject == f"Who holds {mills.number}? Mill Azq asks" and "谁持有" in told[1].subject
    assert f"/materials/{mills.number}" in told[0].body and "Bzq" not in str(told)
    again = ask("a", PATHS[0], "POST")
    assert again.status_code == 409 and len(mails(mills)) == 2
    assert "head office was asked" in ask("a", "/materials/{number}?asked=1").text
    assert "Ask head office who" in ask("a", "/materials/{number}").text


def test_who_may_ask(mills: Mills, ask: Any, client: Any, office: None) -> None:
    assert client.post(PATHS[0].format(number=mills.number)).status_code == 401
    assert ask("a", PATHS[0], "POST", roles=("nobody",)).status_code == 403
    assert ask("s", PATHS[0], "POST").status_code == 404
    mills.rule("b", "banded")
    assert ask("a", PATHS[0], "POST").status_code == 404
    assert mails(mills) == []
