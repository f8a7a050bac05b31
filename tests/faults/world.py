"""A seeded history of three plants: movement lines in the order they are delivered (late, disordered, repeated,
restated, voided), counts of stock between them, and what every key must hold in the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

SEED = 20_261_122
ITEMS, PLACES = 1_500, 4
ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
CURRENCIES = ("CNY", "EUR", "USD")
KINDS = ("receipt", "issue", "transfer", "count")
LATE, REPEATED, RESTATED, VOIDED = 0.10, 0.10, 0.02, 0.005


class Key(NamedTuple):
    item: str
    place: str
    lot: str
    status: str
    unit: str


class Line(NamedTuple):
    document: str
    line: str
    key: Key
    quantity: Decimal
    kind: str
    booked_at: datetime
    modified_at: datetime
    is_voided: bool = False


class Count(NamedTuple):
    """At `at` the keys held these quantities; `sync` says whether the read speaks for all others too."""

    at: datetime
    sync: str
    quantities: dict[Key, Decimal]


@dataclass(frozen=True)
class Delivery:
    """One batch as it travels; the same id twice is the same batch."""

    id: UUID
    sync: str
    at: datetime
    lines: tuple[Line, ...] = ()
    count: Count | None = None


def key_of(item: int, place: int) -> Key:
    lot = f"L{item % 7}" if item % 5 == 0 else ""
    return Key(
        f"M{item:05}", f"W{place}", lot, "quality" if place == 3 else "unrestricted", "KGM" if item % 3 == 0 else "C62"
    )


KEYS = [key_of(item, place) for item in range(ITEMS) for place in range(PLACES)]


def cost(key: Key) -> Decimal:
    return Decimal(int(key.item[1:]) % 97 + 1) / 4


def currency(key: Key) -> str:
    return CURRENCIES[int(key.item[1:]) % 3]


def value(key: Key, quantity: Decimal) -> Decimal:
    return (quantity * cost(key)).quantize(Decimal("0.01"))


def history(plant: str, events: int) -> list[Line]:
    """Lines in the order of delivery; `events` of them say something of their own, a tenth more repeats."""
    chance = random.Random(f"{SEED} {plant}")
    wild = int(events * 0.3)
    delivered: list[tuple[float, Line]] = []
    originals = int(events * (1 - RESTATED - VOIDED))
    for n in range(originals):
        line = _original(chance, plant, n)
        late = chance.random() < LATE
        delivered.append((n + (chance.random() * wild if late else 0), line))
        if chance.random() < REPEATED:
            delivered.append((n + chance.random() * wild, line))
    for n in chance.sample(range(originals), events - originals):
        original = delivered[n][1]
        delivered.append((n + chance.uniform(-0.02, 0.3) * events, _restated(chance, original)))
    return [line for _, line in sorted(delivered, key=lambda d: (d[0], d[1]))]


def _original(chance: random.Random, plant: str, n: int) -> Line:
    key = KEYS[chance.randrange(len(KEYS))]
    quantity = Decimal(chance.randrange(-400, 500)) / (8 if key.unit == "KGM" else 1)
    booked = ORIGIN + timedelta(seconds=20 * n, microseconds=chance.randrange(10**6))
    return Line(f"{plant}-{n // 3}", str(n % 3 + 1), key, quantity, chance.choice(KINDS), booked, booked)


def _restated(chance: random.Random, line: Line) -> Line:
    """A later word on the same line: another quantity, another time of booking, or a void."""
    modified = line.modified_at + timedelta(seconds=chance.randrange(1, 10**5))
    if chance.random() < VOIDED / (RESTATED + VOIDED):
        return line._replace(modified_at=modified, is_voided=True)
    booked = line.booked_at + timedelta(seconds=chance.choice((0, -600, 600)))
    return line._replace(modified_at=modified, quantity=line.quantity + 1, booked_at=booked)


def in_force(lines: Iterable[Line]) -> list[Line]:
    """The newest version of each line by the source's own modification time, voids left out; by time of booking."""
    newest: dict[tuple[str, str], Line] = {}
    for line in lines:
        held = newest.get((line.document, line.line))
        if held is None or line.modified_at > held.modified_at:
            newest[line.document, line.line] = line
    return sorted((v for v in newest.values() if not v.is_voided), key=lambda v: v.booked_at)


def versions(lines: Iterable[Line]) -> int:
    """How many different things were said."""
    return len(set(lines))


def balances(lines: Iterable[Line], instants: list[datetime], opening: Decimal) -> Iterator[dict[Key, Decimal]]:
    """What every key truly held at each instant (rising)."""
    held, rest = dict.fromkeys(KEYS, opening), in_force(lines)
    position = 0
    for instant in instants:
        while position < len(rest) and rest[position].booked_at <= instant:
            held[rest[position].key] += rest[position].quantity
            position += 1
        yield dict(held)


def expected(lines: Iterable[Line], counts: Iterable[Count]) -> dict[Key, Decimal]:
    """The newest count of each key, plus every movement in force booked after it."""
    newest: dict[Key, tuple[datetime, Decimal]] = {}
    for count in counts:
        for key, quantity in count.quantities.items():
            if key not in newest or newest[key][0] < count.at:
                newest[key] = count.at, quantity
    held = defaultdict(Decimal, {key: quantity for key, (_, quantity) in newest.items()})
    for line in in_force(lines):
        if line.key not in newest or line.booked_at > newest[line.key][0]:
            held[line.key] += line.quantity
    return dict(held)


def deliveries(plant: str, lines: list[Line]) -> tuple[list[Delivery], list[Count]]:
    """Lines cut into calls and batches with counts between them; some come again under their id or a new one."""
    chance = random.Random(f"{SEED} deliveries {plant}")
    made, counts = list(_cut(chance, lines)), []
    for n in range(0, len(made), 4):
        counts.append(_count(chance, made[n].at, full=n % 32 == 0))
        made.append(Delivery(_id(chance), counts[-1].sync, counts[-1].at, count=counts[-1]))
    placed = [(float(n if d.lines else 4 * (n - len(made) + len(counts))), d) for n, d in enumerate(made)]
    for at, one in chance.sample(placed, len(placed) // 10):
        again = one if chance.random() < 0.5 else Delivery(_id(chance), one.sync, one.at, one.lines, one.count)
        placed.append((at + chance.uniform(0, 30), again))
    shaken = [(at + (chance.uniform(0, 20) if chance.random() < LATE else 0), d) for at, d in placed]
    return [d for _, d in sorted(shaken, key=lambda s: s[0])], counts


def _cut(chance: random.Random, lines: list[Line]) -> Iterator[Delivery]:
    start = 0
    while start < len(lines):
        size = chance.randrange(2_000, 10_000) if chance.random() < 0.04 else chance.randrange(1, 513)
        part = tuple(lines[start : start + size])
        start += size
        sync = "event" if size <= 512 else "incremental"
        yield Delivery(_id(chance), sync, max(line.booked_at for line in part), part)


def _count(chance: random.Random, near: datetime, *, full: bool) -> Count:
    """Whatever it says holds, so it may say anything; no two counts share an instant."""
    at = near - timedelta(seconds=chance.randrange(0, 20_000), microseconds=chance.randrange(10**6))
    keys = KEYS if full else chance.sample(KEYS, 60)
    quantities = {k: Decimal(chance.randrange(500, 2_000)) / (4 if k.unit == "KGM" else 1) for k in keys}
    return Count(at, "full" if full else chance.choice(("event", "incremental")), quantities)


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)
