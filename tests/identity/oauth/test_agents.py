"""An agent enrols itself: it shows a code, a person of the plant allows it, and its key is known."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import OKPKey

from connectors.device import request_code
from connectors.uplink import Refused


@pytest.fixture
def agent(app: Any, client: Any, world: Any, sign_in: Any) -> Any:
    world.person("it@alpha.example", "it", at=world.a)
    sign_in("it@alpha.example")
    return TestClient(app, base_url="https://testserver")


def person(client: Any, code: str, decision: str, organisation: Any) -> None:
    form = {"csrf_token": client.headers["x-csrf-token"], "user_code": code, "decision": decision}
    assert client.post("/device", data=form | {"organization": str(organisation)}).status_code == 200


def test_agent_is_enrolled_by_a_person_in_a_browser(agent, client, world) -> None:
    shown: list[str] = []
    waited = iter([lambda: None, lambda: person(client, shown[-1], "allow", world.a)])
    code = request_code(agent, "press", ["u8"], lambda _, code: shown.append(code), lambda _: next(waited)())
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    enrolled = agent.post("/v1/agents/enrol", json={"code": code, "public_key": key}).json()
    assert enrolled["systems"] == [{"system": "u8", "organisations": ["alpha"]}]


def test_agent_is_told_that_it_was_refused(agent, client, world) -> None:
    shown: list[str] = []
    with pytest.raises(Refused, match="refused"):
        request_code(
            agent, "press", [], lambda _, code: shown.append(code), lambda _: person(client, shown[-1], "deny", world.a)
        )


def test_allowed_for_an_organisation_without_the_right_it_gets_nothing(agent, client, world, session) -> None:
    world.person("reader@beta.example", "planner", at=world.b)
    client.headers["x-csrf-token"] = client.post(
        "/v1/session", json={"email": "reader@beta.example", "password": "correct horse battery"}
    ).json()["csrf_token"]
    shown: list[str] = []
    with pytest.raises(Refused, match="403"):
        request_code(
            agent, "x", [], lambda _, code: shown.append(code), lambda _: person(client, shown[-1], "allow", world.b)
        )
