"""Names, numbers, and the marks that stand on and beside a number: its age line, the promise chip, the identity stamp.
Python and not template macros, because a page draws hundreds of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from markupsafe import Markup, escape

from hub.formats import Number, Speaker, age_step, plain

# How an identity was decided, as the stamp shows it: by key, by a steward, by the model, in doubt, one source alone.
STAMPS = {
    "gtin": "key", "mpn": "key", "xref": "key", "key": "key", "steward": "steward", "model": "model", "doubt": "doubt",
    "own": "solo",
}  # fmt: skip
STAMP_WORDS = {
    "gtin": ("GTIN 相同", "same GTIN"),
    "mpn": ("品牌与件号相同", "same brand and part number"),
    "xref": ("集团对照表", "group cross-reference"),
    "key": ("键相同", "same by key"),
    "steward": ("数据管家确认", "confirmed by a steward"),
    "model": ("模型归并", "linked by model"),
    "doubt": ("存疑，待裁定", "in doubt, waits for a steward"),
    "own": ("只有一个来源", "one source only"),
}
STATE_WORDS = {
    "fresh": ("及时", "fresh"),
    "late": ("迟", "late"),
    "stale": ("陈旧", "stale"),
    "held": ("待放行", "held"),
    "unknown": ("时间不明", "time unknown"),
}


class AgeLike(Protocol):
    """An age as the services give it; of a sum `ratio` is its oldest part's and `main_ratio` that of 80 % of it."""

    @property
    def source_at(self) -> datetime | None: ...
    @property
    def age_seconds(self) -> float | None: ...
    @property
    def sla_seconds(self) -> float | None: ...
    @property
    def state(self) -> str: ...


class IdentityLike(Protocol):
    @property
    def rule(self) -> str: ...
    @property
    def confidence(self) -> Decimal: ...


class Marks:
    """All marks in one language."""

    def __init__(self, say: Speaker) -> None:
        self.say = say

    def name(self, zh: str | None, en: str | None, link: str = "", code: str = "") -> Markup:
        """A name with, small, the one in the other language; a link where there is one to follow. What has no name yet
        goes by its code."""
        shown, other = escape(self.say.pick(zh, en) or code), self.say.other(zh, en)
        alt = f'<span class="alt" lang="{self.say.other_language}">{escape(other)}</span>' if other else ""
        start, end = (
            (f'<a class="quiet cut" href="{escape(link)}"', "</a>") if link else ('<span class="cut"', "</span>")
        )
        return Markup(f'{start} title="{shown}">{shown}{alt}{end}')  # noqa: S704 - escaped above

    def figure(self, value: Number | None, decimals: int | None = None) -> Markup:
        text = self.say.number(value, decimals)
        return Markup(f'<b class="neg">{text}</b>' if value is not None and value < 0 else text)  # noqa: S704 - a number

    def asked(
        self, value: Number | None, unit: str, age: AgeLike | None, href: str, decimals: int | None = None
    ) -> Markup:
        """The cell of a number that can be asked: a link to its origin, opened in place by the page script."""
        return self.asking(age, href)(value, unit, decimals)

    def asking(self, age: AgeLike | None, href: str) -> Callable[[Number | None, str, int | None], Markup]:
        """Makes `asked` cells of one age and origin: a row has several."""
        start = f'<td class="n"{self.line(age)}><a class="origin" href="{escape(href)}" data-origin aria-label="'
        aged, ask = self._aged(age), self.say.pick("；看来历", "; show its origin")

        def cell(value: Number | None, unit: str, decimals: int | None = None) -> Markup:
            spoken = escape(self._joined([f"{self.say.number(value)} {unit}".strip(), *aged]) + ask)
            return Markup(f'{start}{spoken}">{self.figure(value, decimals)}</a></td>')  # noqa: S704 - escaped here

        return cell

    def line(self, age: AgeLike | None) -> Markup:
        """The attributes of the age line for a `.n` cell. The page script re-steps them as time goes on."""
        if age is None or age.age_seconds is None or not age.sla_seconds:
            return Markup("")
        oldest = max(age.age_seconds, 0) / age.sla_seconds
        main = getattr(age, "main_ratio", None)
        main = oldest if main is None else min(main, oldest)
        thick, thin = (age_step(r * age.sla_seconds, age.sla_seconds) for r in (main, oldest))
        seen = age.source_at.timestamp() if age.source_at is not None else 0
        told = seen + (oldest - main) * age.sla_seconds
        aged = f' data-a="{thick}" data-seen="{told:.0f}" data-sla-s="{age.sla_seconds:.0f}"'
        old = f' data-o="{thin}" data-seen-o="{seen:.0f}"' if thin != thick else ""
        return Markup(aged + old)  # noqa: S704 - numbers only

    def sla(self, age: AgeLike, is_part: bool = False) -> Markup:
        """Age always, the word if it is not fresh; `is_part` where only a part of a sum is that old."""
        state, seconds = age.state, age.age_seconds
        part = " data-part" if is_part else ""
        seen = ""
        if age.source_at is not None and age.sla_seconds:
            seen = f' data-seen="{age.source_at.timestamp():.0f}" data-sla-s="{age.sla_seconds:.0f}"'
        return Markup(  # noqa: S704 - words of the tables above and numbers
            f'<span class="sla" data-sla="{escape(state)}"{part}{seen}><svg viewBox="0 0 12 12" aria-hidden="true">'
            f'<use href="#{escape(state)}"/></svg><span>{escape(self.state_text(state, seconds))}</span></span>'
        )

    def state_text(self, state: str, seconds: float | None) -> str:
        word = self.state_word(state)
        if state == "fresh":
            return self.say.age(seconds)
        return word if seconds is None else f"{word} {self.say.age(seconds)}"

    def state_word(self, state: str) -> str:
        return str(self.say.pick(*STATE_WORDS.get(state, (state, state))))

    def feed_sla(self, feed: object) -> Markup:
        """The chip of a feed, whose age may be given with it or not at all."""
        return self.sla(_FeedAge(feed))

    def stamp(self, identity: IdentityLike) -> Markup:
        """Shape and word: = key, ✓ steward, ≈ model with percent, ? doubt, – one source."""
        kind = STAMPS.get(identity.rule, "doubt")
        percent = plain(identity.confidence * 100, 0) if kind in ("model", "doubt") else ""
        words = escape(self.rule_word(identity.rule))
        return Markup(  # noqa: S704 - escaped above
            f'<span class="id" data-id="{kind}" title="{words}">'
            f'<svg viewBox="0 0 16 16" role="img" aria-label="{words}">'
            f'<use href="#id-{kind}"/></svg>{percent}</span>'
        )

    def rule_word(self, rule: str) -> str:
        return str(self.say.pick(*STAMP_WORDS.get(rule, (rule, rule))))

    def spoken(self, value: Number | None, unit: str, age: AgeLike | None, sources: int | None = None) -> str:
        """A number as a screen reader should say it: 182,400 pieces, 6 sources, oldest 3 days 5 hours, stale."""
        parts = [f"{self.say.number(value)} {unit}".strip()]
        if sources:
            parts.append(f"{sources} 个来源" if self.say.language == "zh" else f"{sources} sources")
        return self._joined([*parts, *self._aged(age)])

    def _aged(self, age: AgeLike | None) -> list[str]:
        return [] if age is None or age.age_seconds is None else [self.state_text(age.state, age.age_seconds)]

    def _joined(self, parts: Sequence[str]) -> str:
        return ("，" if self.say.language == "zh" else ", ").join(parts)


class _FeedAge:
    """A feed seen as an age."""

    def __init__(self, feed: object) -> None:
        self.source_at: datetime | None = getattr(feed, "source_at", None)
        self.age_seconds: float | None = getattr(feed, "age_seconds", None)
        self.sla_seconds: float | None = getattr(feed, "sla_seconds", None)
        self.state: str = getattr(feed, "state", "unknown")
