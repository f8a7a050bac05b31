"""Pages for people: the template environment of each language and zone, what every page knows, static files.
Pages of a package lie in its `templates/`; the frame around them (feeds, counters) is given by the door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from hub import charts
from hub.formats import LANGUAGES, sla_state, speaker
from hub.marks import Marks
from hub.settings import settings

ROOT = Path(__file__).parent.parent
STATIC = Path(__file__).parent / "static"
TEMPLATES = [ROOT / package / "templates" for package in ("hub", "identity", "masterdata", "catalog")]
LANGUAGE_COOKIE = "hub_language"
DENSITIES = ("roomy", "standard", "compact")


class Viewer(Protocol):
    """What a page must know of who looks at it; identity's Principal is one."""

    @property
    def name(self) -> str: ...
    @property
    def locale(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def theme(self) -> str: ...
    @property
    def density(self) -> str: ...
    @property
    def csrf(self) -> str: ...
    @property
    def scopes(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class FeedLine:
    """A feed as a line of the instrument in the top bar."""

    age_seconds: float | None
    sla_seconds: float
    is_held: bool = False

    @property
    def state(self) -> str:
        return sla_state(self.age_seconds, self.sla_seconds)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page: whom one acts for, the feeds behind the numbers, what waits for somebody."""

    name_zh: str = ""
    name_en: str = ""
    seal: str = ""
    letter: str = ""
    feeds: tuple[FeedLine, ...] = ()
    held: int = 0
    quarantined: int = 0

    @property
    def lines(self) -> list[tuple[float | None, float]]:
        return [(feed.age_seconds, feed.sla_seconds) for feed in self.feeds]

    def count(self, *states: str) -> int:
        return sum(feed.state in states for feed in self.feeds)


FrameOf = Callable[[Request, Viewer], Frame]


@lru_cache(maxsize=64)
def environment(language: str, zone: str) -> Environment:
    """One environment per language and zone, so that macros need no context and stay compiled."""
    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    voice = speaker(language, zone)
    marks = Marks(voice)
    env.globals.update(
        say=voice, t=voice.t, pick=voice.pick, other=voice.other, num=voice.number, instant=voice.instant,
        day=voice.day, marks=marks, asked=marks.asked, asking=marks.asking, line=marks.line, sla=marks.sla,
        stamp=marks.stamp, asset=asset, charts=charts, currency=settings().group_currency, lang=voice.language,
    )  # fmt: skip
    return env


@lru_cache(maxsize=32)
def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{name}?v={sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"


def language_of(request: Request, viewer: Viewer | None = None) -> str:
    """The viewer's language; of someone not signed in: what was chosen at the door, else what the browser asks for."""
    if viewer is not None and viewer.locale in LANGUAGES:
        return viewer.locale
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    asked = request.headers.get("accept-language", "zh").lower()
    return "zh" if asked.startswith("zh") or "en" not in asked else "en"


def text_of(template: str, language: str, zone: str = "UTC", **values: Any) -> str:
    """A template without request or viewer, for mail and fragments."""
    return environment(language, zone).get_template(template).render(now=datetime.now(UTC), **values)


def render(
    request: Request, template: str, viewer: Viewer | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """A whole page. The viewer (default: the request's principal) decides language, zone, theme and density."""
    viewer = viewer if viewer is not None else getattr(request.state, "principal", None)
    language = language_of(request, viewer)
    html = environment(language, viewer.zone if viewer else settings().zone).get_template(template).render(
        request=request, path=request.url.path, viewer=viewer, frame=_frame(request, viewer), now=datetime.now(UTC),
        density=_density(viewer), **({"past": None} | values),
    )  # fmt: skip
    answer = HTMLResponse(html, status_code=status)
    if "lang" in request.query_params and viewer is None:
        _remember(answer, language)
    return answer


def _density(viewer: Viewer | None) -> str:
    return viewer.density if viewer is not None and viewer.density in DENSITIES else "standard"


def _frame(request: Request, viewer: Viewer | None) -> Frame:
    frame_of: FrameOf | None = getattr(request.app.state, "frame", None)
    return frame_of(request, viewer) if frame_of is not None and viewer is not None else Frame()


def _remember(answer: HTMLResponse, language: str) -> None:
    cookie: SimpleCookie = SimpleCookie({LANGUAGE_COOKIE: language})
    cookie[LANGUAGE_COOKIE].update({"path": "/", "max-age": str(400 * 86400), "samesite": "Lax", "httponly": ""})
    answer.headers.append("set-cookie", cookie.output(header="").strip())


class _Static(StaticFiles):
    """Files whose address holds their digest never change."""

    async def get_response(self, path: str, scope: Any) -> Any:
        answer = await super().get_response(path, scope)
        if b"v=" in scope.get("query_string", b""):
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def mount(app: FastAPI, frame: FrameOf | None = None) -> None:
    """Static files, and the function that knows what stands around every page."""
    app.mount("/static", _Static(directory=STATIC), name="static")
    app.state.frame = frame


def wants_page(request: Request) -> bool:
    """A browser that asks for a page, not a program that asks for data."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def error_page(request: Request, status: int, problem: Mapping[str, Any]) -> HTMLResponse:
    """What happened, what it means, what to do; the code and the trace id stand small at the end."""
    return render(request, "error.html", status=status, code=status, problem=problem)
