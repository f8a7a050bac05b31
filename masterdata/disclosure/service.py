"""What an organisation discloses of its stock: the rules in force, their change, and what a partner would see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from hub.errors import Forbidden, Unprocessable
from identity.audit.service import record
from identity.principal import Principal
from masterdata.disclosure.schemas import BANDS, DEFAULTS, Disclosure, DisclosureIn, PartnerKind, Rule
from masterdata.golden.holders import find_golden, sister_of
from masterdata.golden.schemas import Level, SisterStock

_ACTING = text("""
    select id, key, kind from organisation where id = nullif(current_setting('hub.org', true), '')::uuid""")
_RULES = text("""
    select * from (
        select distinct on (partner_kind, class_prefix) partner_kind, class_prefix, level, valid_from
        from disclosure_rule
        where organisation_id = :org and valid_from <= coalesce(cast(:at as timestamptz), clock_timestamp())
        order by partner_kind, class_prefix, valid_from desc, recorded_at desc) n
    where level is not null order by partner_kind desc, class_prefix""")
_UPCOMING = text("""
    select * from (
        select distinct on (partner_kind, class_prefix, valid_from) partner_kind, class_prefix, level, valid_from
        from disclosure_rule where organisation_id = :org and valid_from > clock_timestamp()
        order by partner_kind, class_prefix, valid_from, recorded_at desc) n
    order by valid_from, partner_kind desc, class_prefix""")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('disclosure ' || :org, 0))")
_WRITE = text("""
    insert into disclosure_rule (organisation_id, partner_kind, class_prefix, level, valid_from, recorded_by)
    values (:org, :partner_kind, :class_prefix, :level, coalesce(cast(:at as timestamptz), clock_timestamp()), :by)""")
_PREVIEW = text("select * from disclosure_preview(:golden, :partner)")


def get_disclosure(session: Session) -> Disclosure:
    """The policy of the organisation acted for."""
    owner = _owner(session)
    return Disclosure(
        organisation=owner.key,
        rules=[Rule(**row._mapping) for row in session.execute(_RULES, {"org": owner.id, "at": None})],
        upcoming=[Rule(**row._mapping) for row in session.execute(_UPCOMING, {"org": owner.id})],
        defaults=DEFAULTS,
        bands=list(BANDS),
    )


def put_disclosure(session: Session, caller: Principal, given: DisclosureIn) -> Disclosure:
    """Replace the policy from `valid_from` on; what is to come later stays. Raises Unprocessable for an instant that
    has passed or two rules for one class, Forbidden for who has no stock to disclose."""
    owner, wanted = _owner(session), _wanted(given)
    if given.valid_from is not None and given.valid_from < datetime.now(UTC):
        raise Unprocessable(
            f"valid_from is {given.valid_from.isoformat()}, which has passed. A rule protects from now on: leave "
            "valid_from out, or give an instant to come."
        )
    session.execute(_LOCK, {"org": str(owner.id)})
    before: dict[tuple[PartnerKind, str], Level | None] = {
        (row.partner_kind, row.class_prefix): row.level
        for row in session.execute(_RULES, {"org": owner.id, "at": given.valid_from})
    }
    for place in sorted(before.keys() | wanted.keys()):
        if before.get(place) != wanted.get(place):
            change: dict[str, Any] = {"partner_kind": place[0], "class_prefix": place[1], "level": wanted.get(place)}
            session.execute(_WRITE, change | {"org": owner.id, "at": given.valid_from, "by": caller.id})
            told: dict[str, Any] = {"before": before.get(place), "valid_from": given.valid_from}
            record(session, "disclosure_changed", **_whose(owner), **change, **told)
    return get_disclosure(session)


def preview(session: Session, number: str, partner: PartnerKind) -> list[SisterStock]:
    """What partners of a kind see of the own stock of a golden material now; raises NotFound as its page does."""
    _owner(session)
    golden, now = find_golden(session, number), datetime.now(UTC)
    rows: Sequence[Row[Any]] = session.execute(_PREVIEW, {"golden": golden.id, "partner": partner}).all()
    return [sister_of(row, now) for row in rows]


def _owner(session: Session) -> Row[Any]:
    owner = session.execute(_ACTING).one_or_none()
    if owner is None or owner.kind not in ("group", "subsidiary"):
        raise Forbidden("Only plants of the group disclose stock. Act for a plant to see its policy.")
    return owner


def _whose(owner: Row[Any]) -> dict[str, Any]:
    return {"organisations": [owner.id], "object_kind": "organisation", "object_id": owner.id}


def _wanted(given: DisclosureIn) -> dict[tuple[PartnerKind, str], Level | None]:
    wanted: dict[tuple[PartnerKind, str], Level | None] = {}
    for rule in given.rules:
        place = (rule.partner_kind, rule.class_prefix)
        if place in wanted:
            raise Unprocessable(f"Two rules say what a {place[0]} sees of class '{place[1]}'. Keep one of them.")
        wanted[place] = rule.level
    return wanted
