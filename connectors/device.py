"""A one-time code without anybody handing it over: the agent shows a short code, a person of the plant allows it in a
browser (OAuth 2.0 Device Authorization Grant, RFC 8628), and the agent makes itself known at the hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx

from connectors.uplink import Refused, Unavailable

CLIENT_ID: Final = "hub-agent"
GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER = 5

Show = Callable[[str, str], None]


def request_code(
    http: httpx.Client, name: str, systems: Sequence[str], show: Show, wait: Callable[[float], None] = time.sleep
) -> str:
    """A code that enrols this agent for `systems` of the organisation the person chose. `show` is given the address to
    open and the code to compare. Raises Refused where the person says no or nobody answers in time."""
    begun = _asked(http, "/oauth/device_authorization", {"client_id": CLIENT_ID})
    show(begun["verification_uri_complete"], begun["user_code"])
    token = _token(http, begun, wait)
    http.headers["authorization"] = f"Bearer {token}"
    organisation = _said(http.get("/v1/me"))["organisation_id"]
    grants = [{"system": system, "organisation_ids": [organisation]} for system in systems]
    made = http.post("/v1/agents", json={"name": name, "grants": grants})
    return str(_said(made)["code"])


def _token(http: httpx.Client, begun: dict[str, Any], wait: Callable[[float], None]) -> str:
    form = {"grant_type": GRANT, "client_id": CLIENT_ID, "device_code": begun["device_code"]}
    pause = int(begun.get("interval", SLOWER))
    while True:
        wait(pause)
        answer = http.post("/oauth/token", data=form)
        said = _object(answer)
        if answer.is_success and "access_token" in said:
            return str(said["access_token"])
        match said.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                pause += SLOWER
            case "access_denied":
                raise Refused("the person refused this agent")
            case "expired_token":
                raise Refused("nobody allowed this agent in time; start again")
            case _:
                raise _failure(answer)


def _asked(http: httpx.Client, path: str, form: dict[str, str]) -> dict[str, Any]:
    return _said(http.post(path, data=form))


def _said(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise _failure(answer)
    return _object(answer)


def _failure(answer: httpx.Response) -> Exception:
    said = _object(answer)
    words = said.get("detail") or said.get("error_description") or said.get("error") or "no reason given"
    if answer.status_code >= 500:
        return Unavailable(f"the hub answers {answer.status_code}: {words}")
    return Refused(f"the hub answers {answer.status_code}: {words}")


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
