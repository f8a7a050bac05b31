"""The models with their columns, tests and lineage as dbt documents them: one page that asks nothing of anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.errors import NotFound
from hub.settings import settings

# The page brings its scripts and draws with them; it acts for nobody: its origin is none, and it may fetch nothing.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; font-src data:;"
    " style-src 'unsafe-inline'; img-src data:; sandbox allow-scripts allow-popups; frame-ancestors 'none'",
    # Browsers refuse a sandboxed page that asks to be alone.
    "cross-origin-opener-policy": "unsafe-none",
}


def refresh(project: str, document: Callable[[], Path]) -> None:
    """Keep the page of a project, by its checksum, if another or none is kept; `document` makes it."""
    page = _folder() / f"{project}.html"
    if page.exists():
        return
    made = document()
    page.parent.mkdir(exist_ok=True)
    made.replace(page)
    for other in _folder().glob("*.html"):
        if other != page:
            other.unlink(missing_ok=True)


def page() -> Path:
    """Raises NotFound before the first build."""
    found = max(_folder().glob("*.html"), default=None, key=lambda path: path.stat().st_mtime)
    if found is None:
        raise NotFound("The models are documented by the first build.")
    return found


def _folder() -> Path:
    return settings().home / "documentation"
