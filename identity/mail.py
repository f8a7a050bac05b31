"""The letters identity writes, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from hub.columns import new_id
from hub.models import Mail

SUBJECTS = {
    ("set_password", "zh"): "集团库存中心:请设置您的密码",
    ("set_password", "en"): "Group Hub: set your password",
    ("reset", "zh"): "集团库存中心:重设密码",
    ("reset", "en"): "Group Hub: set a new password",
    ("added", "zh"): "集团库存中心:您已加入一个组织",
    ("added", "en"): "Group Hub: you were added to an organisation",
}
BODIES = {
    ("set_password", "zh"): "{name},您好:\n\n您的账号已建立。请在七天内打开此链接设置密码(仅可使用一次):\n{link}\n",
    (
        "set_password",
        "en",
    ): "Hello {name},\n\nan account was made for you. Set its password within seven days; the link "
    "works once:\n{link}\n",
    (
        "reset",
        "zh",
    ): "{name},您好:\n\n请在两小时内打开此链接设置新密码(仅可使用一次):\n{link}\n\n若非您本人操作,请忽略此邮件。\n",
    ("reset", "en"): "Hello {name},\n\nset a new password within two hours; the link works once:\n{link}\n\n"
    "If you did not ask for it, ignore this mail: nothing has changed.\n",
    ("added", "zh"): "{name},您好:\n\n您已加入一个组织。请用现有账号登录:\n{link}\n",
    ("added", "en"): "Hello {name},\n\nyou were added to an organisation. Sign in with the account you have:\n{link}\n",
}


@dataclass(frozen=True, slots=True)
class Letter:
    kind: Literal["set_password", "reset", "added"]
    locale: str
    name: str
    link: str


def send(session: Session, organisation_id: UUID, recipient: str, letter: Letter) -> None:
    """Queued with the change it tells of; the mailer sends it, or the organisation's outbox page shows it."""
    which = (letter.kind, letter.locale)
    body = BODIES[which].format(name=letter.name, link=letter.link)
    mail = Mail(id=new_id(), organisation_id=organisation_id, recipient=recipient, subject=SUBJECTS[which], body=body)
    session.add(mail)
    session.flush()
