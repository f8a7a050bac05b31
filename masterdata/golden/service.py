"""The questions the golden view answers; the session's tenancy decides what each caller sees."""

from __future__ import annotations

from masterdata.golden.changes import list_changes
from masterdata.golden.history import get_history
from masterdata.golden.holders import find_holders, get_holders, search
from masterdata.golden.inventory import list_inventory, list_rows
from masterdata.golden.material import get_material
from masterdata.golden.overview import get_overview
from masterdata.golden.positions import get_trail, list_movements, list_positions
from masterdata.golden.totals import get_totals, list_facets

__all__ = [
    "find_holders",
    "get_history",
    "get_holders",
    "get_material",
    "get_overview",
    "get_totals",
    "get_trail",
    "list_changes",
    "list_facets",
    "list_inventory",
    "list_movements",
    "list_positions",
    "list_rows",
    "search",
]
