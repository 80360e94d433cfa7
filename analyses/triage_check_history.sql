{%- set check = var('check', 'volume_drop') %}
{%- set dimension = var('dimension', none) %}

with

{{ asked_batch('web_events') }},

results as (

    select * from {{ ref('dq_check_results') }}
    where
        stream = 'web_events'
        and check_name = '{{ check }}'
        and batch_date <= (select asked_date from asked)
        {%- if dimension is not none %}
        and dimension = '{{ dimension }}'
        {%- endif %}

)

select
    batch_date,
    status,
    observed,
    expected,
    lower,
    upper,
    dimension,
    limit_value,
    baseline_batches,
    volume,
    since,
    money_at_stake,
    message
from results
order by batch_date desc, dimension asc
