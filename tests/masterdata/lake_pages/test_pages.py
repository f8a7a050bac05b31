"""Pages of the lake as the application serves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from masterdata.lake import documentation, service
from tests.masterdata.lake_pages.conftest import LOCK, READ, Lake

HTML = {"accept": "text/html"}
START = READ | {"rates:write"}


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_pages_show_what_the_build_left(client: Any, lake: Lake, reader: Any, locale: str) -> None:
    reader(locale=locale)
    words = {
        "/builds": ("差异", "Differences"),
        f"/builds/{lake.build_id}": ("对账差异 2", "difference 2"),
        "/data-assets": ("没有发现问题", "nothing found"),
        "/trends": ("库存周转天数", "Days of inventory"),
        f"/materials/{lake.numbers['a']}": ("库龄与够用天数", "Age and cover of the stock"),
    }
    for path, pair in words.items():
        answer = client.get(path, headers=HTML)
        assert (answer.status_code, pair[locale == "en"] in answer.text) == (200, True), (path, answer.text[-3_000:])


def test_a_difference_leads_to_its_raw_row(client: Any, lake: Lake, reader: Any) -> None:
    reader()
    plant = lake.plants["a"]
    batch = lake.batch(plant)
    lake.finding(plant, what="position", position_id=7, field="quantity", place="W1")
    lake.finding(plant, what="position", batch_id=str(batch), row_no=3)
    lake.finding(plant, what="position", batch_id="no id", row_no="none")
    page = client.get(f"/builds/{lake.build_id}").text
    assert f'href="/positions/{plant.id}/7"' in page
    assert f'href="/batches/{batch}/rows/3"' in page
    assert page.count(f'href="/materials/{lake.numbers["a"]}/positions"') == 2


@pytest.mark.parametrize(("error", "said"), [(None, "没有守住：ageing"), (service.LOST, "进程在构建结束之前就停了")])
def test_what_stopped_a_build_is_said_in_words(client: Any, lake: Lake, reader: Any, error: str, said: str) -> None:
    reader(locale="zh")
    steps = [{"name": "pin", "seconds": 2.0}]
    failed = lake.build("failed", error=error or "Not published: ageing.", steps=steps, figures={})
    page = client.get(f"/builds/{failed.id}").text
    assert said in page
    assert page.count("停在这里") == 1


@pytest.mark.parametrize("path", ["/", "/builds"])
def test_an_alarm_stands_where_the_newest_build_is_wrong(client: Any, lake: Lake, reader: Any, path: str) -> None:
    reader()
    assert "differ in 2 figures" in client.get(path, headers=HTML).text
    lake.build(
        "failed", error="Not published: a, b.", checks=[{"name": n, "kind": "gold", "is_kept": False} for n in "ab"]
    )
    page = client.get(path, headers=HTML).text
    assert "was not published" in page and "2 checks were broken" in page and "Reports still show" in page
    lake.build()
    assert 'data-k="alarm"' not in client.get(path, headers=HTML).text


def test_a_running_build_is_followed_step_by_step(client: Any, lake: Lake, reader: Any) -> None:
    reader()
    lake.shop.session.execute(LOCK)
    running = lake.build("running", ended_at=None, figures={}, steps=[{"name": "pin", "seconds": 2.0}])
    for path in ("/builds", f"/builds/{running.id}"):
        assert "data-poll" in client.get(path).text
    assert "step 2 of 8" in client.get(f"/builds/{running.id}").text
    assert "data-poll" not in client.get(f"/builds/{lake.build_id}").text


@pytest.mark.parametrize(
    ("plant", "scopes", "status", "waits"),
    [(None, START, 303, True), (None, READ, 403, False), ("a", READ, 403, False)],
)
def test_a_build_is_started_by_whom_it_may(
    client: Any, lake: Lake, reader: Any, plant: str | None, scopes: frozenset[str], *, status: int, waits: bool
) -> None:
    assert client.post("/builds").status_code == 401
    reader(plant, scopes)
    assert ("Build now" in client.get("/builds").text) is waits
    answer = client.post("/builds", data={"csrf_token": "c"})
    assert (answer.status_code, service.is_waiting(lake.shop.session)) == (status, waits)
    assert ("waits for a free worker" in client.get("/builds").text) is waits


def test_the_button_that_repairs_stands_where_something_differs(client: Any, lake: Lake, reader: Any) -> None:
    button = "Make the stock anew from its facts"
    reader()
    assert button not in client.get(f"/builds/{lake.build_id}").text
    reader(None, READ | {"batches:release"})
    assert button in client.get(f"/builds/{lake.build_id}").text
    assert button not in client.get(f"/builds/{lake.build().id}").text
    assert "2 positions held something else" in client.get(f"/builds/{lake.build_id}?repaired=2").text
    assert "held something else" not in client.get(f"/builds/{lake.build_id}?repaired=x").text


def test_the_api_serves_all_of_it_without_the_lakes_libraries() -> None:
    heavy = ("pyiceberg", "dbt", "duckdb", "pandas", "great_expectations")
    check = f"import sys, hub.app; hub.app.create_app(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_models_are_documented_in_one_page(client: Any, reader: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(documentation, "_folder", lambda: tmp_path)
    assert client.get("/builds/models").status_code == 401
    reader(None, READ - {"feeds:read"})
    assert client.get("/builds/models").status_code == 403
    reader()
    assert client.get("/builds/models").status_code == 404
    (tmp_path / "page.html").write_text("<title>dbt</title>")
    answer = client.get("/builds/models")
    assert (answer.status_code, answer.text) == (200, "<title>dbt</title>")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy and "connect-src" not in policy
