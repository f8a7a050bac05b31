"""A plant on committed data, and a data folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from hub.settings import settings
from tests.masterdata.plant import Plant

_UNITS = text("""
    insert into unit (code, name_zh, name_en, symbol_zh, symbol_en, dimension, numerator, denominator, decimals)
    values ('C62', '个', 'piece', '个', 'pc', 'count', 1, 1, 0),
           ('KGM', '千克', 'kilogram', '千克', 'kg', 'mass', 1, 1, 3)
    on conflict do nothing""")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings(), "home", tmp_path)
    return tmp_path


@pytest.fixture
def plant(committed_db: Any, home: Path) -> Plant:
    with Session(committed_db.owner_engine) as session, session.begin():
        session.execute(_UNITS)
    return Plant(committed_db.engine)
