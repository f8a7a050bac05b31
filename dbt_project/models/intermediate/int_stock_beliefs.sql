-- What was believed of each position, as rectangles: from `valid_from` to `valid_to` by the source's clock, believed
-- from `known_from` to `known_to`. What is believed still has no end on the second axis.
with seen as (
    select position_key, block, known_at,
           row_number() over (partition by position_key, block order by known_at) as turn,
           lead(known_at) over (partition by position_key, block order by known_at) as next_known_at
    from (
        select distinct position_key, block, known_at from {{ ref('int_stock_facts') }} where recordings > 1) recordings
),
-- Blocks of several recordings are told anew for each of them, upon what was held before them.
told as (
    select f.position_key, f.block, s.known_at, f.moment, f.is_observed, f.quantity, f.recording_id
    from {{ ref('int_stock_facts') }} f
    join seen s on s.position_key = f.position_key and s.block = f.block and s.known_at >= f.known_at
    where f.recordings > 1
),
earlier as (
    select position_key, block, min_by(quantity - change, moment) as held from {{ ref('int_stock_points') }}
    where recordings > 1 group by position_key, block
),
points as (
    select position_key, block, known_at, moment, max(is_observed) as is_observed,
           max_by(quantity, recording_id) filter (where is_observed = 1) as observed,
           sum(case when is_observed = 0 then quantity end) as moved
    from told group by position_key, block, known_at, moment
),
grouped as (
    select *, sum(is_observed) over (
               partition by position_key, known_at order by moment rows unbounded preceding) as era
    from points
),
running as (
    select g.position_key, g.block, g.known_at, g.moment, e.held,
           sum(case when g.is_observed = 1 then g.observed else g.moved end) over (
               partition by g.position_key, g.known_at, g.era order by g.moment rows unbounded preceding)
               + case when g.era = 0 then e.held else 0 end as quantity
    from grouped g
    join earlier e on e.position_key = g.position_key and e.block = g.block
),
changed as (
    select *, quantity - coalesce(
               lag(quantity) over (partition by position_key, known_at order by moment), held) as change
    from running
),
told_steps as (
    select position_key, block, known_at, moment, quantity from changed where change <> 0
),
begun as (
    select c.position_key, c.block, min(c.moment) as start_at, max(c.held) as held
    from changed c where c.change <> 0 group by c.position_key, c.block
),
steps as (
    select position_key, block, known_at, moment, quantity from told_steps
    union all
    -- Where a recording tells of nothing yet at its block's beginning, what was held before went on.
    select b.position_key, b.block, s.known_at, b.start_at, b.held
    from begun b
    join seen s on s.position_key = b.position_key and s.block = b.block
    left join told_steps t
      on t.position_key = b.position_key and t.known_at = s.known_at and t.moment = b.start_at
    where t.position_key is null
),
stretches as (
    select position_key, block, min(moment) as start_at, min(known_at) as opened_at from steps
    group by position_key, block
),
-- A block of one recording was never believed otherwise than now.
laid as (
    select position_key, block, known_at, moment, quantity, true as is_plain from {{ ref('int_stock_points') }}
    where recordings = 1 and change <> 0
    union all
    select position_key, block, opened_at, start_at, null, false from stretches
),
followed as (
    select *, lead(block) over later as next_block, lead(moment) over later as next_at,
           lead(known_at) over later as next_opened_at
    from laid
    window later as (partition by position_key order by block, moment)
),
cells as (
    select t.position_key, t.block, t.known_at, s.turn, s.next_known_at, t.moment, t.quantity, f.next_at,
           f.next_opened_at, lead(t.moment) over (partition by t.position_key, t.known_at order by t.moment) as until_at
    from steps t
    join seen s on s.position_key = t.position_key and s.block = t.block and s.known_at = t.known_at
    join followed f on f.position_key = t.position_key and f.block = t.block and not f.is_plain
),
pieces as (
    select position_key, block, turn, quantity, moment as valid_from,
           case when next_known_at is null then coalesce(until_at, next_at) else until_at end as valid_to,
           known_at as known_from, next_known_at as known_to
    from cells
    union all
    select position_key, block, turn, quantity, next_at, null, known_at, next_opened_at from cells
    where next_known_at is null and until_at is null and next_at is not null
),
-- What several recordings of a block leave as it is.
numbered as (
    select *, turn - row_number() over (
               partition by position_key, block, valid_from, valid_to, quantity order by turn) as island
    from pieces
),
-- Up to where the next block begins it is believed for ever; beyond, until that is recorded.
final as (
    select position_key, cast(quantity as decimal(38,9)) as quantity, moment as valid_from, next_at as valid_to,
           known_at as known_from, cast(null as timestamp with time zone) as known_to
    from followed where is_plain
    union all
    select position_key, cast(quantity as decimal(38,9)), next_at, null, known_at, next_opened_at from followed
    where is_plain and next_block > block
    union all
    select position_key, cast(quantity as decimal(38,9)), valid_from, valid_to, min(known_from),
           case when count(known_to) = count(*) then max(known_to) end
    from numbered
    group by position_key, block, valid_from, valid_to, quantity, island
)
select * from final
