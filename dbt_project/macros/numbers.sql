{# Exact arithmetic: quantities as whole numbers of 10^-9, rounded once, half to even. #}

{% macro nano(quantity) %}{{ whole('(' ~ quantity ~ ') * 1000000000') }}{% endmacro %}

{# The whole number nearest to numerator / denominator (whole numbers, denominator > 0), ties to the even one. #}
{% macro half_even(n, d) %}{{ return(adapter.dispatch('half_even')(n, d)) }}{% endmacro %}
{# Trino computes a repeated expression each time, and refuses a query that grows too large by it. #}
{% macro trino__half_even(n, d) -%}
element_at(transform(array[cast(row({{ n }}, {{ d }}) as row(n decimal(38,0), d decimal(38,0)))],
                     r -> {{ default__half_even('r.n', 'r.d') }}), 1)
{%- endmacro %}
{% macro default__half_even(numerator, denominator) -%}
(case
    when abs({{ numerator }}) % ({{ denominator }}) * 2 > ({{ denominator }})
      or (abs({{ numerator }}) % ({{ denominator }}) * 2 = ({{ denominator }})
          and {{ quotient('abs(' ~ numerator ~ ')', denominator) }} % 2 = 1)
    then {{ quotient('abs(' ~ numerator ~ ')', denominator) }} + 1
    else {{ quotient('abs(' ~ numerator ~ ')', denominator) }}
end * sign({{ numerator }}))
{%- endmacro %}

{# A whole number of 10^-9 as a quantity. #}
{% macro from_nano(whole_number) -%}
cast(cast({{ whole_number }} as decimal(38,0)) * cast(0.000000001 as decimal(10,9)) as decimal(38,9))
{%- endmacro %}

{# quantity × numerator ÷ denominator, rounded to `decimals` (0 to 9), in integers; the same quantity where nothing
   is converted, null where it has too many digits: one absurd row must not keep all others back. #}
{% macro converted(quantity, numerator, denominator, decimals) -%}
case when {{ numerator }} = {{ denominator }} then {{ quantity }}
     else try({{ from_nano(half_even(nano(quantity) ~ ' * ' ~ numerator,
                                     denominator ~ ' * ' ~ power_of_ten('9 - ' ~ decimals))
                           ~ ' * ' ~ power_of_ten('9 - ' ~ decimals)) }}) end
{%- endmacro %}

{% macro power_of_ten(exponent) %}{{ whole('power(10, ' ~ exponent ~ ')') }}{% endmacro %}

{# quantity × cost (each a whole number of 10^-9 at most) × numerator ÷ denominator as money of two decimals; null where
   it has too many digits. #}
{% macro money(quantity, price, numerator='1', denominator='1') -%}
try({{ from_nano(half_even(nano(quantity) ~ ' * ' ~ nano(price) ~ ' * ' ~ numerator,
                           denominator ~ ' * ' ~ whole("10000000000000000")) ~ ' * 10000000') }})
{%- endmacro %}
