-- What was believed of each position, as rectangles: from `valid_from` to `valid_to` by the source's clock, believed
-- from `known_from` to `known_to`. What is believed still has no end on the second axis.
with seen as (
    select position_key, block, known_at,
           row_number() over (partition by position_key, block order by known_at) as turn,
           lead(known_at) over (partition by position_key, block order by known_at) as next_known_at
    from (
        select distinct position_key, block, known_at from {{ ref('int_stock_facts') }} where recordings > 1) recordings
),
-- A block of one recording was never believed otherwise than now.
plain as (
    select l.position_key, l.block, l.known_at, l.moment, p.quantity
    from (
        select distinct position_key, block, known_at, moment from {{ ref('int_stock_facts') }}
        where recordings = 1) l
    join {{ ref('int_stock_points') }} p on p.position_key = l.position_key and p.moment = l.moment
    where p.change <> 0
),
-- The others are told anew for each of their recordings, upon what was held before them.
told as (
    select f.position_key, f.block, s.known_at, f.moment, f.is_observed, f.quantity, f.recording_id
    from {{ ref('int_stock_facts') }} f
    join seen s on s.position_key = f.position_key and s.block = f.block and s.known_at >= f.known_at
    where f.recordings > 1
),
opened as (
    select position_key, block, min(moment) as first_at from {{ ref('int_stock_facts') }}
    where recordings > 1 group by position_key, block
),
before as (
    select position_key, moment, 0 as is_opening, null as block from {{ ref('int_stock_points') }}
    where position_key in (select position_key from opened)
    union all
    select position_key, first_at, 1, block from opened
),
preceded as (
    select *, max(case when is_opening = 0 then moment end) over (
               partition by position_key order by moment, is_opening desc rows unbounded preceding) as last_at
    from before
),
earlier as (
    select b.position_key, b.block, p.quantity
    from preceded b
    join {{ ref('int_stock_points') }} p on p.position_key = b.position_key and p.moment = b.last_at
    where b.is_opening = 1
),
settled as (
    select *, row_number() over (partition by position_key, known_at, moment order by recording_id desc) as newness
    from told where is_observed = 1
),
points as (
    select position_key, block, known_at, moment, is_observed, quantity from settled where newness = 1
    union all
    select position_key, block, known_at, moment, 0, sum(quantity) from told where is_observed = 0
    group by position_key, block, known_at, moment
),
grouped as (
    select *, sum(is_observed) over (
               partition by position_key, known_at order by moment, is_observed rows unbounded preceding) as era
    from points
),
running as (
    select g.position_key, g.block, g.known_at, g.moment, g.is_observed, coalesce(e.quantity, 0) as held,
           sum(g.quantity) over (
               partition by g.position_key, g.known_at, g.era order by g.moment, g.is_observed
               rows unbounded preceding) + case when g.era = 0 then coalesce(e.quantity, 0) else 0 end as quantity
    from grouped g
    left join earlier e on e.position_key = g.position_key and e.block = g.block
),
last_of_moment as (
    select *, row_number() over (partition by position_key, known_at, moment order by is_observed desc) as newness
    from running
),
changed as (
    select *, quantity - coalesce(
               lag(quantity) over (partition by position_key, known_at order by moment), held) as change
    from last_of_moment where newness = 1
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
    select position_key, block, min(moment) as start_at, min(known_at) as opened_at from plain
    group by position_key, block
    union all
    select position_key, block, min(moment), min(known_at) from steps group by position_key, block
),
followed as (
    select position_key, block, lead(start_at) over (partition by position_key order by block) as next_at,
           lead(opened_at) over (partition by position_key order by block) as next_opened_at
    from stretches
),
plain_cells as (
    select p.position_key, p.known_at, p.moment, p.quantity, f.next_at, f.next_opened_at,
           lead(p.moment) over (partition by p.position_key, p.block order by p.moment) as until_at
    from plain p
    join followed f on f.position_key = p.position_key and f.block = p.block
),
cells as (
    select t.position_key, t.block, t.known_at, s.turn, s.next_known_at, t.moment, t.quantity, f.next_at,
           f.next_opened_at, lead(t.moment) over (partition by t.position_key, t.known_at order by t.moment) as until_at
    from steps t
    join seen s on s.position_key = t.position_key and s.block = t.block and s.known_at = t.known_at
    join followed f on f.position_key = t.position_key and f.block = t.block
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
    select position_key, cast(quantity as decimal(38,9)) as quantity, moment as valid_from,
           coalesce(until_at, next_at) as valid_to, known_at as known_from,
           cast(null as timestamp with time zone) as known_to
    from plain_cells
    union all
    select position_key, cast(quantity as decimal(38,9)), next_at, null, known_at, next_opened_at from plain_cells
    where until_at is null and next_at is not null
    union all
    select position_key, cast(quantity as decimal(38,9)), valid_from, valid_to, min(known_from),
           case when count(known_to) = count(*) then max(known_to) end
    from numbered
    group by position_key, block, valid_from, valid_to, quantity, island
)
select * from final
