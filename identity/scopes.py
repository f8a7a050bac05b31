"""The scopes there are, and the roles that bundle them for people."""

from __future__ import annotations

from collections.abc import Iterable

OWN = frozenset({"settings:self"})
READING = OWN | {"inventory:read", "materials:read", "feeds:read"}
STEWARDING = frozenset(
    {"quarantine:read", "quarantine:write", "batches:release", "units:write", "links:write", "rates:write"}
)
PEOPLE = frozenset({"people:read", "people:write"})
FEDERATION = frozenset({"federation:write"})
SYSTEMS = frozenset({"systems:write"})
CLIENTS = frozenset({"clients:read", "clients:write"})
AUDIT = frozenset({"audit:read"})
DISCLOSING = frozenset({"disclosure:write"})

ROLES: dict[str, frozenset[str]] = {
    "planner": READING,
    "buyer": READING,
    "steward": READING | STEWARDING,
    "it": READING | SYSTEMS | {"quarantine:read"},
    "auditor": AUDIT | {"settings:self"},
    "admin": READING | STEWARDING | PEOPLE | FEDERATION | SYSTEMS | CLIENTS | AUDIT | DISCLOSING,
}

# The same for every organisation of a kind. An "admin" administers what the kind has: of a supplier, its people, its
# applications, and how they sign in.
TEMPLATE: dict[str, dict[str, frozenset[str]]] = {
    "group": ROLES,
    "subsidiary": ROLES,
    "supplier": {"sales": OWN, "admin": OWN | PEOPLE | FEDERATION | CLIENTS | AUDIT},
    "carrier": {"dispatcher": OWN, "admin": OWN | PEOPLE | FEDERATION | CLIENTS | AUDIT},
}

AGENT_SCOPES = frozenset({"batches:write"})

SCOPES = frozenset[str]().union(*ROLES.values())

# They change what every organisation sees, so only a membership in the group itself carries them.
GROUP_ONLY = frozenset({"rates:write"})

# What no organisation may let a partner do on its data: whoever made people, applications or agents would keep a way
# in when the grant is taken back.
OWN_PEOPLE_ONLY = PEOPLE | SYSTEMS | CLIENTS | FEDERATION | DISCLOSING | AUDIT | GROUP_ONLY


def scopes_of(roles: Iterable[str], kind: str = "subsidiary") -> list[str]:
    """The union of the roles' scopes in an organisation of this kind, in order; raises KeyError for a role it lacks."""
    return sorted(frozenset[str]().union(*(TEMPLATE[kind][r] for r in roles)))


def roles_in(scopes: Iterable[str], kind: str = "subsidiary") -> list[str]:
    """The roles these scopes cover whole, without those another listed role covers."""
    held, roles = frozenset(scopes), TEMPLATE[kind]
    covered = [r for r, s in roles.items() if s - GROUP_ONLY <= held]
    return [r for r in covered if not any(roles[r] < roles[other] for other in covered)]


def delegable_roles(kind: str) -> list[str]:
    """The roles an organisation of this kind may grant to a partner."""
    return [r for r, s in TEMPLATE[kind].items() if not s & (OWN_PEOPLE_ONLY - GROUP_ONLY)]


def delegated(roles: Iterable[str], kind: str) -> list[str]:
    """What these roles carry when a partner has them."""
    return sorted(set(scopes_of(roles, kind)) - OWN_PEOPLE_ONLY)


def effective(scopes: Iterable[str], kind: str) -> frozenset[str]:
    """What a membership in an organisation of this kind really carries: never more than all roles of the kind."""
    most = frozenset[str]().union(*TEMPLATE[kind].values())
    return (frozenset(scopes) & most) - (frozenset() if kind == "group" else GROUP_ONLY)


# What each scope lets an application do, as people are asked for it.
SAYS: dict[str, tuple[str, str]] = {
    "openid": ("知道您是谁", "know who you are"),
    "profile": ("读取您的姓名、语言和时区", "read your name, language and time zone"),
    "email": ("读取您的电子邮箱", "read your e-mail address"),
    "offline_access": ("您退出后继续使用", "go on after you sign out"),
    "settings:self": ("查看和更改您的设置", "see and change your settings"),
    "inventory:read": ("查看库存", "see stock"),
    "materials:read": ("查看物料", "see materials"),
    "feeds:read": ("查看来源和代理", "see feeds and agents"),
    "quarantine:read": ("查看隔离的行", "see quarantined rows"),
    "quarantine:write": ("处理隔离的行", "settle quarantined rows"),
    "batches:release": ("放行或退回文件", "release or reject files"),
    "units:write": ("更改单位换算", "change unit factors"),
    "links:write": ("更改来源对照", "change cross-references"),
    "rates:write": ("更改汇率", "change exchange rates"),
    "people:read": ("查看人员", "see people"),
    "people:write": ("管理人员", "manage people"),
    "systems:write": ("连接来源系统", "connect source systems"),
    "clients:read": ("查看应用", "see applications"),
    "clients:write": ("管理应用", "manage applications"),
    "audit:read": ("查看审计日志", "read the audit log"),
    "federation:write": ("设置组织自己的登录方式", "set up the organisation's own sign-in"),
    "disclosure:write": ("决定别人看到哪些库存", "decide what others see of your stock"),
}
