"""How often a password may be tried. Each try is counted before it is judged, in a transaction of its own, so that
parallel tries count too; a window ends by itself, so that nobody is locked out for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.errors import TooManyRequests

TAKE = text(
    """
    insert into sign_in_failure as f (door, failures, since) values (:door, 1, clock_timestamp())
    on conflict (door) do update set
        failures = case when f.since < now() - make_interval(secs => :window) then 1 else f.failures + 1 end,
        since = case when f.since < now() - make_interval(secs => :window) then clock_timestamp() else f.since end
    returning failures, :window - extract(epoch from clock_timestamp() - since) as wait
    """
)
GIVE_BACK = text("update sign_in_failure set failures = greatest(failures - 1, 0) where door = any (:doors)")
CLEAR = text("delete from sign_in_failure where door = :door")


@dataclass(frozen=True, slots=True)
class Door:
    """Something that can be tried `limit` times in `window` seconds."""

    key: bytes
    limit: int
    window: int


def doors(account: str, address: str, device: bytes | None, what: str = "password") -> tuple[Door, ...]:
    """A device the account has signed in from has doors of its own, which nobody else's tries close. Who guesses one
    account from many addresses meets the second door: ten tries from its first try on, so at most twenty in any hour.
    The third meets who tries one password on many accounts."""
    if device is not None:
        known = (what, "device", account, device.hex())
        return Door(_digest(*known), 5, 300), Door(_digest(*known, "hour"), 20, 3_600)
    pair = Door(_digest(what, "pair", account, address), 5, 300)
    everywhere = Door(_digest(what, "account", account), 10, 3_600)
    return pair, everywhere, place(address)


def place(address: str) -> Door:
    """What nobody is named in: an address may knock a hundred times in five minutes."""
    return Door(_digest("address", address), 100, 300)


def reset_doors(account: str, address: str) -> tuple[Door, ...]:
    """Asking for a reset: enough for who mistypes, too little to flood a mailbox."""
    return Door(_digest("reset", account), 3, 3_600), Door(_digest("reset-from", address), 30, 3_600)


def provider_doors(address: str) -> tuple[Door, ...]:
    """Beginning a sign-in at a provider keeps a row each time."""
    return (Door(_digest("provider", address), 200, 300),)


def take(session: Session, tried: tuple[Door, ...]) -> int:
    """Counts one try at each door, to be committed whatever comes of it; returns the seconds to wait, 0: go on."""
    waits = [0]
    for door in sorted(tried, key=lambda d: d.key):
        row = session.execute(TAKE, {"door": door.key, "window": door.window}).one()
        if row.failures > door.limit:
            waits.append(max(int(row.wait), 1))
    return max(waits)


def refuse(wait: int) -> None:
    if wait:
        raise TooManyRequests(f"Too many tries. Wait {wait} s and try again.", retry_after=wait)


def give_back(session: Session, tried: tuple[Door, ...]) -> None:
    """The try was right: it does not count, and the pair starts afresh."""
    session.execute(CLEAR, {"door": tried[0].key})
    session.execute(GIVE_BACK, {"doors": [d.key for d in tried[1:]]})


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()
