"""The questions the golden view answers; the session's tenancy decides what each caller sees."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from masterdata.golden.schemas import (
    LIVE,
    ChangePage,
    Facets,
    Found,
    History,
    Hit,
    Holders,
    InventoryPage,
    InventoryQuery,
    InventoryTotals,
    Material,
    Moment,
    MovementPage,
    MovementQuery,
    Overview,
    PositionPage,
    Trail,
)


def list_inventory(session: Session, query: InventoryQuery) -> InventoryPage: ...


def get_totals(session: Session, query: InventoryQuery) -> InventoryTotals: ...


def list_facets(session: Session) -> Facets: ...


def search(session: Session, text: str, limit: int = 20) -> list[Hit]: ...


def find_holders(session: Session, text: str, limit: int = 5) -> Found: ...


def get_holders(session: Session, number: str, moment: Moment = LIVE) -> Holders: ...


def get_material(session: Session, number: str, moment: Moment = LIVE) -> Material: ...


def list_positions(
    session: Session, number: str, after: str | None = None, limit: int = 50, moment: Moment = LIVE
) -> PositionPage: ...


def list_movements(session: Session, query: MovementQuery) -> MovementPage: ...


def get_history(session: Session, number: str, days: int = 365, moment: Moment = LIVE) -> History: ...


def get_trail(session: Session, organisation_id: UUID, position_id: int) -> Trail: ...


def list_changes(session: Session, after: int = 0, limit: int = 100) -> ChangePage: ...


def get_overview(session: Session) -> Overview: ...
