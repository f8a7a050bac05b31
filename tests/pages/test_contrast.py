"""Words against the ground they stand on, as Chromium computes both, in light and dark: WCAG 2.2 AA (1.4.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages.test_path import CHROMIUM, Demo, demo, playwright

pytestmark = pytest.mark.slow
__all__ = ["demo"]
PAGES = (
    "/",
    "/inventory",
    "/search?q=轴承",
    "/movements",
    "/systems",
    "/units",
    "/builds",
    "/data-assets",
    "/trends",
    "/held",
    "/quarantine",
    "/account",
)
MEASURE = Path(__file__).with_name("contrast.js").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(demo: Demo, scheme: str) -> None:
    email, password = next(login for login in demo.logins if login[0].startswith("steward@"))
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1440, "height": 900})
        page.goto(demo.address)
        measured = {"/sign-in": page.evaluate(MEASURE)}
        page.fill("[name=email]", email)
        page.fill("[name=password]", password)
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"{demo.address}/")
        for path in PAGES:
            page.goto(demo.address + path)
            measured[path] = page.evaluate(MEASURE)
        browser.close()
    assert {at: faint for at, words in measured.items() if (faint := [w for w in words if w[1] < w[2]])} == {}
    # Whatever the demonstration has loaded so far, each page has its heading, its menu and something to say.
    assert {at: len(words) for at, words in measured.items() if len(words) < 5} == {}
