"""Pages as the application serves them, on a real database."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from hub.columns import new_id
from identity.principal import Principal
from identity.scopes import ROLES, scopes_of
from tests.conftest import GROUP

PAGES = [
    "/", "/inventory", "/inventory/rows", "/movements", "/search?q=轴承", "/trends", "/systems", "/builds",
    "/data-assets", "/held", "/quarantine", "/units", "/account", "/people", "/agents", "/outbox", "/audit",
    "/organisations/switch", "/disclosure", "/clients", "/account/apps", "/device",
]  # fmt: skip
WORDS = {"zh": "跳到正文", "en": "Skip to content"}


def person(
    locale: str = "en", scopes: frozenset[str] | None = None, readable: tuple[UUID, ...] = (GROUP,)
) -> Principal:
    held = frozenset(scopes_of(ROLES)) if scopes is None else scopes
    return Principal("person", new_id(), "Reader", GROUP, readable, held, is_group=True, locale=locale, csrf="c")


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("address", PAGES)
def test_page_answers_in_the_readers_language(client: Any, as_principal: Any, address: str, locale: str) -> None:
    as_principal(person(locale))
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    if address != "/inventory/rows":
        assert f'<html lang="{locale}"' in answer.text
        assert WORDS[locale] in answer.text


@pytest.mark.parametrize("address", [a for a in PAGES if a not in ("/account", "/organisations/switch")])
def test_page_is_refused_without_its_scope(client: Any, as_principal: Any, address: str) -> None:
    as_principal(person(scopes=frozenset()))
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 403
    assert "not within your rights" in answer.text


@pytest.mark.parametrize("address", PAGES)
def test_anonymous_reader_is_sent_to_the_door(client: Any, address: str) -> None:
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/signin?next=")


@pytest.mark.parametrize(
    "address",
    [
        "/materials/GM-9999999",
        f"/batches/{UUID(int=9)}",
        "/systems/none",
        "/quarantine/1",
        f"/positions/{UUID(int=9)}/1",
    ],
)
def test_what_is_not_there_is_said_in_words(client: Any, as_principal: Any, address: str) -> None:
    as_principal(person())
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_a_date_that_is_none_is_refused_in_words(client: Any, as_principal: Any) -> None:
    as_principal(person())
    answer = client.get("/materials/GM-1?as_of=yesterday", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert "2026-10-31" in answer.text


def test_rates_are_uploaded_and_a_wrong_line_is_named(client: Any, as_principal: Any) -> None:
    as_principal(person())
    sent = client.post("/units/rates", data={"csv": "currency,rate_on,rate\nUSD,2026-11-20,7.1130", "csrf_token": "c"})
    assert sent.status_code == 303
    assert "7.113" in client.get("/units").text
    wrong = client.post("/units/rates", data={"csv": "currency,rate_on,rate\nUSD,nonsense,7", "csrf_token": "c"})
    assert "Not saved" in wrong.text
