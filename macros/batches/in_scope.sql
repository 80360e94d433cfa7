{#
    SQL condition: the batch is one that the model must rebuild (see batch_scope).

    Arguments: column: the batch date; lookback: true adds the batches of the lookback before and of
               the lookahead after them, a number only so many before (for models without lookahead)
    Example:   where {{ in_scope('batch_date', lookback=true) }}
#}
{% macro in_scope(column, lookback=false) %}
    {%- set scope = batch_scope() -%}
    {%- if not scope -%}
        false
    {%- elif lookback -%}
        {%- set dates = [] -%}
        {%- set first = 0 if lookback is boolean else -(lookback + 1) -%}
        {%- for batch in scope -%}{%- do dates.extend(batch.window.split(',')[first:]) -%}{%- endfor -%}
        {{ column }} in ('{{ dates | unique | join("', '") }}')
    {%- else -%}
        {{ column }} in ('{{ scope | map(attribute='batch_date') | join("', '") }}')
    {%- endif -%}
{% endmacro %}

{# SQL: the dates of the scope's batches as an Array(Date), for what also counts empty batches. #}
{% macro scope_dates() -%}
    cast([
    {%- for batch in batch_scope() %}'{{ batch.batch_date }}'{{ ', ' if not loop.last }}{% endfor -%}
    ], 'Array(Date)')
{%- endmacro %}
