-- What each organisation held of each golden material at an instant, as it was known at another. Parameters: as_of and
-- known_at (instants), rate_day (the day of the rates).
{% set at = "cast($as_of as timestamp with time zone)" %}
{% set known = "cast($known_at as timestamp with time zone)" %}
with positions as (
    select * from ({{ positions_as_of(at, known) }}) found where quantity <> 0
),
held as (
    select distinct m.material_id, p.unit
    from positions p
    join {{ ref('stg_hub__source_materials') }} m
      on m.organisation_id = p.organisation_id and m.system_id = p.system_id and m.item_id = p.item_id
),
factors as (
    select * from ({{ factors_as_of('held', at, known) }}) found
),
golden as (
    select * from ({{ golden_as_of('positions', 'factors', at, known, 'cast($rate_day as date)') }}) found
),
final as (
    select cast(g.organisation_id as varchar) as organisation_id, g.number,
           case when g.is_apart then g.unit else g.golden_unit end as unit,
           cast(sum(g.on_hand) as decimal(38,9)) as on_hand, cast(sum(g.unrestricted) as decimal(38,9)) as unrestricted,
           cast(sum(g.quality) as decimal(38,9)) as quality, cast(sum(g.blocked) as decimal(38,9)) as blocked,
           cast(sum(g.in_transit) as decimal(38,9)) as in_transit,
           cast(sum(g.consigned) as decimal(38,9)) as consigned, g.currency,
           cast(sum(g.value) as decimal(38,2)) as value, cast(sum(g.group_value) as decimal(38,2)) as group_value,
           cast(sum(g.positions) as bigint) as positions,
           cast(count(distinct g.material_id) as bigint) as codes, g.is_apart
    from golden g
    group by g.organisation_id, g.number, case when g.is_apart then g.unit else g.golden_unit end, g.currency,
             g.is_apart
)
select * from final order by organisation_id, number, unit, currency
