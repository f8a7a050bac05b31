{# What DuckDB and Trino write differently. The default is DuckDB. #}

{% macro whole(expression) %}{{ return(adapter.dispatch('whole')(expression)) }}{% endmacro %}
{% macro default__whole(expression) %}cast({{ expression }} as hugeint){% endmacro %}
{% macro trino__whole(expression) %}cast({{ expression }} as decimal(38,0)){% endmacro %}

{# Quotient of whole numbers without its fraction. #}
{% macro quotient(a, b) %}{{ return(adapter.dispatch('quotient')(a, b)) }}{% endmacro %}
{% macro default__quotient(a, b) %}(({{ a }}) // ({{ b }})){% endmacro %}
{% macro trino__quotient(a, b) %}((({{ a }}) - ({{ a }}) % ({{ b }})) / ({{ b }})){% endmacro %}

{% macro divisor(a, b) %}{{ return(adapter.dispatch('divisor')(a, b)) }}{% endmacro %}
{% macro default__divisor(a, b) %}gcd({{ a }}, {{ b }}){% endmacro %}
{% macro trino__divisor(a, b) -%}
reduce(sequence(1, 90), cast(row({{ a }}, {{ b }}) as row(a decimal(38,0), b decimal(38,0))),
       (s, i) -> if(s.b = 0, s, cast(row(s.b, s.a % s.b) as row(a decimal(38,0), b decimal(38,0)))), s -> s.a)
{%- endmacro %}

{# The day an instant lies in by the clock of a zone. #}
{% macro local_day(instant, zone) %}{{ return(adapter.dispatch('local_day')(instant, zone)) }}{% endmacro %}
{% macro default__local_day(instant, zone) %}cast(timezone({{ zone }}, {{ instant }}) as date){% endmacro %}
{% macro trino__local_day(instant, zone) %}cast(at_timezone({{ instant }}, {{ zone }}) as date){% endmacro %}

{# One row per `day` from one day to another, both included. #}
{% macro days(first, last) %}{{ return(adapter.dispatch('days')(first, last)) }}{% endmacro %}
{% macro default__days(first, last) -%}
select cast(day as date) as day from unnest(generate_series({{ first }}, {{ last }}, interval '1' day)) as t(day)
{%- endmacro %}
{% macro trino__days(first, last) -%}
select day from unnest(sequence({{ first }}, {{ last }}, interval '1' day)) as t(day)
{%- endmacro %}

{# Complete days from one instant to another. #}
{% macro days_between(a, b) %}{{ return(adapter.dispatch('days_between')(a, b)) }}{% endmacro %}
{% macro default__days_between(a, b) %}date_sub('day', {{ a }}, {{ b }}){% endmacro %}
{% macro trino__days_between(a, b) %}date_diff('day', {{ a }}, {{ b }}){% endmacro %}

{# About the `share` (0 to 1) of values lie below; doubles. #}
{% macro percentile(expression, share) %}{{ return(adapter.dispatch('percentile')(expression, share)) }}{% endmacro %}
{% macro default__percentile(expression, share) -%}
quantile_cont(cast({{ expression }} as double), {{ share }})
{%- endmacro %}
{% macro trino__percentile(expression, share) -%}
approx_percentile(cast({{ expression }} as double), {{ share }})
{%- endmacro %}

{# Seconds from one instant to another. #}
{% macro seconds_between(a, b) %}{{ return(adapter.dispatch('seconds_between')(a, b)) }}{% endmacro %}
{% macro default__seconds_between(a, b) %}date_sub('second', {{ a }}, {{ b }}){% endmacro %}
{% macro trino__seconds_between(a, b) %}date_diff('second', {{ a }}, {{ b }}){% endmacro %}

{# Offers taken, as an array of `offer`: in their order each `purchase` is taken from the first sister that still has
   its quantity, and what she gave she cannot give again. Aggregates rows; `quantity` and `free` are doubles of three
   decimals. #}
{% macro taken_offers(order) %}{{ return(adapter.dispatch('taken_offers')(order)) }}{% endmacro %}
{% macro default__taken_offers(order) -%}
list_transform(list_reduce(
    array_agg([{'offer': offer, 'purchase': purchase, 'sister': sister, 'quantity': quantity, 'free': free}]
              order by {{ order }}),
    lambda taken, o: if(
        list_contains(list_transform(taken, lambda t: t.purchase), o[1].purchase)
        or round(o[1].free - coalesce(list_sum(list_transform(
               list_filter(taken, lambda t: t.sister = o[1].sister), lambda t: t.quantity)), 0), 3) < o[1].quantity,
        taken, list_concat(taken, o)),
    []), lambda t: t.offer)
{%- endmacro %}
{% macro trino__taken_offers(order) -%}
{%- set offer = 'row(offer bigint, purchase bigint, sister varchar, quantity double, free double)' -%}
reduce(
    array_agg(cast(row(offer, purchase, sister, quantity, free) as {{ offer }}) order by {{ order }}),
    cast(array[] as array({{ offer }})),
    (taken, o) -> if(
        any_match(taken, t -> t.purchase = o.purchase)
        or round(o.free - reduce(filter(taken, t -> t.sister = o.sister), 0e0, (given, t) -> given + t.quantity,
                                 given -> given), 3) < o.quantity,
        taken, taken || o),
    taken -> transform(taken, t -> t.offer))
{%- endmacro %}
