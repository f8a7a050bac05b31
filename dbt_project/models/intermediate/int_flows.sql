-- Movements in force of own goods on hand (in transit left out, as in own stock), per material, unit, day by its
-- system's clock, and kind; quantities in the source's unit, `unrestricted` those of unrestricted goods.
with movements as (
    select * from {{ ref('int_movements') }}
    where is_current and not is_voided and coalesce(owner, '') = '' and status <> 'in_transit'
),
materials as (
    select * from {{ ref('int_materials') }}
),
systems as (
    select * from {{ ref('stg_hub__systems') }}
),
final as (
    select n.organisation_id, n.material_id, m.unit, {{ local_day('m.occurred_at', 's.zone') }} as moved_on, m.kind,
           sum(m.quantity) as quantity,
           sum(case when m.status = 'unrestricted' then m.quantity else 0 end) as unrestricted, count(*) as movements
    from movements m
    join materials n on n.organisation_id = m.organisation_id and n.system_id = m.system_id and n.item_id = m.item_id
    join systems s on s.system_id = m.system_id
    group by n.organisation_id, n.material_id, m.unit, {{ local_day('m.occurred_at', 's.zone') }}, m.kind
)
select * from final
