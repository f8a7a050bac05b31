{# A quantity of a material's unit at today's cost and rate, in the group's currency, as money of two decimals; null
   where cost, rate or factor is unknown. `m` is int_materials, `f` int_factors of that unit. #}
{% macro worth(quantity, m='m', f='f') -%}
{{ money(money(quantity, m ~ '.unit_cost', f ~ '.base_numerator', f ~ '.base_denominator'), m ~ '.rate') }}
{%- endmacro %}

{# The same as a double and without rounding: for sums over time, where a cent of each of many rows means nothing. #}
{% macro about_worth(quantity, m='m', f='f') -%}
cast({{ quantity }} as double) * cast({{ m }}.unit_cost as double) * cast({{ m }}.rate as double)
    * cast({{ f }}.base_numerator as double) / cast({{ f }}.base_denominator as double)
{%- endmacro %}
