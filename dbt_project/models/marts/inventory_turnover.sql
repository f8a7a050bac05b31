-- Turnover and days of inventory per organisation and month.
with months as (
    select organisation_id, month, sum(closing_value) as closing_value, sum(mean_value) as mean_value,
           sum(issued) as issued_value
    from {{ ref('int_month_values') }}
    group by organisation_id, month
),
final as (
    select organisation_id, month, closing_value, mean_value, issued_value,
           case when month = {{ month_of("date '" ~ var('today') ~ "'") }}
                then extract(day from date '{{ var("today") }}') else {{ month_days('month') }} end as days,
           case when mean_value > 0 then issued_value / mean_value end as turns,
           case when issued_value > 0
                then mean_value / issued_value
                     * (case when month = {{ month_of("date '" ~ var('today') ~ "'") }}
                             then extract(day from date '{{ var("today") }}') else {{ month_days('month') }} end)
           end as days_of_inventory
    from months
)
select * from final
