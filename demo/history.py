"""Two years of stock in numbers: places an item lies in, issues by season, bursts and rarity, receipts that follow
them, transfers and counts. Quantities are whole thousandths of the source's unit, so every balance is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from demo.plants import PLACES, SYSTEMS

DAYS = 730
PRIMARY, SECONDARY, LOT, HELD = range(4)
_GRAIN = {"kg": 100, "tonne": 5, "metre": 500, "litre": 500}
_DAY = 86_400
Ints = np.ndarray[Any, np.dtype[Any]]
Floats = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class Columns:
    """A growing table of equally long arrays."""

    parts: dict[str, list[Ints]]

    def add(self, **columns: Ints | int) -> None:
        size = max(len(c) for c in columns.values() if isinstance(c, np.ndarray))
        for name, column in columns.items():
            full = column if isinstance(column, np.ndarray) else np.full(size, column)
            self.parts.setdefault(name, []).append(full)

    def table(self) -> dict[str, Ints]:
        return {name: np.concatenate(parts) for name, parts in self.parts.items()}


def positions(items: pa.Table, rng: np.random.Generator) -> dict[str, Ints]:
    """Every (item, place, lot, owner) that stock may lie in; columns item, place (index in PLACES), role, lot,
    owner."""
    out = Columns({})
    systems = np.array(items["system"].to_pylist())
    lots = items["has_lots"].to_numpy()
    for system in SYSTEMS:
        of = np.flatnonzero(systems == system.key)
        places = PLACES[system.key]
        free = np.array([i for i, p in enumerate(places) if p.status == "unrestricted"])
        held = np.array([i for i, p in enumerate(places) if p.status != "unrestricted"])
        start = rng.integers(len(free), size=len(of))
        extra = np.where(lots[of], rng.integers(2, 9, len(of)), np.minimum(rng.poisson(2.7, len(of)), len(free) - 1))
        for k in range(0, 9):
            on = extra >= k
            role = np.where(lots[of], LOT, PRIMARY if k == 0 else SECONDARY)[on]
            lot = np.where(lots[of], k + 1, 0)[on]
            out.add(item=of[on], place=free[(start[on] + k) % len(free)], role=role, lot=lot, owner=0)
        on = (rng.random(len(of)) < 0.22) & ~lots[of]
        if len(held) and on.any():
            out.add(item=of[on], place=held[rng.integers(len(held), size=on.sum())], role=HELD, lot=0, owner=0)
        on = (rng.random(len(of)) < 0.05) & ~lots[of]
        if system.has_owners and on.any():
            out.add(item=of[on], place=free[start[on]], role=PRIMARY, lot=0, owner=1 + rng.integers(12, size=on.sum()))
    return out.table()


def _season_curves(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cumulative daily intensity of 60 demand patterns: seasonal, level, growing, promotions, rare bursts; 12 phases
    each."""
    day = np.arange(DAYS)
    weekday = np.where((day % 7) >= 5, 0.25, 1.0)
    curves = []
    for phase in range(12):
        wave = 1 + 0.7 * np.sin(2 * np.pi * (day / 365 + phase / 12))
        promotion = np.full(DAYS, 0.6)
        for at in (phase * 30, phase * 30 + 180, phase * 30 + 365):
            promotion[at % DAYS : at % DAYS + 9] += 7
        bursts = (rng.random(DAYS) < 0.03) + 0.002
        curves += [wave, np.ones(DAYS), 0.4 + 1.2 * day / DAYS, promotion, bursts]
    intensity = np.array(curves) * weekday
    cumulative = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(intensity, axis=1)], axis=1)
    return np.arange(DAYS + 1.0), cumulative / cumulative[:, -1:]


def _times(pattern: Ints, rng: np.random.Generator) -> Ints:
    """Seconds since the start, on the days the pattern asks for, in working hours."""
    days, curves = _season_curves(rng)
    roll, day = rng.random(len(pattern)), np.zeros(len(pattern))
    for p in np.unique(pattern):
        of = pattern == p
        day[of] = np.interp(roll[of], curves[p], days)
    return np.asarray(np.floor(day) * _DAY + rng.integers(7 * 3600, 19 * 3600, len(pattern)), dtype=np.int64)


class History:
    """Movements of all systems; `moves` columns: kind, src, dst (position or -1), qty > 0, at (seconds), supplier."""

    KINDS = ("opening", "receipt", "issue", "transfer", "count", "return")

    def __init__(self, items: pa.Table, count: int, end: int, rng: np.random.Generator) -> None:
        self.rng, self.end = rng, end
        self.pos = positions(items, rng)
        self.n = len(self.pos["item"])
        self.moves = Columns({})
        item = self.pos["item"]
        units, price = items["unit"].to_pylist(), items["price_cny"].to_numpy()
        base_per_unit = items["num"].to_numpy() / items["den"].to_numpy()
        self.grain = np.array([_GRAIN.get(u, 1000) for u in units])[item]
        self.size = np.clip(900 / price * rng.lognormal(0, 0.7, len(price)), 1, 400)[item] / base_per_unit[item]
        self.pattern = rng.integers(60, size=len(price))[item]
        self.dormant = (rng.random(len(price)) < 0.12)[item]
        self.system = np.array(items["system"].to_pylist())[item]
        self._issues(count)
        self._lots()
        self._flow()
        self._counts()
        self._overdrawn()

    def quantity(self, of: Ints, size: Floats) -> Ints:
        grain = self.grain[of]
        whole: Ints = np.maximum(np.rint(size * 1000 / grain), 1).astype(np.int64) * grain
        return whole

    def _issues(self, count: int) -> None:
        share = {s.key: s.share_moves for s in SYSTEMS}
        weight = np.array([6.0, 1.6, 0.8, 0.0])[self.pos["role"]] * self.rng.lognormal(0, 1.0, self.n)
        expected = np.zeros(self.n)
        for key, part in share.items():
            of = self.system == key
            expected[of] = weight[of] / weight[of].sum() * part * count * 0.80
        self.demand = np.repeat(np.arange(self.n), self.rng.poisson(expected))
        self.at = np.minimum(_times(self.pattern[self.demand], self.rng), self.end - 60)
        asleep = self.dormant[self.demand]
        self.at[asleep] = self.at[asleep] * 45 // 100
        lumps = np.where(self.pattern[self.demand] % 5 == 4, 4.0, 1.0)
        self.qty = self.quantity(
            self.demand, self.size[self.demand] * lumps * self.rng.lognormal(-0.1, 0.5, len(self.demand))
        )

    def _lots(self) -> None:
        """A lot comes in once and goes out in parts; what is left of it may outlive its date."""
        of = np.flatnonzero(self.pos["role"] == LOT)
        born = (self.rng.random(self.n) * (self.end - 3 * _DAY)).astype(np.int64)
        mask = self.pos["role"][self.demand] == LOT
        d, q = self.demand[mask], self.qty[mask]
        born_at = born[d]
        at = born_at + 60 + ((self.end - 120 - born_at) * self.rng.random(len(d))).astype(np.int64)
        used = np.bincount(d, weights=q, minlength=self.n)
        left = self.rng.random(self.n) * (used + self.size * 3000) * (self.rng.random(self.n) > 0.12)
        took_in = (used[of] + (left[of] / self.grain[of]).astype(np.int64) * self.grain[of]).astype(np.int64)
        took_in = np.maximum(took_in, self.grain[of])
        self.lot_born = born
        self.moves.add(kind=1, src=-1, dst=of, qty=took_in, at=born[of])
        self.moves.add(kind=2, src=d, dst=-1, qty=q, at=at)

    def _flow(self) -> None:
        """Second places are fed from the first of their item by transfers, the first by receipts, both after demand."""
        role, item = self.pos["role"], self.pos["item"]
        main = np.full(int(item.max()) + 1, -1)
        first = (role == PRIMARY) & (self.pos["owner"] == 0)
        main[item[first]] = np.flatnonzero(first)
        mask = role[self.demand] == SECONDARY
        d, q, at = self.demand[mask], self.qty[mask], self.at[mask]
        self.moves.add(kind=2, src=d, dst=-1, qty=q, at=at)
        fed, amount, when = self._sawtooth(d, q, at, role == SECONDARY)
        held = np.repeat(np.flatnonzero(role == HELD), 2)
        held_at = self.end - 120 - (self.rng.random(len(held)) ** 2 * 90 * _DAY).astype(np.int64)
        fed, when = np.concatenate([fed, held]), np.concatenate([when, held_at])
        amount = np.concatenate([amount, self.quantity(held, self.size[held] * 3)])
        self.moves.add(kind=3, src=main[item[fed]], dst=fed, qty=amount, at=when)
        mask = role[self.demand] == PRIMARY
        d, q, at = self.demand[mask], self.qty[mask], self.at[mask]
        self.moves.add(kind=2, src=d, dst=-1, qty=q, at=at)
        every = (np.concatenate([d, main[item[fed]]]), np.concatenate([q, amount]), np.concatenate([at, when]))
        bought, amount, when = self._sawtooth(*every, role == PRIMARY)
        self.moves.add(kind=1, src=-1, dst=bought, qty=amount, at=when)

    def _sawtooth(self, d: Ints, q: Ints, at: Ints, of: np.ndarray) -> tuple[Ints, Ints, Ints]:
        """An (s, Q) policy in closed form: a refill of Q whenever cumulated demand passes a multiple of Q, so the
        balance stays between opening - Q and opening. Adds the openings; returns the refills (position, quantity,
        second)."""
        order = np.lexsort((at, d))
        d, q, at = d[order], q[order], at[order]
        n = np.bincount(d, minlength=self.n)
        mean = np.bincount(d, weights=q, minlength=self.n) / np.maximum(n, 1)
        mean = np.where(n > 0, mean, self.size * 1000)
        lot = self.quantity(np.arange(self.n), mean / 1000 * (4 + 5 * self.rng.random(self.n)))
        total = np.cumsum(q)
        before = np.concatenate([[0], total])[np.concatenate([[0], np.cumsum(n)])[:-1]]
        cumulated = total - before[d]
        passed = cumulated // lot[d]
        fresh = np.concatenate([[True], d[1:] != d[:-1]]) if len(d) else np.zeros(0, bool)
        step = passed - np.where(fresh, 0, np.concatenate([[0], passed[:-1]]))
        hit = step > 0
        opening = self.quantity(np.arange(self.n), lot / 1000 * (1.02 + 0.9 * self.rng.random(self.n)))
        have = np.flatnonzero(of)
        self.moves.add(kind=0, src=-1, dst=have, qty=np.maximum(opening, lot + self.grain)[have], at=0)
        lead = self.rng.integers(600, 20 * 3600, hit.sum())
        return d[hit], (step * lot[d])[hit], np.maximum(at[hit] - lead, 3600)

    def _counts(self) -> None:
        """Counts find a little more or less, customers return a little; both never large enough to empty a place."""
        usable = np.flatnonzero(self.pos["role"] <= SECONDARY)
        for kind, share in ((4, 0.02), (5, 0.006)):
            of = self.rng.choice(usable, size=max(2, int(len(self.at) * share)))
            at = np.minimum(_times(self.pattern[of], self.rng), self.end - 60)
            size = self.quantity(of, self.size[of] * 0.1 * self.rng.random(len(of)))
            more = (self.rng.random(len(of)) < 0.55) | (kind == 5)
            self.moves.add(kind=kind, src=np.where(more, -1, of), dst=np.where(more, of, -1), qty=size, at=at)

    def _overdrawn(self) -> None:
        """Issues booked before their receipt: half a per cent of places stand below zero at the end."""
        kinds = {s.key for s in SYSTEMS if s.allows_negative}
        can = np.flatnonzero(
            (self.pos["role"] <= SECONDARY) & np.isin(self.system, list(kinds)) & (self.pos["owner"] == 0)
        )
        of = np.sort(self.rng.choice(can, size=max(2, len(can) // 150), replace=False))
        excess = self.quantity(of, self.size[of])
        self.moves.add(kind=2, src=of, dst=-1, qty=np.maximum(self.balance()[of], 0) + excess, at=self.end - 1800)

    def balance(self) -> Ints:
        m = self.moves.table()
        into = np.bincount(m["dst"][m["dst"] >= 0], weights=m["qty"][m["dst"] >= 0], minlength=self.n)
        out = np.bincount(m["src"][m["src"] >= 0], weights=m["qty"][m["src"] >= 0], minlength=self.n)
        return (into - out).astype(np.int64)
