{# Positions as the facts make them: at instant `at`, counting only what was recorded by `known` (both SQL; none: all).
   q of the newest observation, plus every movement booked after it. A full snapshot observes every key of its coverage:
   what its chain lists there, zero for the rest; of a gap it says nothing. #}
{% macro positions_as_of(at=none, known=none) -%}
with snapshots as (
    select * from {{ ref('int_snapshots') }}
    where true {% if at %} and observed_at <= {{ at }} {% endif %}
        {%- if known %} and recorded_at <= {{ known }} {% endif %}
),
ranked_snapshots as (
    select *, row_number() over (partition by coverage_id order by observed_at desc, recording_id desc) as newness
    from snapshots
),
gaps as (
    select position_key, coverage_id, chain_no from {{ ref('stg_lake__observations') }} where kind = 'gap'
),
gapped as (
    select distinct position_key from gaps
),
read_over as (
    select p.position_key, s.coverage_id, s.chain_no, s.base_no, s.observed_at, s.recording_id, s.batch_id,
           row_number() over (partition by p.position_key order by s.observed_at desc, s.recording_id desc) as newness
    from {{ ref('int_positions') }} p
    join gapped g on g.position_key = p.position_key
    join snapshots s on s.coverage_id = p.coverage_id
    left join gaps x
      on x.position_key = p.position_key and x.coverage_id = s.coverage_id and x.chain_no = s.chain_no
    where x.position_key is null
),
covered as (
    select p.position_key, s.coverage_id, s.chain_no, s.base_no, s.observed_at, s.recording_id, s.batch_id
    from {{ ref('int_positions') }} p
    join ranked_snapshots s on s.coverage_id = p.coverage_id and s.newness = 1
    left join gapped g on g.position_key = p.position_key
    where g.position_key is null
    union all
    select position_key, coverage_id, chain_no, base_no, observed_at, recording_id, batch_id
    from read_over where newness = 1
),
chained as (
    select o.position_key, o.quantity, o.reserved, o.batch_id, o.row_no,
           row_number() over (partition by o.position_key order by o.chain_no desc) as newness
    from {{ ref('stg_lake__observations') }} o
    join covered c on c.position_key = o.position_key and c.coverage_id = o.coverage_id
    where o.chain_no between c.base_no and c.chain_no and o.kind <> 'gap'
),
implied as (
    select c.position_key, c.observed_at, c.recording_id, coalesce(o.quantity, 0) as quantity, o.reserved,
           coalesce(o.batch_id, c.batch_id) as batch_id, o.row_no
    from covered c
    left join chained o on o.position_key = c.position_key and o.newness = 1
),
listed as (
    select position_key, observed_at, recording_id, quantity, reserved, batch_id, row_no,
           row_number() over (partition by position_key order by observed_at desc, recording_id desc) as newness
    from {{ ref('int_observations') }}
    where true {% if at %} and observed_at <= {{ at }} {% endif %}
        {%- if known %} and recorded_at <= {{ known }} {% endif %}
),
either as (
    select position_key, observed_at, recording_id, quantity, reserved, batch_id, row_no from implied
    union all
    select position_key, observed_at, recording_id, quantity, reserved, batch_id, row_no from listed where newness = 1
),
observed as (
    select *, row_number() over (partition by position_key order by observed_at desc, recording_id desc) as newness
    from either
),
movements as (
    {% if known -%}
    select position_key, quantity, booked_at from {{ ref('int_movements') }}
    where recorded_at <= {{ known }} and not is_told_again and not is_voided and booked_at is not null
    union all
    select position_key, quantity, booked_at from (
        select position_key, quantity, booked_at, is_voided, row_number() over (
            partition by organisation_id, identity
            order by modified_at desc nulls last, recorded_at desc, sequence desc, row_no desc) as newness
        from {{ ref('int_movements') }} where recorded_at <= {{ known }} and is_told_again) versions
    where newness = 1 and not is_voided and booked_at is not null
    {%- else -%}
    select position_key, quantity, booked_at from {{ ref('int_movements') }}
    where is_current and not is_voided and booked_at is not null
    {%- endif %}
),
moved as (
    select m.position_key, sum(m.quantity) as quantity, max(m.booked_at) as moved_at
    from movements m
    left join observed o on o.position_key = m.position_key and o.newness = 1
    where (o.position_key is null or m.booked_at > o.observed_at) {% if at %} and m.booked_at <= {{ at }} {% endif %}
    group by m.position_key
),
final as (
    select p.position_key, p.organisation_id, p.system_id, p.coverage_id, p.item_id, p.place_id, p.lot, p.owner,
           p.status, p.unit,
           cast(coalesce(o.quantity, 0) + coalesce(m.quantity, 0) as decimal(38,9)) as quantity,
           o.reserved, o.observed_at, m.moved_at, o.batch_id, o.row_no
    from {{ ref('int_positions') }} p
    left join observed o on o.position_key = p.position_key and o.newness = 1
    left join moved m on m.position_key = p.position_key
    where o.position_key is not null or m.position_key is not null
)
select * from final
{%- endmacro %}
