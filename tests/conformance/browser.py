"""A person's browser on the stage: cookies are kept, redirects and forms followed as far as the hub goes."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin

import httpx

HOPS = 10


class Browser:
    def __init__(self, stage: dict[str, Any]) -> None:
        self.stage = stage
        self.http = httpx.Client(base_url=stage["issuer"], timeout=30)

    def open(self, address: str, form: dict[str, str] | None = None) -> str | httpx.Response:
        """A page of the hub, or the address elsewhere to which it leads."""
        url = urljoin(self.stage["issuer"], address)
        for _ in range(HOPS):
            if not url.startswith(self.stage["issuer"] + "/"):
                return url
            answer = self.http.get(url) if form is None else self.http.post(url, data=form)
            refresh = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', answer.text)
            onward = answer.headers.get("location") or (html.unescape(refresh[1]) if refresh else "")
            if not onward:
                return answer
            url, form = urljoin(url, onward), None
        raise AssertionError(f"{address} leads in a circle")

    def sign_in(self, person: str, page: httpx.Response | None = None) -> str | httpx.Response:
        """On the page given, else on the hub's own."""
        at = page or self.open("/signin")
        assert isinstance(at, httpx.Response)
        onward = re.search(r'name="next" value="([^"]*)"', at.text)
        email, password = self.stage["people"][person]["email"], self.stage["password"]
        next_page = html.unescape(onward[1]) if onward else "/"
        return self.open("/signin", {"email": email, "password": password, "next": next_page})

    def answered(self, address: str) -> str:
        """Where an authorization request leads a person who is signed in."""
        found = self.open(address)
        assert isinstance(found, str), f"{found.status_code} {found.url}\n{found.text[:1000]}"
        return found
