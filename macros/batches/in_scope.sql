{#
    SQL condition: the batch is one that the model must rebuild (see batch_scope).

    Arguments: column: the batch date; lookback: true adds the batches of the lookback before them
    Example:   where {{ in_scope('batch_date', lookback=true) }}
#}
{% macro in_scope(column, lookback=false) %}
    {%- set scope = batch_scope() -%}
    {%- if not scope -%}
        false
    {%- elif lookback -%}
        (
        {%- for window in scope | map(attribute='window_start') | unique -%}
            {%- set batches = scope | selectattr('window_start', 'equalto', window) | list -%}
            {%- if not loop.first %} or {% endif -%}
            {{ column }} between '{{ window }}' and '{{ batches[-1].batch_date }}'
        {%- endfor -%}
        )
    {%- else -%}
        {{ column }} in ({% for batch in scope %}'{{ batch.batch_date }}'{{ ', ' if not loop.last }}{% endfor %})
    {%- endif -%}
{% endmacro %}
