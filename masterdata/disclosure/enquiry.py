"""A question to head office: who holds what is shown without a name. Head office answers by its own means."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub import mailer
from hub.errors import Conflict, NotFound
from hub.jobs import defer
from identity import links
from identity.audit.service import record
from identity.principal import Principal
from masterdata.golden.holders import get_holders

_ORGANISATION = text("""
    select name_zh, name_en from organisation where id = nullif(current_setting('hub.org', true), '')::uuid""")
_SEND = text("select * from disclosure_enquire(:subject_zh, :body_zh, :subject_en, :body_en)")
SUBJECT_ZH, SUBJECT_EN = "谁持有 {number}？{name_zh} 在问", "Who holds {number}? {name_en} asks"
BODY_ZH = (
    "{name_zh} 的 {person} 看到 {number} {material} 有不具名的持有方，想知道是哪家。\n答复：{email}\n持有方：{link}\n"
)
BODY_EN = (
    "{person} of {name_en} sees {number} {material} with a holder that is not named, and would like to know who.\n"
    "Answer to: {email}\nHolders: {link}\n"
)


def ask_head_office(session: Session, caller: Principal, number: str) -> None:
    """Raises NotFound where the caller sees no unnamed holder, Conflict where its organisation asked within a day."""
    held = get_holders(session, number)
    if not any(one.level == "hidden" for one in held.sisters):
        raise NotFound(f"Nobody who holds {number} is hidden from you.")
    names = session.execute(_ORGANISATION).one()
    told = {"number": held.number, "name_zh": names.name_zh, "name_en": names.name_en, "person": caller.name}
    told |= {"material": held.name_zh or held.name_en or "", "email": caller.email}
    told["link"] = f"{links.base_url()}/materials/{held.number}"
    texts = {"subject_zh": SUBJECT_ZH, "body_zh": BODY_ZH, "subject_en": SUBJECT_EN, "body_en": BODY_EN}
    sent = session.execute(_SEND, {name: words.format(**told) for name, words in texts.items()}).all()
    if not sent:
        raise Conflict("Head office was asked about this material within the last day, or has nobody to ask yet.")
    for mail in sent:
        defer(session, mailer.TASK, mail_id=str(mail.mail_id), organisation_id=str(mail.office_id))
    places = [caller.organisation_id, *(mail.office_id for mail in sent)]
    record(session, "head_office_asked", organisations=places, object_kind="golden_material", object_id=held.number)
