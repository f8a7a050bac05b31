"""Which new passwords are taken, by NIST SP 800-63B-4 §3.1.1.2: long enough, not among the common ones, not made of
what everybody knows of the account; no rules of composition. The list is zxcvbn's (MIT), 30,000 passwords by use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from identity.secrets import WeakPassword, normal

SERVICE = ("grouphub", "group", "hub")
# What must be left of a password without the words everybody knows.
REST_MIN = 5
_EDGES = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_SEQUENCES = ({1}, {-1}, {1, -9}, {-1, 9})
_REPEATED = re.compile(r"(.{1,4}?)\1+.{0,3}", re.DOTALL)


def judge(password: str, email: str, name: str) -> None:
    """Raises WeakPassword, which says why; length is judged where the password is hashed."""
    typed = normal(password).casefold()
    if _REPEATED.fullmatch(typed) or {ord(b) - ord(a) for a, b in pairwise(typed)} in _SEQUENCES:
        raise WeakPassword("This password repeats or counts on from a few characters. Choose another.", reason="simple")
    if typed in _common() or _EDGES.sub("", typed) in _common():
        raise WeakPassword(
            "This password is one of the 30,000 most common ones, or one with digits around it. Choose another.",
            reason="common",
        )
    if word := _told(typed, email, name):
        raise WeakPassword(
            f"This password is little more than “{word}”, which others know of you. Choose another.", reason="context"
        )


def _told(typed: str, email: str, name: str) -> str:
    """The known word the password is made of; empty: it holds enough besides, and nothing common."""
    rest, found = re.sub(r"[\W_]+", "", typed), ""
    for word in _words(email, name):
        if word in rest:
            rest, found = rest.replace(word, ""), found or word
    return found if len(rest) < REST_MIN or rest in _common() else ""


def _words(email: str, name: str) -> Iterator[str]:
    """The longest first: of "ann.lee" the whole before its parts. A Han name has two signs, a Latin word says little
    below three."""
    local = email.partition("@")[0]
    whole = [re.sub(r"[\W_]+", "", normal(one).casefold()) for one in (local, name)]
    parts = [part for one in (local, name) for part in re.split(r"[\W_]+", normal(one).casefold())]
    words = {word for word in (*whole, *parts, *SERVICE) if len(word) >= (3 if word.isascii() else 2)}
    yield from sorted(words, key=lambda word: (-len(word), word))


@cache
def _common() -> frozenset[str]:
    """Loaded when the first password is set."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])
