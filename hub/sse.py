"""Events as server-sent events (WHATWG HTML, "Server-sent events"): ids to resume from, a heartbeat through proxies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import StreamingResponse

from hub.outbox import Event

HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 2_000


class EventStream(StreamingResponse):
    """The answer of a streaming endpoint. Its session must be closed by then: take it with scope="function"."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[Event], heartbeat: float = HEARTBEAT_SECONDS) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(_lines(events, heartbeat), headers=headers)


def line(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.topic}\ndata: {event.data}\n\n"


def last_event_id(header: str | None) -> int | None:
    """The number in a Last-Event-ID header; None where there is none that we gave."""
    return int(header) if header and header.isascii() and header.isdigit() and len(header) < 19 else None


async def _lines(events: AsyncIterator[Event], heartbeat: float) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    source = aiter(events)
    coming: asyncio.Future[Event] = asyncio.ensure_future(anext(source))
    try:
        while True:
            done, _ = await asyncio.wait((coming,), timeout=heartbeat)
            if not done:
                yield ": alive\n\n"
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(source))
            yield line(event)
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
        if isinstance(source, AsyncGenerator):
            await source.aclose()
