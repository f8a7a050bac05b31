"""The log as lines of text for other systems: JSON, one object a line, or CEF (ArcSight Common Event Format). Both name
people by pseudonym, as an exported file outlives the person's erasure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from identity.audit.chain import shown
from identity.audit.models import AuditEvent

Format = Literal["jsonl", "cef"]
MEDIA: dict[Format, str] = {"jsonl": "application/x-ndjson", "cef": "text/plain; charset=utf-8"}
# Of 0 to 10: refusals first, then changes of rights and secrets, then reads.
REFUSED, CHANGED, SEEN = 7, 5, 3
CHUNK = 200


def lines(events: Iterable[AuditEvent], form: Format) -> Iterator[str]:
    """Some lines at a time."""
    line = FORMS[form]
    waiting: list[str] = []
    for event in events:
        waiting.append(line(event))
        if len(waiting) == CHUNK:
            yield "".join(waiting)
            waiting.clear()
    yield "".join(waiting)


def as_json(event: AuditEvent) -> str:
    """The chained members, with seal and position: enough to compute the digests again."""
    members = shown(event) | {"seal": event.seal, "position": event.position}
    return json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def as_cef(event: AuditEvent) -> str:
    head = "|".join(_head(part) for part in (event.action, event.action.replace("_", " "), str(severity(event.action))))
    given = shown(event)
    extension = {
        "rt": str(int(event.at.timestamp() * 1_000)),
        "externalId": given["event_id"],
        "act": event.action,
        "suid": given["actor"] or "",
        "spriv": event.actor_kind,
        "cs1Label": "organisation",
        "cs1": given["organisation_id"],
        "cs2Label": "object",
        "cs2": f"{event.object_kind}:{event.object_id}" if event.object_kind else "",
        "cs3Label": "actingFor",
        "cs3": event.acting_for,
        "cs4Label": "trace",
        "cs4": event.trace_id,
        "cs5Label": "network",
        "cs5": event.network,
        "cs6Label": "detail",
        "cs6": json.dumps(event.detail, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
        "cn1Label": "seal",
        "cn1": str(event.seal or ""),
    }
    held = {name: value for name, value in extension.items() if extension.get(name.removesuffix("Label"), value)}
    said = " ".join(f"{name}={_value(value)}" for name, value in held.items() if value)
    return f"CEF:0|Group Hub|hub|1|{head}|{said}\n"


def severity(action: str) -> int:
    if "refused" in action:
        return REFUSED
    return SEEN if action.endswith(("_viewed", "_exported", "signed_in", "session_ended")) else CHANGED


def _head(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r", "\\r").replace("\n", "\\n")


FORMS: dict[Format, Callable[[AuditEvent], str]] = {"jsonl": as_json, "cef": as_cef}
