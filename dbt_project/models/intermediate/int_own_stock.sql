-- Own stock on hand per material and unit, all coverages together; quantities in the source's unit.
with golden_inventory as (
    select * from {{ ref('golden_inventory') }}
),
final as (
    select organisation_id, material_id, unit, golden_id,
           cast(sum(source_on_hand - source_consigned) as decimal(38,9)) as on_hand, sum(group_value) as value
    from golden_inventory
    group by organisation_id, material_id, unit, golden_id
)
select * from final
