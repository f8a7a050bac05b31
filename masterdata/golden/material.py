"""One golden material: its sources side by side, what survives of them and why, links with their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from masterdata.golden import holders
from masterdata.golden.records import Attribute, Conflict, Material, SourceRecord
from masterdata.golden.schemas import LIVE, Amount, Conversion, Identity, Moment
from masterdata.materials.survivorship import RULES, survive

_SOURCES = text("""
    select m.*, o.key as org_key, o.name_zh as org_zh, o.name_en as org_en, o.seal, o.letter, s.key as system_key,
           s.name_zh as system_zh, s.name_en as system_en, l.id as link_id, l.evidence, l.valid_from as linked_at,
           k.gtin_key
    from source_material m
    join organisation o on o.id = m.organisation_id
    join source_system s on s.id = m.system_id
    left join lateral (
        select x.id, x.evidence, x.valid_from from link x
        where x.organisation_id = m.organisation_id and x.material_id = m.id
        order by x.recorded_at desc, x.id desc limit 1
    ) l on true
    left join lateral (select gtin_key(m.gtin)) k(gtin_key) on true
    where m.golden_id = :golden order by o.rank, o.key, s.key, m.item_id""")

_UNITS = text("""
    select distinct on (f.material_id, f.unit) f.material_id, f.unit, f.numerator, f.denominator
    from material_unit f join source_material m on m.organisation_id = f.organisation_id and m.id = f.material_id
    where m.golden_id = :golden and f.valid_from <= clock_timestamp()
    order by f.material_id, f.unit, f.valid_from desc, f.recorded_at desc""")

CONFLICTS = """
    select c.kind, c.key, c.detail, o.key as organisation, s.key as system, m.item_id, g.number, m.id
    from identity_conflict c
    join source_material m on m.organisation_id = c.organisation_id and m.id = c.material_id
    join golden_material g on g.id = m.golden_id
    join organisation o on o.id = m.organisation_id
    join source_system s on s.id = m.system_id"""


def get_material(session: Session, number: str, moment: Moment = LIVE) -> Material:
    """Raises NotFound for a number the caller may not see."""
    golden = holders.find_golden(session, number)
    rows = session.execute(_SOURCES, {"golden": golden.id}).all()
    units = session.execute(_UNITS, {"golden": golden.id}).all()
    sources = [_source(row, [u for u in units if u.material_id == row.id]) for row in rows]
    conflicts = session.execute(
        text(f"{CONFLICTS} where m.golden_id = :golden order by m.id, c.kind"), {"golden": golden.id}
    )
    return Material(
        number=golden.number,
        name_zh=golden.name_zh,
        name_en=golden.name_en,
        class_code=golden.class_code,
        unit=golden.unit,
        gtin=golden.gtin,
        identity=Identity(golden.rule, golden.confidence),
        created_at=golden.created_at,
        merged_into=number if number != golden.number else None,
        attributes=_attributes(rows),
        sources=sources,
        conflicts=[conflict_of(row) for row in conflicts],
        holders=holders.held_of(session, golden, moment),
    )


def conflict_of(row: Row[Any]) -> Conflict:
    return Conflict(row.kind, row.key, row.organisation, row.system, row.item_id, row.number, row.detail)


def _attributes(rows: Sequence[Row[Any]]) -> list[Attribute]:
    """Every attribute with the value that survives of the sources the caller sees, and what each of them says."""
    made = []
    for rule in RULES:
        said = [(int(row.id), rule.read(row)) for row in rows]
        value = survive(rule, [value for _, value in said])
        made.append(Attribute(rule.name, value, rule.choice, said, sum(v == value for _, v in said if v is not None)))
    return made


def _source(row: Row[Any], units: Sequence[Row[Any]]) -> SourceRecord:
    return SourceRecord(
        id=row.id,
        organisation=row.org_key,
        organisation_zh=row.org_zh,
        organisation_en=row.org_en,
        seal=row.seal,
        letter=row.letter,
        system=row.system_key,
        system_name_zh=row.system_zh,
        system_name_en=row.system_en,
        item_id=row.item_id,
        item_code=row.item_code,
        name=row.name,
        name_zh=row.name_zh,
        name_en=row.name_en,
        specification=row.specification,
        class_code=row.class_code,
        base_unit=row.base_unit,
        gtin=row.gtin,
        brand=row.brand,
        mpn=row.mpn,
        is_active=row.is_active,
        is_deleted=row.is_deleted,
        unit_cost=Amount(row.unit_cost, row.currency) if row.unit_cost is not None and row.currency else None,
        modified_at=row.modified_at,
        batch_id=row.batch_id,
        row_no=row.row_no,
        identity=Identity(row.rule, row.confidence),
        link_id=row.link_id,
        evidence=row.evidence or {},
        linked_at=row.linked_at,
        unit_facts=[Conversion(Decimal(1), u.unit, u.numerator, u.denominator) for u in units],
    )
