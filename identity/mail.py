"""The letters identity writes, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from hub import mailer

TEXTS: dict[str, dict[str, tuple[str, str]]] = {
    "set_password": {
        "zh": (
            "集团库存中心：请设置您的密码",
            "{name}，您好：\n\n您的账号已建立。请在七天内打开此链接设置密码（只能用一次）：\n{link}\n",
        ),
        "en": (
            "Group Hub: set your password",
            "Hello {name},\n\nset the password of your account within seven days; the link works once:\n{link}\n",
        ),
    },
    "reset": {
        "zh": (
            "集团库存中心：设置新密码",
            "{name}，您好：\n\n请在两小时内打开此链接设置新密码（只能用一次）：\n{link}\n\n若不是您要求的，不必理会，什么都没有变。\n",
        ),
        "en": (
            "Group Hub: set a new password",
            "Hello {name},\n\nset a new password within two hours; the link works once:\n{link}\n\n"
            "If you did not ask for it, ignore this mail: nothing has changed.\n",
        ),
    },
    "factors_reset": {
        "zh": (
            "集团库存中心：您的登录方式已重置",
            "{name}，您好：\n\n管理员已移除您账号的通行密钥、验证器和恢复码，并结束了所有登录。"
            "请用密码登录后重新添加：\n{link}\n\n若不是您要求的，请立即联系本组织的管理员。\n",
        ),
        "en": (
            "Group Hub: your ways to sign in were reset",
            "Hello {name},\n\nan administrator removed the passkeys, authenticator app and recovery codes of your "
            "account and ended its sessions. Sign in with your password and add them again:\n{link}\n\n"
            "If you did not ask for it, tell your organisation's administrator at once.\n",
        ),
    },
    "added": {
        "zh": ("集团库存中心：您已加入一个组织", "{name}，您好：\n\n您已加入一个组织，请用现有账号登录：\n{link}\n"),
        "en": (
            "Group Hub: you were added to an organisation",
            "Hello {name},\n\nyou were added to an organisation. Sign in with the account you have:\n{link}\n",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class Letter:
    kind: Literal["set_password", "reset", "added", "factors_reset"]
    locale: str
    name: str
    link: str


def send(session: Session, organisation_id: UUID, recipient: str, letter: Letter) -> None:
    """Queued with the change it tells of; the mailer sends it, or the organisation's outbox page shows it."""
    subject, body = TEXTS[letter.kind][letter.locale]
    mailer.queue(session, organisation_id, recipient, subject, body.format(name=letter.name, link=letter.link))
