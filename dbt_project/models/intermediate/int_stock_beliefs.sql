-- What was believed of each position, as rectangles: from `valid_from` to `valid_to` by the source's clock, believed
-- from `known_from` to `known_to`. What is believed still has no end on the second axis.
with mixed as (
    select * from {{ ref('int_stock_facts') }} where recordings > 1
),
recorded as (
    select position_key, block, known_at, min(moment) as first_at, max(moment) as last_at from mixed
    group by position_key, block, known_at
),
ordered as (
    select *, case when max(last_at) over (
               partition by position_key, block order by known_at
               rows between unbounded preceding and 1 preceding) >= first_at then 1 else 0 end as is_late
    from recorded
),
-- A late recording tells anew what its block held from its first instant on; those in order behind it add to that.
recordings as (
    select *, sum(is_late) over (partition by position_key, block order by known_at rows unbounded preceding) as telling
    from ordered
),
late as (
    select * from recordings where is_late = 1
),
told as (
    select f.position_key, f.block, r.telling, f.known_at, f.moment, f.is_observed, f.quantity, f.recording_id
    from mixed f
    join recordings r on r.position_key = f.position_key and r.block = f.block and r.known_at = f.known_at
    union all
    select f.position_key, f.block, l.telling, l.known_at, f.moment, f.is_observed, f.quantity, f.recording_id
    from late l
    join mixed f
      on f.position_key = l.position_key and f.block = l.block and f.known_at < l.known_at and f.moment >= l.first_at
),
-- What a telling begins with: what was held before the block, or what the block said of the time before the first
-- instant.
entered as (
    select position_key, block, min_by(quantity - change, moment) as held from {{ ref('int_stock_points') }}
    where recordings > 1 group by position_key, block
),
counted as (
    select l.position_key, l.block, l.known_at, max(f.moment) as counted_at
    from late l
    join mixed f
      on f.position_key = l.position_key and f.block = l.block and f.known_at < l.known_at and f.moment < l.first_at
    where f.is_observed = 1
    group by l.position_key, l.block, l.known_at
),
since as (
    select l.position_key, l.block, l.telling, c.counted_at,
           max_by(f.quantity, f.recording_id) filter (where f.is_observed = 1) as observed,
           sum(f.quantity) filter (where f.is_observed = 0 and (c.counted_at is null or f.moment > c.counted_at))
               as moved
    from late l
    left join counted c on c.position_key = l.position_key and c.block = l.block and c.known_at = l.known_at
    left join mixed f
      on f.position_key = l.position_key and f.block = l.block and f.known_at < l.known_at and f.moment < l.first_at
     and (c.counted_at is null or f.moment >= c.counted_at)
    group by l.position_key, l.block, l.telling, c.counted_at
),
begun as (
    select position_key, block, 0 as telling, held from entered
    union all
    select s.position_key, s.block, s.telling,
           case when s.counted_at is null then e.held else s.observed end + coalesce(s.moved, 0)
    from since s
    join entered e on e.position_key = s.position_key and e.block = s.block
),
points as (
    select position_key, block, telling, known_at, moment, max(is_observed) as is_observed,
           max_by(quantity, recording_id) filter (where is_observed = 1) as observed,
           sum(case when is_observed = 0 then quantity end) as moved
    from told group by position_key, block, telling, known_at, moment
),
grouped as (
    select *, sum(is_observed) over (
               partition by position_key, block, telling order by moment rows unbounded preceding) as era
    from points
),
running as (
    select g.position_key, g.block, g.telling, g.known_at, g.moment, b.held,
           sum(case when g.is_observed = 1 then g.observed else g.moved end) over (
               partition by g.position_key, g.block, g.telling, g.era order by g.moment rows unbounded preceding)
               + case when g.era = 0 then b.held else 0 end as quantity
    from grouped g
    join begun b on b.position_key = g.position_key and b.block = g.block and b.telling = g.telling
),
changed as (
    select *, quantity - coalesce(
               lag(quantity) over (partition by position_key, block, telling order by moment), held) as change
    from running
),
-- A late recording may take back a step: what it tells first stands though it changes nothing.
told_steps as (
    select c.position_key, c.block, c.known_at, c.moment, c.quantity
    from changed c
    left join late l
      on l.position_key = c.position_key and l.block = c.block and l.known_at = c.known_at and l.first_at = c.moment
    where c.change <> 0 or l.known_at is not null
),
stretches as (
    select position_key, block, min(moment) as start_at, min(known_at) as opened_at from told_steps
    group by position_key, block
),
tellers as (
    select t.position_key, t.block, t.known_at, min(t.moment) as start_at, max(coalesce(l.is_late, 0)) as is_late,
           row_number() over (partition by t.position_key, t.block order by t.known_at) as turn
    from told_steps t
    left join late l on l.position_key = t.position_key and l.block = t.block and l.known_at = t.known_at
    group by t.position_key, t.block, t.known_at
),
-- Turn 0 is what was held before: it goes on where the block's first recordings say nothing yet.
steps as (
    select t.position_key, t.block, r.turn, t.known_at, t.moment, t.quantity,
           lead(t.moment) over (partition by t.position_key, t.block, t.known_at order by t.moment) as until_at
    from told_steps t
    join tellers r on r.position_key = t.position_key and r.block = t.block and r.known_at = t.known_at
    union all
    select s.position_key, s.block, 0, s.opened_at, s.start_at, e.held, null
    from stretches s
    join entered e on e.position_key = s.position_key and e.block = s.block
),
turns as (
    select position_key, block, turn from tellers
    union all
    select position_key, block, 0 from stretches
),
-- Of a late recording: the last turn before it that began no later. What was told between is told anew wholly.
reaching as (
    select l.position_key, l.block, l.turn, l.known_at, l.start_at, coalesce(max(t.turn), 0) as back_to
    from tellers l
    left join tellers t
      on t.position_key = l.position_key and t.block = l.block and t.turn < l.turn and t.start_at <= l.start_at
    where l.is_late = 1
    group by l.position_key, l.block, l.turn, l.known_at, l.start_at
),
-- Of each turn the later ones that begin before all between: the next one in order, and late ones that reach it.
chain as (
    select r.position_key, r.block, r.turn, t.turn as cut_turn, t.start_at as cut_at, t.known_at as known_to
    from turns r
    join tellers t on t.position_key = r.position_key and t.block = r.block and t.turn = r.turn + 1
    where t.is_late = 0
    union all
    select r.position_key, r.block, r.turn, l.turn, l.start_at, l.known_at
    from turns r
    join reaching l
      on l.position_key = r.position_key and l.block = r.block and l.turn > r.turn and l.back_to <= r.turn
),
linked as (
    select *, lag(cut_at) over (partition by position_key, block, turn order by cut_turn) as above_at from chain
),
-- Where and when a step gives way, until the one that begins no later than it takes all that is left.
cuts as (
    select s.position_key, s.block, s.turn, s.moment, s.quantity, s.known_at, c.cut_at, c.known_to,
           case when s.until_at is null or c.above_at < s.until_at then c.above_at else s.until_at end as valid_to
    from steps s
    join linked c on c.position_key = s.position_key and c.block = s.block and c.turn = s.turn
    where (s.until_at is null or c.cut_at < s.until_at) and (c.above_at is null or c.above_at > s.moment)
),
kept as (
    select s.position_key, s.block, s.quantity, s.moment as valid_from, coalesce(c.cut_at, s.until_at) as valid_to,
           s.known_at as known_from
    from steps s
    left join (
        select position_key, block, turn, moment, min(cut_at) as cut_at from cuts
        group by position_key, block, turn, moment) c
      on c.position_key = s.position_key and c.block = s.block and c.turn = s.turn and c.moment = s.moment
    where c.cut_at is null or s.moment < c.cut_at
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
pieces as (
    select position_key, block, quantity, case when cut_at > moment then cut_at else moment end as valid_from,
           valid_to, known_at as known_from, known_to
    from cuts where known_at < known_to
    union all
    select k.position_key, k.block, k.quantity, k.valid_from, coalesce(k.valid_to, f.next_at), k.known_from, null
    from kept k
    join followed f on f.position_key = k.position_key and f.block = k.block and not f.is_plain
    union all
    select k.position_key, k.block, k.quantity, f.next_at, null, k.known_from, f.next_opened_at
    from kept k
    join followed f on f.position_key = k.position_key and f.block = k.block and not f.is_plain
    where k.valid_to is null and f.next_at is not null
),
-- What several recordings of a block leave as it is.
joined as (
    select *, case when lag(known_to) over (
               partition by position_key, block, valid_from, valid_to, quantity order by known_from) = known_from
               then 0 else 1 end as is_new
    from pieces
),
numbered as (
    select *, sum(is_new) over (
               partition by position_key, block, valid_from, valid_to, quantity order by known_from
               rows unbounded preceding) as island
    from joined
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
