"""The trace a piece of work belongs to (W3C traceparent), carried by a context variable from request to job to row;
and the address a request came from."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str] = ContextVar("traceparent", default="")
_address: ContextVar[str] = ContextVar("address", default="")


def new_traceparent() -> str:
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def continue_trace(traceparent: str | None) -> str:
    """Make `traceparent` the current one, under a span of our own; a new trace where it is missing or malformed."""
    given = (traceparent or "").strip().lower()
    made = f"{given[:35]}-{os.urandom(8).hex()}-{given[-2:]}" if _FORM.fullmatch(given) else new_traceparent()
    _current.set(made)
    return made


def traceparent() -> str:
    """The current traceparent; empty outside any work."""
    return _current.get()


def trace_id() -> str:
    return _current.get()[3:35]


def come_from(address: str) -> None:
    _address.set(address)


def address() -> str:
    """Where the current request came from; empty outside any."""
    return _address.get()
