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
    "invitation": {
        "zh": (
            "集团库存中心：邀请您加入 {name}",
            "您好：\n\n{name} 邀请您加入。已有账号的，登录后即可加入；没有的，在此建立（只能用一次）：\n{link}\n",
        ),
        "en": (
            "Group Hub: {name} invites you",
            "Hello,\n\n{name} invites you. Sign in and join with the account you have, or make one here; the link "
            "works once:\n{link}\n",
        ),
    },
    "new_email": {
        "zh": (
            "集团库存中心：请确认新的登录邮箱",
            "{name}，您好：\n\n请在一天内打开此链接，之后用这个邮箱登录：\n{link}\n\n若不是您要求的，不必理会，什么都没有变。\n",
        ),
        "en": (
            "Group Hub: confirm your new sign-in address",
            "Hello {name},\n\nopen this link within a day to sign in with this address from then on:\n{link}\n\n"
            "If you did not ask for it, ignore this mail: nothing has changed.\n",
        ),
    },
    "taken_email": {
        "zh": (
            "集团库存中心：这个邮箱已有账号",
            "您好：\n\n{name} 想把登录邮箱改为这个地址，但它已有账号。若两个账号都是您的，可在此合并：\n{link}\n",
        ),
        "en": (
            "Group Hub: this address has an account already",
            "Hello,\n\n{name} wanted to sign in with this address from now on, but it has an account. If both are "
            "yours, merge them here:\n{link}\n",
        ),
    },
    "old_email": {
        "zh": (
            "集团库存中心：登录邮箱已更改",
            "{name}，您好：\n\n今后不再用这个邮箱登录。若不是您改的，请在七天内打开此链接改回来：\n{link}\n",
        ),
        "en": (
            "Group Hub: your sign-in address was changed",
            "Hello {name},\n\nthis address no longer signs you in. If it was not you who changed it, open this link "
            "within seven days to take it back:\n{link}\n",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class Letter:
    """`name` is who is greeted; in an invitation, who invites."""

    kind: Literal["set_password", "reset", "factors_reset", "invitation", "new_email", "taken_email", "old_email"]
    locale: str
    name: str
    link: str


def send(session: Session, organisation_id: UUID, recipient: str, letter: Letter) -> None:
    """Queued with the change it tells of; the mailer sends it, or the organisation's outbox page shows it."""
    subject, body = TEXTS[letter.kind][letter.locale]
    words = {"name": letter.name, "link": letter.link}
    mailer.queue(session, organisation_id, recipient, subject.format(**words), body.format(**words))
