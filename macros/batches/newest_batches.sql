{#
    SQL: the batches that the newest run which evaluated any has evaluated.

    Arguments: stream: its name
#}
{% macro newest_batches(stream) -%}
    select batch_date
    from {{ ref('dq_batches') }}
    where
        stream = '{{ stream }}'
        and stage = 'evaluated'
        and run_id = (
            select argMax(run_id, recorded_at) from {{ ref('dq_batches') }}
            where stream = '{{ stream }}' and stage = 'evaluated'
        )
{%- endmacro %}
