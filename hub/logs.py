"""Structured logs: one JSON object per line on stderr, with the trace id, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from hub.trace import trace_id

HIDDEN = "***"
SECRET_NAMES = re.compile(
    r"passw|secret|token|authori[sz]ation|cookie|csrf|api_?key|enrol_?code|private|credential|jwt", re.IGNORECASE
)
SECRET_VALUES = (
    (re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]*@", re.IGNORECASE), r"\g<scheme>:***@"),
    (re.compile(r"\bBearer\s+\S+", re.IGNORECASE), "Bearer ***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
    (re.compile(r"(?P<name>passw(?:or)?d\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|\S+)", re.IGNORECASE), r"\g<name>***"),
)


# What any of them holds: most texts hold none, and a request's line has many.
_SUSPECT = re.compile(r"://|bearer|eyJ|passw", re.IGNORECASE)


def clean(text: str) -> str:
    """`text` without passwords in addresses, bearer tokens, signed tokens and password assignments."""
    if not _SUSPECT.search(text):
        return text
    for pattern, instead in SECRET_VALUES:
        text = pattern.sub(instead, text)
    return text


def redact(value: Any, name: str = "") -> Any:
    if name and SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: redact(value, "" if key == "event" else key) for key, value in event.items()}


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if trace_id():
        event.setdefault("trace_id", trace_id())
    return event


def _handler(file: Path | None, days: int) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(sys.stderr)
    file.parent.mkdir(parents=True, exist_ok=True)
    return TimedRotatingFileHandler(file, when="midnight", utc=True, backupCount=days, encoding="utf-8")


def configure(file: Path | None = None, days: int = 30, level: int = logging.INFO) -> None:
    """Our own events and those of the libraries leave in the same form: to stderr, or to `file`, which is set aside
    at midnight and kept `days` days."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    render = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
    )
    handler = _handler(file, days)
    handler.setFormatter(render)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The web server's access lines say less than our own, and httpx repeats addresses with their queries.
    for noisy in ("uvicorn.access", "httpx", "procrastinate", "great_expectations"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
