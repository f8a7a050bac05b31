"""A person's path in Chromium, in both languages, on the running demonstration: sign in, search a Chinese name, who
holds it, its history, the raw row; a held snapshot released."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make setup-slow)")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SEARCH = {"zh": "轴承", "en": "轴承"}
WORDS = {
    "zh": {"holders": "谁持有", "raw": "旧系统给的", "release": "放行…", "released": "已裁定"},
    "en": {
        "holders": "Who holds it",
        "raw": "As the legacy system gave it",
        "release": "Release…",
        "released": "Decided",
    },
}


class Demo:
    """A running demonstration: where it is, where its files lie, whom one may sign in as."""

    def __init__(self, home: Path, address: str, logins: list[tuple[str, str]]) -> None:
        self.home, self.address, self.logins = home, address, logins

    def cut_export_short(self, rows: int) -> None:
        """The nightly file of one plant arrives with its head and a few rows: a full snapshot that must be held."""
        folder = self.home / "group" / "duoyan"
        newest = max(p for p in folder.glob("stock_*.csv"))
        lines = newest.read_bytes().split(b"\r\n")[: rows + 1]
        made = folder / f"stock_{datetime.now(ZoneInfo('Asia/Shanghai')):%Y%m%d_%H%M%S}.csv"
        made.write_bytes(b"\r\n".join(lines) + b"\r\n")
        made.with_name(made.name + ".done").touch()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    home = tmp_path_factory.mktemp("demo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = os.environ | {"HUB_HOME": str(home), "HUB_PORT": str(port), "COLUMNS": "200"}
    log = home / "out.txt"
    with log.open("w") as out:
        hub = subprocess.Popen(
            [sys.executable, "-m", "hub", "demo", "--scale", "0.1"], env=environ, stdout=out, stderr=out
        )
        try:
            logins = _ready(hub, log)
            yield Demo(home / "demo", f"http://127.0.0.1:{port}", logins)
        finally:
            hub.terminate()
            hub.wait(60)


def _ready(hub: subprocess.Popen[bytes], log: Path) -> list[tuple[str, str]]:
    until = time.monotonic() + 300
    while time.monotonic() < until and hub.poll() is None:
        if "stock is moving" in log.read_text():
            return re.findall(r"^\s*(\S+@\S+)\s+(\S+)\s", log.read_text(), re.MULTILINE)
        time.sleep(0.5)
    raise AssertionError(f"The demonstration did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def signed_in(browser: Any, demo: Demo, role: str, language: str) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{demo.address}/signin?lang={language}")
    email, password = next(login for login in demo.logins if login[0].startswith(role))
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{demo.address}/")
    page.click(f"header button[name=locale][value={language}]")
    page.wait_for_selector(f"html[lang={language}]")
    return page


def reload_until(page: Any, selector: str, seconds: float = 120) -> None:
    """The first start still loads behind the pages; a file is read within a minute."""
    until = time.monotonic() + seconds
    while not page.locator(selector).count():
        assert time.monotonic() < until, f"{selector} did not appear"
        time.sleep(2)
        page.reload()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_from_a_name_to_the_raw_row(browser: Any, demo: Demo, language: str) -> None:
    page, words = signed_in(browser, demo, "planner", language), WORDS[language]
    page.press("body", "/")
    page.keyboard.type(SEARCH[language])
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=*")
    reload_until(page, "main table a.quiet")
    page.click("main table a.quiet >> nth=0")
    page.wait_for_url("**/materials/*")
    assert words["holders"] in page.inner_text("#holders")
    reload_until(page, "#history svg.chart")
    page.click("#holders td .origin >> nth=0")
    page.click("[data-origins] .origin >> nth=0")
    page.click(".prov a[href*='/rows/'] >> nth=0")
    assert words["raw"] in page.inner_text("[data-raw]")
    assert page.locator("[data-raw] tr").count() > 1


# Each file is far shorter than what was released before it.
@pytest.mark.parametrize(("language", "rows"), [("zh", 40), ("en", 8)])
def test_a_held_snapshot_is_released(browser: Any, demo: Demo, language: str, rows: int) -> None:
    page, words = signed_in(browser, demo, "steward", language), WORDS[language]
    demo.cut_export_short(rows)
    page.goto(f"{demo.address}/held")
    reload_until(page, "main a.btn[href^='/batches/']")
    page.click("main a.btn[href^='/batches/'] >> nth=0")
    page.click(f"button:has-text('{words['release']}')")
    page.fill("dialog[open] input[name=reason]", "confirmed by phone")
    page.click("dialog[open] .btn.danger")
    page.wait_for_selector(f"p.lead:has-text('{words['released']}')")
    assert "confirmed by phone" in page.inner_text("main")
