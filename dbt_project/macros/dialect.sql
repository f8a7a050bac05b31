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

{# Complete days from one instant to another. #}
{% macro days_between(a, b) %}{{ return(adapter.dispatch('days_between')(a, b)) }}{% endmacro %}
{% macro default__days_between(a, b) %}date_sub('day', {{ a }}, {{ b }}){% endmacro %}
{% macro trino__days_between(a, b) %}date_diff('day', {{ a }}, {{ b }}){% endmacro %}

{% macro instant(said) %}cast('{{ said }}' as timestamp with time zone){% endmacro %}

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
