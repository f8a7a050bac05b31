{# Days of the month a day lies in, and which of them it is. #}
{% macro month_of(day) %}cast(date_trunc('month', {{ day }}) as date){% endmacro %}
{% macro month_days(month) -%}
extract(day from cast({{ month }} + interval '1' month as date) - interval '1' day)
{%- endmacro %}
