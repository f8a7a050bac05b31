-- Value held twice in the group per organisation and month: of a material several hold, all but the largest holder's.
with held as (
    select organisation_id, golden_id, month, closing_value as value,
           row_number() over (partition by golden_id, month order by closing_value desc, organisation_id) as place,
           count(*) over (partition by golden_id, month) as holders
    from {{ ref('int_month_values') }} where closing_value > 0
),
final as (
    select organisation_id, month, sum(value) as value,
           sum(case when place > 1 then value else 0 end) as duplicate_value,
           count(case when holders > 1 then 1 end) as shared_materials, count(*) as materials
    from held group by organisation_id, month
)
select * from final
