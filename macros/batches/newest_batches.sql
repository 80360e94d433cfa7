{#
    SQL: the batches that the newest run which evaluated any of a stream has evaluated.

    Arguments: ledger: the relation dq_batches; stream: its name; of every stream when left out
#}
{% macro newest_batches(ledger, stream=none) -%}
    {%- set evaluated = "stage = 'evaluated'" ~ (" and stream = '" ~ stream ~ "'" if stream else '') -%}
    select batch_date
    from {{ ledger }}
    where
        {{ evaluated }}
        and run_id in (
            select argMax(run_id, (entry, recorded_at)) from {{ ledger }}
            where {{ evaluated }}
            group by stream
        )
{%- endmacro %}
