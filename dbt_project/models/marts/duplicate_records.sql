-- Source records that are one golden material, within an organisation and across the group.
with materials as (
    select * from {{ ref('int_materials') }} where not is_deleted
),
spread as (
    select golden_id, count(distinct organisation_id) as organisations from materials group by golden_id
),
final as (
    select m.organisation_id, count(*) as source_records, count(distinct m.golden_id) as golden_materials,
           count(distinct case when s.organisations > 1 then m.golden_id end) as shared_materials,
           cast(count(*) - count(distinct m.golden_id) as double) / count(*) as within_rate
    from materials m
    join spread s on s.golden_id = m.golden_id
    group by m.organisation_id
)
select * from final
