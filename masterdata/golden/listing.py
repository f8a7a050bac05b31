"""Rows of the golden list as HTML. Python and not a template, as the marks are: a page draws fifty of them and more."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from hub import charts
from hub.formats import Speaker
from hub.marks import Marks
from masterdata.directory import Directory
from masterdata.golden.schemas import HolderCell, InventoryRow

_RIGHT = '<svg class="i" aria-hidden="true"><use href="#i-right"/></svg>'


def rows(items: Sequence[InventoryRow], say: Speaker, names: Directory, query: str = "") -> Markup:
    """One `<tr>` each, its cells in the order of the list's head: material, codes, holders, on hand, available, in
    transit, unit, value, oldest source. `query` goes with every link, such as the moment looked back at."""
    marks, show = Marks(say), escape(say.t("展开持有方", "Show holders"))
    return Markup("\n").join(_row(row, say, marks, names, (show, query and f"?{query}")) for row in items)


def _row(row: InventoryRow, say: Speaker, marks: Marks, names: Directory, more: tuple[str, str]) -> Markup:
    age, stock, (show, query) = row.age, row.stock, more
    link = f"/materials/{row.number}"
    opened, spread = escape(f"{link}{query}"), escape(f"{link}/holders{query}")
    unit, decimals = names.unit(say, stock.unit), names.decimals(stock.unit)
    cell = marks.asking(age, f"{link}/positions{query}")
    in_transit = '<td class="r muted">0</td>'
    if stock.in_transit:
        in_transit = f'<td class="n"{marks.line(age)}>{say.number(stock.in_transit, decimals)}</td>'
    apart = "".join(
        f'<span class="apart">+{say.number(part.on_hand)} {escape(names.unit(say, part.unit))}</span>'
        for part in row.apart
    )
    is_part = age.main_ratio is not None and age.ratio is not None and age.main_ratio < age.ratio
    aged = '<td class="muted">—</td>' if query else f"<td>{marks.sla(age, is_part)}</td>"
    return Markup(  # noqa: S704 - numbers, marks and what is escaped here
        f'<tr data-row data-material="{row.number}"><td class="name"><div class="nm">'
        f'<a class="tw" role="button" aria-expanded="false" data-expand="{spread}" href="{opened}"'
        f' aria-label="{show}">{_RIGHT}</a>{marks.stamp(row.identity)}'
        f"{marks.name(row.name_zh, row.name_en, link + query, row.number)}</div></td>"
        f'<td class="r soft">{row.codes}</td><td>{_holders(row.holders, say, names)}</td>'
        f"{cell(stock.on_hand, unit, decimals)}{cell(stock.available, unit, decimals)}{in_transit}"
        f'<td class="soft nb">{escape(unit)}{apart}</td>{cell(row.value.amount, row.value.currency, 0)}'
        f"{aged}</tr>"
    )


def _holders(holders: Sequence[HolderCell], say: Speaker, names: Directory) -> Markup:
    states = {cell.organisation: cell.state for cell in holders}
    return charts.holders([(say.pick(org.seal, org.letter), states.get(org.key)) for org in names.plants])
