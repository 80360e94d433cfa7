{#
    SQL of a CTE asked(asked_date): the batch that a triage query is about, the variable batch or else
    the newest one.

    Arguments: stream: its name
    Example:   dbt show --select triage_channels --vars '{batch: 2026-07-14}'
#}
{% macro asked_batch(stream) -%}
{%- set batch = var('batch', none) -%}
asked as (

    select max({{ "toDate('" ~ batch ~ "')" if batch else 'batch_date' }}) as asked_date
    from {{ ref('dq_gate') }}
    where stream = '{{ stream }}'

)
{%- endmacro %}

{#
    SQL of two CTEs: asked, as above, and usual_batches(batch_date): the batches before it that were
    not held, as many as a baseline has.

    Arguments: stream: its name
#}
{% macro usual_batches(stream) -%}
{{ asked_batch(stream) }},

usual_batches as (

    select batch_date
    from {{ ref('dq_gate') }}
    where
        stream = '{{ stream }}'
        and decision != 'hold'
        and batch_date < (select asked_date from asked)
    order by batch_date desc
    limit {{ var('baseline_batches') }}

)
{%- endmacro %}
