"""One HTTP call for the sources that speak JSON: numbers stay exact, failures become Retry or Abort in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from connectors.sources.base import Abort, Retry

TIMEOUT = httpx.Timeout(60.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, parsed body (None where it is no JSON) and the server's clock."""

    status: int
    body: Any
    at: datetime | None


def call(client: httpx.Client, method: str, url: str, **arguments: Any) -> Answer:
    """Retry where the network, the server (5xx) or its limit (429) says so; all else is the caller's to judge.
    A 500 with a JSON body is handed on: both ERPs answer broken requests that way."""
    try:
        response = client.request(method, url, **arguments)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Abort("The connection's `url` is not a web address, such as https://erp.example.com.") from None
    except httpx.HTTPError as error:
        raise Retry(f"The server at {client.base_url.host} does not answer ({type(error).__name__}).") from None
    body = _json(response)
    if response.status_code in {408, 429, 502, 503, 504} or (response.status_code >= 500 and body is None):
        raise Retry(f"The server at {client.base_url.host} answers {response.status_code}: try again later.")
    if response.is_redirect:
        raise Abort(f"The server at {client.base_url.host} sends elsewhere: check scheme and name in `url`.")
    return Answer(response.status_code, body, _date(response))


def _json(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError:
        return None


def _date(response: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
