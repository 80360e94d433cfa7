{#
    SQL condition: the batch is one that the model must rebuild, or one of the batches before such a
    one, fewer than its lookback_batches (see in_scope). For models without lookahead.

    Arguments: column: the batch date; batches: how many batches before
    Example:   where {{ in_lookback('batch_date', var('duplicate_lookback_batches')) }}
#}
{% macro in_lookback(column, batches) -%}
    {%- set dates = [] -%}
    {%- for batch in batch_scope() -%}
        {%- do dates.extend(batch.window.split(',')[-(batches + 1):]) -%}
    {%- endfor -%}
    {%- if dates -%}
        {{ column }} in ('{{ dates | unique | join("', '") }}')
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}
