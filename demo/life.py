"""The group goes on living: receipts, issues, counts and transfers in every plant, booked the way its system books
them."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import structlog

from demo import files
from demo.agents import PUSH_SECRET
from demo.bookings import BOOKERS, Event, Kind
from demo.load import KINDS, system_dsn
from demo.plants import SYSTEMS
from demo.truth import StockKey, true_stock
from demo.wms import Pusher

EXPORT_SECONDS = 300.0
FIRST_EXPORT_SECONDS = 30.0
PUSH_SECONDS = 1.0
_KINDS: tuple[tuple[Kind, float], ...] = (("issue", 0.55), ("receipt", 0.25), ("transfer", 0.12), ("count", 0.08))
_STEPS = {
    **dict.fromkeys(("千克", "公斤", "kg", "Kg", "KG"), Decimal("0.1")),
    **dict.fromkeys(("吨", "t", "T", "Tonne"), Decimal("0.005")),
    **dict.fromkeys(("米", "m", "M", "Meter", "升", "L", "Litre"), Decimal("0.5")),
}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plant:
    """Where the legacy systems are: their server, the folders of exports, the address the WMS pushes to (None: it
    waits)."""

    admin_dsn: str
    folders: dict[str, Path]
    push_url: str | None = None


@dataclass(slots=True)
class Books:
    """What one system may move: its own unrestricted stock, kept in step with what is booked here."""

    system: str
    dsn: str
    stock: dict[StockKey, Decimal] = field(repr=False)
    places: list[str]

    @classmethod
    def open(cls, admin_dsn: str, system: str) -> Books:
        found = {
            k: q for k, (q, _) in true_stock(admin_dsn, system).items() if k.status == "unrestricted" and not k.owner
        }
        return cls(system, system_dsn(admin_dsn, system), found, sorted({k.place_id for k in found}))

    def next_event(self, dice: random.Random) -> Event:
        """An issue never takes more than is there; what runs empty is received."""
        key = dice.choice(list(self.stock))
        held, step = self.stock[key], _STEPS.get(key.unit, Decimal(1))
        kind = dice.choices([k for k, _ in _KINDS], [w for _, w in _KINDS])[0]
        elsewhere = [p for p in self.places if p != key.place_id]
        if held < step or (kind == "transfer" and not elsewhere):
            kind = "receipt"
        part = {"issue": 0.08, "receipt": 0.25, "transfer": 0.15, "count": 0.01}[kind] * dice.random()
        amount = max(step, (abs(held) * Decimal(repr(part)) // step) * step)
        if kind == "receipt":
            amount += 5 * step
        outward = kind in ("issue", "transfer") or (kind == "count" and dice.random() < 0.5)
        target = dice.choice(elsewhere) if kind == "transfer" else None
        return Event(kind, key.item_id, key.place_id, key.lot, key.owner, -amount if outward else amount, target)

    def book(self, event: Event) -> None:
        with psycopg.connect(self.dsn) as con:
            BOOKERS[KINDS[self.system]](con, event)
        for key in [k for k in self.stock if (k.item_id, k.lot) == (event.item, event.lot)][:1]:
            for place, change in event.legs:
                of = StockKey(self.system, event.item, place, event.lot, event.owner, "unrestricted", key.unit)
                self.stock[of] = self.stock.get(of, Decimal(0)) + change


def live(plant: Plant, stop: threading.Event, events_per_minute: float, seed: int | None = None) -> None:
    """Books events until `stop` is set. A system that does not answer is left out and tried again."""
    dice = random.Random(seed)
    books = {s.key: Books.open(plant.admin_dsn, s.key) for s in SYSTEMS}
    helpers = [threading.Thread(target=_export, args=(plant, stop), name="exports", daemon=True)]
    if plant.push_url:
        helpers.append(threading.Thread(target=_push, args=(plant, stop), name="wms-push", daemon=True))
    for helper in helpers:
        helper.start()
    pause = 60 / events_per_minute
    while not stop.wait(pause * dice.uniform(0.5, 1.5)):
        system = dice.choices([s.key for s in SYSTEMS], [s.share_moves for s in SYSTEMS])[0]
        book = books[system]
        event = book.next_event(dice)
        try:
            book.book(event)
        except psycopg.OperationalError as error:
            log.warning("demo_booking_failed", system=system, reason=str(error).strip())
            continue
        log.debug("demo_booked", system=system, kind=event.kind, item=event.item)
    for helper in helpers:
        helper.join(10)


def _export(plant: Plant, stop: threading.Event) -> None:
    """Soon after a start, as the group may have rested for days, and then by the clock."""
    pause = FIRST_EXPORT_SECONDS
    while not stop.wait(pause):
        pause = EXPORT_SECONDS
        try:
            files.export_all(plant.admin_dsn, plant.folders)
        except (psycopg.OperationalError, OSError) as error:
            log.warning("demo_export_failed", reason=str(error).strip())


def _push(plant: Plant, stop: threading.Event) -> None:
    pusher = Pusher(system_dsn(plant.admin_dsn, "wugang-wms"), plant.push_url or "", PUSH_SECRET)
    quiet_until = 0.0
    while not stop.wait(PUSH_SECONDS):
        if time.monotonic() < quiet_until:
            continue
        try:
            pusher.send()
        except (httpx.HTTPError, psycopg.OperationalError) as error:
            quiet_until = time.monotonic() + 5
            log.debug("demo_push_waits", reason=str(error).strip())
