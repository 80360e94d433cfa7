{%- set metric = var('metric', none) %}
{%- set metrics = [metric] if metric else ['reject_rows', 'warning_rows'] %}
{%- set dimension = var('dimension', none) %}

with

{{ asked_batch('web_events') }},

metrics as (

    select * from {{ ref('dq_metrics') }}
    where
        stream = 'web_events'
        and metric in ('{{ metrics | join("', '") }}')
        and batch_date <= (select asked_date from asked)
        {%- if dimension is not none %}
        and dimension = '{{ dimension }}'
        {%- endif %}

)

select
    batch_date,
    metric,
    dimension,
    toFloat64(numerator) as amount,
    round(value, 4) as value,
    volume,
    detail
from metrics
order by batch_date desc, metric asc, amount desc
