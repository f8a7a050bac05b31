"""Every template in both languages: none misses a text, none holds one outside `t`, none an inline style or script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import nodes

from hub.pages import TEMPLATES, environment
from masterdata.words import TABLES
from tests.pages import sample

HAN = re.compile(r"[\u4e00-\u9fff]")
FILES = sorted(path for folder in TEMPLATES if folder.is_dir() for path in folder.glob("*.html"))
# Names that are the same in every language, and signs.
SAME = re.compile(
    r"Group Hub|GTIN|JSON|XLSX|CSV|Parquet|UN/ECE Rec 20|p95|trace|English|EN|中文?|item_id=| place=| lot=| quantity=| unit=|null|·"  # noqa: E501 - one pattern
)
RENDERED = [(name, locale) for locale in ("zh", "en") for name in sample.templates(locale)]


class Texts(HTMLParser):
    """The texts between tags, and what an attribute says in words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_text_is_given_in_both_languages(path: Path) -> None:
    tree = environment("en", "UTC").parse(path.read_text())
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            zh, en = (arg.value for arg in call.args)  # type: ignore[attr-defined]
            assert zh and en, f"line {call.lineno}"
            assert not HAN.search(re.sub("中", "", en)), f"line {call.lineno}: {en}"
            assert set(re.findall(r"\{(\w+)\}", zh)) == set(re.findall(r"\{(\w+)\}", en)), f"line {call.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_text_stands_outside_both_languages(path: Path) -> None:
    tree = environment("en", "UTC").parse(path.read_text())
    texts = Texts()
    source = "".join(data.data for data in tree.find_all(nodes.TemplateData))
    texts.feed(re.sub(r"<code>.*?</code>", "", source, flags=re.DOTALL))
    left = SAME.sub("", " ".join(texts.found))
    assert not re.search(r"[A-Za-z\u4e00-\u9fff]{2,}", left), left.split()


@pytest.mark.parametrize(("template", "locale"), RENDERED)
def test_template_renders_without_inline_style_or_script(template: str, locale: str) -> None:
    texts = Texts()
    html = sample.page(template, locale)
    texts.feed(html)
    assert not {a for a in texts.attributes if a == "style" or a.startswith("on")}
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)", html)


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
def test_theme_is_written_by_the_server(theme: str) -> None:
    head = sample.page("held.html", "en", theme=theme).split("<head>")[0]
    assert ("data-theme" in head) == (theme != "system")


def test_words_of_codes_are_pairs() -> None:
    for name, table in TABLES.items():
        for key, (zh, en) in table.items():
            assert zh and en and not HAN.search(en), f"{name}.{key}"
