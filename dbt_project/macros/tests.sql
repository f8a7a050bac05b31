{# The columns name each row once; none of them is null but those said to be nullable. #}
{% test key(model, columns, nullable=[]) %}
select {{ columns | join(', ') }}, count(*) as rows_found
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
    {%- for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}
