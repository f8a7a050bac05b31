"""The scopes there are, and the roles that bundle them for people."""

from __future__ import annotations

from collections.abc import Iterable

READING = frozenset({"settings:self", "inventory:read", "materials:read", "feeds:read"})
STEWARDING = frozenset(
    {"quarantine:read", "quarantine:write", "batches:release", "units:write", "links:write", "rates:write"}
)
PEOPLE = frozenset({"people:read", "people:write"})
FEDERATION = frozenset({"federation:write"})
SYSTEMS = frozenset({"systems:write"})

ROLES: dict[str, frozenset[str]] = {
    "planner": READING,
    "buyer": READING,
    "steward": READING | STEWARDING,
    "it": READING | SYSTEMS | {"quarantine:read"},
    "admin": READING | STEWARDING | PEOPLE | FEDERATION | SYSTEMS,
}

AGENT_SCOPES = frozenset({"batches:write"})

# They change what every organisation sees, so only a membership in the group itself carries them.
GROUP_ONLY = frozenset({"rates:write"})


def scopes_of(roles: Iterable[str]) -> list[str]:
    """The union of the roles' scopes, in order; raises KeyError for a role there is not."""
    return sorted(frozenset[str]().union(*(ROLES[r] for r in roles)))


def roles_in(scopes: Iterable[str]) -> list[str]:
    """The roles these scopes cover whole, without those another listed role covers."""
    held = frozenset(scopes)
    covered = [r for r, s in ROLES.items() if s <= held]
    return [r for r in covered if not any(ROLES[r] < ROLES[other] for other in covered)]


def effective(scopes: Iterable[str], kind: str) -> frozenset[str]:
    """What a membership in an organisation of this kind really carries."""
    return frozenset(scopes) - (frozenset() if kind == "group" else GROUP_ONLY)
