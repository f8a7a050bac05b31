"""What the metrics of the marts mean, as `dbt_project` documents them; read without the lake's libraries."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from masterdata.lake.lineage import PROJECT
from masterdata.lake.schemas import Definition


@cache
def definitions() -> dict[str, Definition]:
    """What each metric means and how it is computed, by its key."""
    text = (PROJECT / "models" / "marts" / "_marts.yml").read_text("utf-8")
    columns: list[dict[str, Any]] = [column for model in yaml.safe_load(text)["models"] for column in model["columns"]]
    metas = [meta for column in columns if (meta := column.get("config", {}).get("meta"))]
    return {meta["metric"]: Definition(meta["definition_zh"], meta["definition_en"], meta["formula"]) for meta in metas}
