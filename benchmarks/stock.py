"""Stock of many plants, seeded set-wise with a fixed pattern: materials that overlap under their own codes, names in
two languages, sure keys on some, positions, movements. Matched and indexed by the product's own functions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from benchmarks.harness import Deployment

# Positions and holdings follow from these statements; every choice is a hash of the numbers, so each run is the same.
COVERAGES = """
    insert into coverage (organisation_id, system_id, name, sla_seconds, read_through, read_clock, snapshot_at)
    select organisation_id, id, 'all', 900 * (1 + abs(hashtext(key)) %% 8),
           now() - make_interval(secs => abs(hashtext(key || 'age')) %% 9000), 'source', now()
    from source_system"""

PLACES = """
    insert into place (organisation_id, system_id, place_id, name, kind, is_active)
    select organisation_id, id, 'W' || w, '仓库 ' || w, 'warehouse', true
    from source_system, generate_series(1, 10) w"""

BATCHES = """
    insert into batch (id, organisation_id, system_id, stream, coverage, sync, counts, observed_at, clock, header,
                       traceparent, sha256, size, state, rows_in, applied, unchanged, duplicate, quarantined, pending)
    select gen_random_uuid(), organisation_id, id, 'stock_positions', 'all', 'full', 'balance', now(), 'source',
           '{}',
           '00-' || md5(key) || '-' || left(md5(key), 16) || '-01', '', 0, 'applied', 0, 0, 0, 0, 0, 0
    from source_system"""

_MATERIALS = """
    insert into source_material (organisation_id, system_id, item_id, item_code, name, specification, class_code,
                                 base_unit, gtin, brand, mpn, is_active, is_deleted, unit_cost, currency)
    select s.organisation_id, s.id, 'I' || k, s.key || '-' || k,
           (array['深沟球轴承', '六角头螺栓', '机械密封', 'O形圈', '闸阀', '三相电动机', 'Hexagon head bolt',
                  'Deep groove ball bearing'])[1 + t %% 8] || ' ' || t,
           'M' || t %% 40 || '×' || t %% 97, lpad((t %% 60)::text, 4, '0'),
           (array['C62', 'KGM', 'MTR', 'C62', 'C62'])[1 + t %% 5],
           case when t %% 3 = 0 then body || (10 - check_sum %% 10) %% 10 end,
           case when t %% 4 = 1 then 'Tessen' end, case when t %% 4 = 1 then 'TS-' || t || '-2RS' end, true, false,
           1 + abs(hashtext('cost' || t)) %% 9999 / 100.0, (array['CNY', 'CNY', 'EUR'])[1 + s.n %% 3]
    from (select *, row_number() over (order by key) as n from source_system) s
    cross join generate_series(1, %(each)s) k
    cross join lateral (select (s.n * 7919 + k * 104729) %% %(materials)s + 1 as t) m
    cross join lateral (select '693' || lpad((t * 7)::text, 9, '0') as body) b
    cross join lateral (select sum(substr(body, i, 1)::int * case when i %% 2 = 1 then 1 else 3 end) as check_sum
                        from generate_series(1, 12) i) c"""

POSITIONS = """
    insert into position (organisation_id, system_id, coverage_id, material_id, place_id, lot, owner, status, unit,
                          hash, quantity, reserved, observed_at, batch_id, row_no, is_marked)
    select m.organisation_id, m.system_id, c.id, m.id, p.ids[1 + (m.id + k) %% 10], '', '',
           case when k = 4 then 'quality' else 'unrestricted' end, m.base_unit, md5(m.id || ':' || k)::uuid,
           abs(hashtext(m.id || 'q' || k)) %% 1000, case when k = 0 then 5 end, c.read_through, b.id, k, false
    from source_material m
    join coverage c on c.organisation_id = m.organisation_id
    join batch b on b.organisation_id = m.organisation_id
    join (select organisation_id, array_agg(id order by id) as ids from place group by 1) p
      on p.organisation_id = m.organisation_id
    cross join generate_series(0, %(places)s - 1) k"""

_MOVEMENTS = """
    insert into recording (id, recorded_at) overriding system value values (1, now());
    insert into observation (organisation_id, position_id, observed_at, recording_id, quantity, batch_id, row_no)
    select organisation_id, id, observed_at, 1, quantity, batch_id, row_no from position;
    insert into movement (organisation_id, position_id, identity, content, booked_at, occurred_at, quantity,
                          is_voided, is_current, kind, document, line, recording_id, batch_id, row_no)
    select organisation_id, id, md5(id || 'm' || n)::uuid, md5('c' || n)::uuid, null,
           now() - make_interval(secs => (abs(hashtext(id || 't' || n)) %% 63072000)),
           (array[-7, 20, -3, -11])[1 + n %% 4], false, true, (array['issue', 'receipt', 'issue', 'issue'])[1 + n %% 4],
           'D' || id || '-' || n, '1', 1, batch_id, row_no
    from position cross join generate_series(1, {each}) n"""

STOCK = """
    insert into material_stock (organisation_id, material_id, coverage_id, unit, on_hand, unrestricted, quality,
                                blocked, in_transit, reserved, consigned, positions, stocked,
                                negatives, marked, oldest_at, newest_at)
    select organisation_id, material_id, coverage_id, unit, sum(quantity),
           coalesce(sum(quantity) filter (where status = 'unrestricted'), 0),
           coalesce(sum(quantity) filter (where status = 'quality'), 0), 0, 0, coalesce(sum(reserved), 0), 0, count(*),
           count(*) filter (where quantity <> 0), 0, 0, min(observed_at), max(observed_at)
    from position group by organisation_id, material_id, coverage_id, unit"""


_MATCH = "select materials_match(%s, array_agg(id)) from source_material where organisation_id = %s"


@dataclass(frozen=True, slots=True)
class Size:
    """`each`: source materials of a plant, out of `materials` true ones; `places`, `movements`: of each of them."""

    each: int
    materials: int
    places: int
    movements: int = 0


def seed(hub: Deployment, size: Size) -> float:
    """Fill the database; seconds spent in matching. Row security is passed here, never in what is measured."""
    with hub.owner() as owner:
        values = {"each": size.each, "materials": size.materials, "places": size.places}
        for statement in (COVERAGES, PLACES, BATCHES, _MATERIALS):
            owner.execute(statement, values)
        owner.execute("insert into exchange_rate (currency, rate_on, rate) values ('EUR', current_date - 1, 7.71)")
        owner.execute("analyze")
        seconds = _match(owner)
        owner.execute(POSITIONS, values)
        if size.movements:
            owner.execute(_MOVEMENTS.replace("%%", "%").format(each=size.movements))
        owner.execute(STOCK, values)
        owner.execute("vacuum analyze")
    return seconds


def _match(owner: psycopg.Connection) -> float:
    total = 0.0
    for (organisation_id,) in owner.execute("select distinct organisation_id from source_material").fetchall():
        owner.execute("select set_config('hub.org', %s, false)", [str(organisation_id)])
        began = time.perf_counter()
        owner.execute(_MATCH, [organisation_id, organisation_id])
        total += time.perf_counter() - began
    return total
