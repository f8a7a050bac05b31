"""What every page of stock needs to speak of: organisations and units by their keys, and the frame around the page.
Read once per readable set and kept for five seconds, as every page asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.database import set_tenancy
from hub.formats import Speaker
from hub.pages import FeedLine, Frame, Viewer
from identity.principal import Principal

KEPT_SECONDS = 5.0
MOST_KEPT = 256

T = TypeVar("T")
_kept: dict[tuple[Any, ...], tuple[float, Any]] = {}


@dataclass(frozen=True, slots=True)
class Org:
    id: UUID
    key: str
    kind: str
    name_zh: str
    name_en: str
    seal: str
    letter: str


@dataclass(frozen=True, slots=True)
class UnitName:
    code: str
    symbol_zh: str
    symbol_en: str
    name_zh: str
    name_en: str
    decimals: int


class Orgs(dict[str, Org]):
    """Organisations by key; one that the reader may not see is known by its key alone."""

    def __missing__(self, key: str) -> Org:
        return Org(UUID(int=0), key, "", key, key, key[:1].upper(), key[:1].upper())


@dataclass(frozen=True, slots=True)
class Directory:
    orgs: Orgs
    units: dict[str, UnitName]

    @property
    def plants(self) -> list[Org]:
        return [org for org in self.orgs.values() if org.kind == "subsidiary"]

    def by_id(self, organisation_id: UUID | None) -> Org | None:
        return next((org for org in self.orgs.values() if org.id == organisation_id), None)

    def unit(self, say: Speaker, code: str | None) -> str:
        """The unit's symbol in the reader's language; a source's own code stands for itself."""
        known = self.units.get(code or "")
        return say.pick(known.symbol_zh, known.symbol_en) if known else code or ""

    def decimals(self, code: str | None) -> int | None:
        known = self.units.get(code or "")
        return known.decimals if known else None


def directory(session: Session, me: Principal) -> Directory:
    return _keep(("directory", me.readable), lambda: _directory(session))


def _directory(session: Session) -> Directory:
    found = session.execute(
        text("select id, key, kind, name_zh, name_en, seal, letter from organisation order by rank, key")
    )
    orgs = Orgs({row["key"]: Org(**row) for row in found.mappings()})
    units = session.execute(
        text("select code, symbol_zh, symbol_en, name_zh, name_en, decimals from unit order by code")
    )
    return Directory(orgs, {row["code"]: UnitName(**row) for row in units.mappings()})


def frame_of(request: Request, viewer: Viewer) -> Frame:
    """The frame around a page, in a session of its own: error pages have none left."""
    if not isinstance(viewer, Principal):
        return Frame()
    return _keep(("frame", viewer.readable, viewer.organisation_id), lambda: _open(request, viewer))


def _open(request: Request, me: Principal) -> Frame:
    with request.app.state.new_session() as session, session.begin():
        set_tenancy(session, me.tenancy)
        return _frame(session, me)


_FEEDS = text("""
    select read_through, sla_seconds, held_batch_id is not null as is_held from coverage
    where organisation_id <> all ((select closed_organisations())::uuid[]) order by system_id, name""")
_COUNTS = text("""
    select (select count(*) from batch where state = 'held') as held,
           (select count(*) from (select from quarantine where state = 'open' limit 1000) q) as quarantined""")


def _frame(session: Session, me: Principal) -> Frame:
    org = directory(session, me).by_id(me.organisation_id)
    now = datetime.now(UTC)
    feeds = tuple(
        FeedLine((now - row.read_through).total_seconds() if row.read_through else None, row.sla_seconds, row.is_held)
        for row in session.execute(_FEEDS)
    )
    counts = session.execute(_COUNTS).one()
    names = (org.name_zh, org.name_en, org.seal, org.letter) if org else ("", "", "", "")
    return Frame(*names, feeds=feeds, held=counts.held, quarantined=counts.quarantined)


def _keep(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    now = time.monotonic()
    found = _kept.get(key)
    if found is not None and found[0] > now:
        value: T = found[1]
        return value
    value = make()
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[key] = (now + KEPT_SECONDS, value)
    return value
