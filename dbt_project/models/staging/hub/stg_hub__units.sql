with units as (
    select * from {{ source('pinned', 'units') }}
),
final as (
    select code, dimension, {{ whole('numerator') }} as numerator, {{ whole('denominator') }} as denominator, decimals
    from units
)
select * from final
