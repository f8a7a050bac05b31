with final as (
    select * from {{ source('pinned', 'source_units') }}
)
select * from final
