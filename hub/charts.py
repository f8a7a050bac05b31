"""Marks and charts as inline SVG, drawn by the server: lengths are attributes, colours are classes of the stylesheet,
so that pages need no inline style. The grammar (line, notch, step, stack) is told in docs/look.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup, escape

from hub.formats import sla_state

Height = Callable[[float], float]


def _svg(width: float, height: float, body: str, css: str, label: str = "", *, stretch: bool = False) -> Markup:
    name = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    fit = ' preserveAspectRatio="none"' if stretch else ""
    size = "" if stretch else f' width="{width:g}" height="{height:g}"'
    return Markup(f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}"{size}{fit} {name}>{body}</svg>')  # noqa: S704


def _path(css: str, points: Sequence[tuple[float, float]], close: bool = False) -> str:
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{css}" d="M{line}{"Z" if close else ""}"/>'


def _text(x: float, y: float, text: object, css: str = "", anchor: str = "start") -> str:
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}"{at}>{escape(str(text))}</text>'


def spark(values: Sequence[float], width: float = 96, height: float = 26, target: float | None = None) -> Markup:
    """A line without axes, its last point dotted; nothing under six points, which say no trend."""
    if len(values) < 6:
        return Markup("")
    known = [*values, target] if target is not None else list(values)
    low, span = min(known), (max(known) - min(known)) or 1
    step = (width - 6) / (len(values) - 1)
    points = [(2 + i * step, height - 3 - (v - low) / span * (height - 6)) for i, v in enumerate(values)]
    aim = (
        ""
        if target is None
        else f'<path class="tgt" d="M0 {height - 3 - (target - low) / span * (height - 6):.1f}H{width:g}"/>'
    )
    x, y = points[-1]
    return _svg(width, height, aim + _path("", points) + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>', "spark")


def hull(points: Sequence[tuple[float, float]], width: float = 240) -> Markup:
    """The silhouette under a large sum: its height at age x is the share of the sum that is at least that old.
    Points are (age ÷ promise, share at least that old), rising. Right = now, notch = promise, left = twice it."""
    notch = f'<path class="trk" d="M0 12.5H{width:g}"/><path class="ntc" d="M{width / 2:.1f} 0V13"/>'
    if not points:
        return _svg(width, 13, notch, "hull", stretch=True)
    living = max((float(r) for r, _ in points if r <= 2), default=0.0)
    body = _silhouette(points, 0, min(max(living, 0.03), 1), width, "f")
    if living > 1:
        body += _silhouette(points, 1, living, width, "f late")
    if points[-1][0] > 2:
        body += f'<path class="stale" d="M{width * (1 - max(living, 0.03) / 2):.1f} 10.5H0"/>'
    return _svg(width, 13, body + notch, "hull", stretch=True)


def _silhouette(points: Sequence[tuple[float, float]], start: float, end: float, width: float, css: str) -> str:
    marks = [start, *[float(r) for r, _ in points if start < r < end], end]
    outline = [(width * (1 - start / 2), 12.0)]
    for left, right in pairwise(marks):
        share = next((float(s) for r, s in points if r >= right - 1e-9), 0.0)
        height = 12 - max(10 * share, 0.6 if share else 0)
        outline += [(width * (1 - left / 2), height), (width * (1 - right / 2), height)]
    return _path(css, [*outline, (width * (1 - end / 2), 12.0)], close=True)


def lane(age_seconds: float | None, sla_seconds: float | None, width: float = 150, height: float = 14) -> Markup:
    """A feed's age as a line from now (right) back to its last good read; the notch is the promise."""
    mid = height / 2
    body = f'<path class="trk" d="M0 {mid:g}H{width:g}"/>' + _reach(age_seconds, sla_seconds, width, mid)
    return _svg(width, height, body + f'<path class="ntc" d="M{width / 2:g} 0V{height:g}"/>', "lane")


def _reach(age_seconds: float | None, sla_seconds: float | None, width: float, y: float, tip: bool = True) -> str:
    state = sla_state(age_seconds, sla_seconds)
    if state == "unknown" or age_seconds is None or not sla_seconds:
        return ""
    if state == "stale":
        head = f'<path class="stale tip" d="M8 {y - 4.5:g}L2 {y:g}l6 4.5"/>' if tip else ""
        return f'<path class="stale" d="M{width:g} {y:g}H{7 if tip else 0}"/>{head}'
    x = width * (1 - max(age_seconds, 0) / sla_seconds / 2)
    return f'<path class="{state}" d="M{width:g} {y:g}H{min(x, width - 2):.1f}"/>'


def feeds(lines: Sequence[tuple[float | None, float]], label: str = "") -> Markup:
    """All feeds as lines with one notch: the health of what is behind the page. At most twelve, the oldest."""
    worst = sorted(lines, key=lambda f: -1.0 if f[0] is None else f[0] / f[1])[-12:]
    gap = 24 / max(len(worst), 8)
    body = '<path class="ntc" d="M18 0V26"/>'
    body += "".join(_reach(a, s, 36, round(1.5 + gap * (i + 0.5), 1), tip=False) for i, (a, s) in enumerate(worst))
    return _svg(36, 26, body, "instrument", label)


def holders(cells: Sequence[tuple[str, str | None]], label: str = "") -> Markup:
    """One fixed cell per organisation: full = held and fresh, half = late, hatched = stale, dot = none."""
    body = "".join(_cell(3 + 16 * i, state) for i, (_, state) in enumerate(cells))
    name = label or " ".join(letter for letter, state in cells if state)
    return _svg(16 * max(len(cells), 1), 14, body, "hold", name or "-")


@lru_cache(maxsize=1_000)
def _cell(x: float, state: str | None) -> str:
    if state is None:
        return f'<rect class="no" x="{x + 4:g}" y="6" width="2" height="2"/>'
    if state == "stale":
        box = f"M{x + 0.7:g} 2.7h8.6v8.6h-8.6z"
        return f'<path class="st" d="{box}M{x + 0.7:g} 7l4.3-4.3M{x + 0.7:g} 11.3l8.6-8.6M{x + 5:g} 11.3l4.3-4.3"/>'
    if state in ("late", "held"):
        box = f'<path class="hb" d="M{x + 0.7:g} 2.7h8.6v8.6h-8.6z"/>'
        return box + f'<path class="late" d="M{x + 0.7:g} 11.3v-8.6l8.6 8.6z"/>'
    return f'<rect x="{x:g}" y="2" width="10" height="10"/>'


def split_bar(available: float, total: float, largest: float, width: float = 92) -> Markup:
    """Available (dark) of what is held (pale), against the largest holder."""
    scale = width / largest if largest > 0 else 0
    whole, part = max(total, 0) * scale, max(min(available, total), 0) * scale
    body = f'<rect class="res" x="0" y="1" width="{whole:.1f}" height="10"/>'
    body += f'<rect class="av" x="0" y="1" width="{part:.1f}" height="10"/>'
    return _svg(width, 12, body, "bar-q")


def pair_bar(was: float, now: float, largest: float, width: float = 216) -> Markup:
    """The last good state above, the new one below."""
    scale = width / largest if largest > 0 else 0
    body = f'<rect class="was" x="0" y="2" width="{max(was, 0) * scale:.1f}" height="5"/>'
    return _svg(
        width, 18, body + f'<rect class="now" x="0" y="9.5" width="{max(now, 0) * scale:.1f}" height="6"/>', "pairbar"
    )


def verdict(measured: float, limit: float, is_failed: bool, width: float = 150) -> Markup:
    """A check of a whole file: the notch in the middle is the limit, the dot what was measured."""
    reach = max(abs(measured - limit), abs(limit), 1e-9) * 1.25
    x = min(max(width / 2 + (measured - limit) / reach * width / 2, 5), width - 5)
    line, dot = ("late", "b") if is_failed else ("ok", "g")
    body = f'<path class="trk" d="M0 7H{width:g}"/><path class="{line}" d="M{width / 2:g} 7H{x:.1f}"/>'
    body += f'<path class="ntc" d="M{width / 2:g} 0V14"/><circle class="{dot}" cx="{x:.1f}" cy="7" r="3.6"/>'
    return _svg(width, 14, body, "check-g")


def balance(parts: Sequence[tuple[str, float]], width: float = 1224) -> Markup:
    """The account of a file's rows as one bar; parts are (class, rows) and add up to the whole."""
    total = sum(n for _, n in parts) or 1
    body, x = "", 0.0
    for css, rows in parts:
        length = max(width * rows / total, 1.0) if rows else 0.0
        body += f'<rect class="{css}" x="{x:.1f}" y="0" width="{length:.1f}" height="12"/>'
        x += length
    return _svg(width, 12, body, "balance", stretch=True)


@dataclass(frozen=True, slots=True)
class Band:
    """One organisation in the stacked chart: a value per month, the value now, the state of its feeds now."""

    name: str
    values: Sequence[float]
    now: float
    state: str = "fresh"
    now_text: str = ""


def stacked(bands: Sequence[Band], months: Sequence[str], label: str, now_word: str, width: float = 556) -> Markup:
    """Value by organisation: a stacked area of month ends, a bar of now whose edge carries the age of the feeds,
    each band labelled directly. The first band lies at the bottom."""
    height, left, right, top, bottom = 268.0, 40.0, width - 176, 16.0, 246.0
    totals = [sum(b.values[i] for b in bands) for i in range(len(months))]
    peak = max([*totals, sum(b.now for b in bands), 1e-9])
    ceiling, ticks = _axis(peak)
    xs = [left + i * (right - left) / max(len(months) - 1, 1) for i in range(len(months))]

    def y(value: float) -> float:
        return bottom - value / ceiling * (bottom - top)

    body = "".join(_grid(left, right + 40, y(tick), tick) for tick in ticks)
    body += "".join(_bands(bands, xs, y, right + 18))
    body += _path("tot", [(x, y(v)) for x, v in zip(xs, totals, strict=True)])
    body += _labels(bands, y, right + 50, width)
    every = -(-len(months) // 12)
    body += "".join(
        _text(x, 263, m, "ax", "middle") for i, (x, m) in enumerate(zip(xs, months, strict=True)) if i % every == 0
    )
    return _svg(width, height, body + _text(right + 30, 263, now_word, "ax", "middle"), "chart", label)


def _axis(peak: float) -> tuple[float, list[float]]:
    """Round ticks above the peak, three or four of them."""
    size = 10 ** len(str(int(peak))) / 10 if peak >= 1 else 1.0
    step = next(s * size for s in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if s * size * 4 >= peak * 1.02)
    count = int(peak * 1.02 // step) + 1
    return step * count, [step * i for i in range(count + 1)]


def _grid(left: float, right: float, y: float, tick: float) -> str:
    text = f"{tick / 1000:,.0f}k" if tick >= 10_000 and tick % 1000 == 0 else f"{tick:,.10g}"
    return f'<path class="grid" d="M{left:g} {y:.1f}H{right:g}"/>' + _text(left - 6, y + 4, text, "ax", "end")


def _bands(bands: Sequence[Band], xs: Sequence[float], y: Height, x_now: float) -> Iterable[str]:
    below, floor = [0.0] * len(xs), 0.0
    for i, band in enumerate(bands):
        above = [b + v for b, v in zip(below, band.values, strict=True)]
        outline = [(x, y(v)) for x, v in zip(xs, above, strict=True)]
        outline += [(x, y(v)) for x, v in reversed(list(zip(xs, below, strict=True)))]
        css = f"c{min(i + 1, 7)}"
        top, base = y(floor + band.now), y(floor)
        yield _path(f"a {css}", outline, close=True) if xs else ""
        yield f'<rect class="a {css}" x="{x_now:g}" y="{top:.1f}" width="20" height="{max(base - top, 0):.1f}"/>'
        if base - top > 3:
            state = "late" if band.state == "held" else band.state
            yield f'<path class="{state}" d="M{x_now + 23:g} {top + 1.5:.1f}V{base - 1:.1f}"/>'
        below, floor = above, floor + band.now


def _labels(bands: Sequence[Band], y: Height, x: float, width: float) -> str:
    """Names at the right end, pushed apart so that none covers another."""
    places, floor = [], 0.0
    for band in bands:
        places.append(y(floor + band.now / 2) + 4)
        floor += band.now
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - 15)
    shift = max(0.0, 14 - min(places, default=14.0))
    body = ""
    for band, place in zip(bands, places, strict=True):
        body += _text(x, place + shift, band.name) + _text(width - 1, place + shift, band.now_text, "v", "end")
    return body


@dataclass(frozen=True, slots=True)
class Look:
    """A question to the past: what was so at `x`, as known then and as known now."""

    x: float
    known: float | None
    now: float | None
    known_text: str = ""
    now_text: str = ""


def step_line(
    points: Sequence[tuple[float, float]], ticks: Sequence[tuple[float, str]], label: str, look: Look | None = None,
    *, last_text: str = "", known: Sequence[tuple[float, float]] = (), width: float = 548,
) -> Markup:  # fmt: skip
    """Stock over time as a step line (x from 0 to 1). `known` is the same stretch as it was known then, dashed."""
    left, right, top, bottom = 44.0, width - 64, 16.0, 244.0
    values = [v for _, v in [*points, *known]] or [0.0]
    low, high = min(values), max(values)
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    floor = 0.0 if 0 <= low < high - low else low - margin
    scale = (bottom - top) / ((high + margin) - floor)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return left + point[0] * (right - left), bottom - (point[1] - floor) * scale

    body = _step_grid(floor, high + margin, left=left, right=right, bottom=bottom, scale=scale)
    body += _stairs("tot", [place(p) for p in points]) + _stairs("known", [place(p) for p in known])
    if look is not None:
        body += _look(look, place)
    if points and last_text:
        x, y = place(points[-1])
        body += _text(x + 6, y + 4, last_text, "v")
    body += "".join(_text(left + x * (right - left), 260, text, "ax") for x, text in ticks)
    return _svg(width, 268, body, "chart", label)


def _step_grid(floor: float, ceiling: float, *, left: float, right: float, bottom: float, scale: float) -> str:
    span = ceiling - floor
    unit = 10.0 ** (len(str(int(span))) - 1) if span >= 1 else 0.1
    step = next(s * unit for s in (0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10) if span / (s * unit) <= 4)
    first = -(-floor // step) * step
    ticks = [first + i * step for i in range(6) if first + i * step <= ceiling]
    return "".join(_grid(left, right, bottom - (t - floor) * scale, round(t, 6)) for t in ticks)


def _stairs(css: str, points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    first, *rest = points
    return (
        f'<path class="{css}" d="M{first[0]:.1f} {first[1]:.1f}' + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest) + '"/>'
    )


def _look(look: Look, place: Callable[[tuple[float, float]], tuple[float, float]]) -> str:
    x, _ = place((look.x, 0))
    side = ("end", -8.0) if look.x > 0.5 else ("start", 8.0)
    body = f'<path class="mk" d="M{x:.1f} 8V246"/>'
    if look.now is not None:
        y = place((look.x, look.now))[1]
        body += f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>' + _text(
            x + side[1], y + 20, look.now_text, "v", side[0]
        )
    if look.known is not None and look.known != look.now:
        y = place((look.x, look.known))[1]
        body += f'<circle class="dot-o" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>'
        body += _text(x + side[1], y - 10, look.known_text, "v act", side[0])
    return body


def trend(
    points: Sequence[tuple[int, float]], ticks: Sequence[tuple[int, str]], count: int, label: str,
    *, last_text: str = "", is_open: bool = False, width: float = 556,
) -> Markup:  # fmt: skip
    """A figure by month as a line (x from 0 to `count` - 1). `is_open`: the last point's month is not over, its stretch
    is dashed; `last_text` then stands at the last full month."""
    left, right, top, bottom = 44.0, width - 64, 16.0, 176.0
    values = [v for _, v in points] or [0.0]
    low, high = min(values), max(values)
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    floor = 0.0 if 0 <= low < high - low else low - margin
    scale = (bottom - top) / ((high + margin) - floor)
    placed = [(left + i * (right - left) / max(count - 1, 1), bottom - (v - floor) * scale) for i, v in points]
    full = placed[:-1] if is_open else placed
    body = _step_grid(floor, high + margin, left=left, right=right, bottom=bottom, scale=scale)
    body += _path("tot", full) if full else ""
    if is_open and placed:
        body += _path("est", placed[-2:])
        body += f'<circle class="dot-e" cx="{placed[-1][0]:.1f}" cy="{placed[-1][1]:.1f}" r="3"/>'
    if full:
        x, y = full[-1]
        body += f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' + _text(
            x, y - 9, last_text, "v halo", "middle"
        )
    body += "".join(
        _text(left + i * (right - left) / max(count - 1, 1), 194, text, "ax", "middle") for i, text in ticks
    )
    return _svg(width, 200, body, "chart", label)


def span(start: float, length: float, whole: float, css: str = "", width: float = 320) -> Markup:
    """A stretch of a whole as a bar from `start`: a step of a job on the job's own time axis."""
    scale = width / whole if whole > 0 else 0
    body = f'<path class="trk" d="M0 7H{width:g}"/>'
    if css:
        body += f'<rect class="{css}" x="{start * scale:.1f}" y="2" width="{max(length * scale, 2):.1f}" height="10"/>'
    return _svg(width, 14, body, "span", stretch=True)


@dataclass(frozen=True, slots=True)
class Node:
    """A name in a picture of what reads what; `css` marks it."""

    name: str
    reads: Sequence[str] = ()
    css: str = ""


def layers(columns: Sequence[tuple[str, Sequence[Node]]], label: str, width: float = 1224) -> Markup:
    """What reads what: columns of names, left to right, with a line from each name to those that read it."""
    step, row = width / max(len(columns), 1), 19
    every = [node for _, nodes in columns for node in nodes]
    places = {
        node.name: (14 + i * step, 38.0 + row * n)
        for i, (_, nodes) in enumerate(columns)
        for n, node in enumerate(nodes)
    }
    edges = "".join(_edge(name, node.name, places) for node in every for name in node.reads if name in places)
    heads = "".join(_text(14 + i * step, 14, title, "ax") for i, (title, _) in enumerate(columns))
    names = "".join(_text(*places[node.name], node.name, f"node {node.css}".strip()) for node in every)
    height = 46 + row * max((len(nodes) for _, nodes in columns), default=0)
    return _svg(width, height, edges + heads + names, "lineage", label)


def _edge(name: str, reader: str, places: Mapping[str, tuple[float, float]]) -> str:
    """From the end of a name to the beginning of its reader; within a column round its left side."""
    (x0, y0), (x1, y1) = places[name], places[reader]
    ends = [x + 6.75 * len(text) + 5 for x, text in ((x0, name), (x1, reader))]
    start, end = (ends[0], x1 - 5) if x1 > x0 else (x0 - 5, x1 - 5 if x1 == x0 else ends[1])
    pull = max(abs(end - start) / 3, 14) * (1 if x1 > x0 else -1)
    back = -pull if x1 == x0 else pull
    return (
        f'<path class="edge" d="M{start:.0f} {y0 - 4:.0f}C{start + pull:.0f} {y0 - 4:.0f} '
        f'{end - back:.0f} {y1 - 4:.0f} {end:.0f} {y1 - 4:.0f}"/>'
    )
