{%- set metric = var('metric', 'rows_by_event') %}

with

{{ usual_batches('web_events') }},

usual as (

    select greatest(count(), 1) as batches
    from usual_batches

),

metrics as (

    select
        dimension,
        numerator,
        value,
        batch_date = (select asked_date from asked) as is_asked
    from {{ ref('dq_metrics') }}
    where
        stream = 'web_events'
        and metric = '{{ metric }}'
        and dimension != ''
        and (
            batch_date = (select asked_date from asked)
            or batch_date in (select batch_date from usual_batches)
        )

),

-- What did not occur in a batch was 0 there: the sums are divided by the number of batches.
compared as (

    select
        dimension,
        sumIf(toFloat64(numerator), is_asked) as amount,
        sumIf(toFloat64(numerator), not is_asked) / any(usual.batches) as usual_amount,
        sumIf(value, is_asked) as value_now,
        sumIf(value, not is_asked) / any(usual.batches) as usual_value
    from metrics
    cross join usual
    group by dimension

)

select
    dimension,
    amount,
    round(usual_amount, 2) as usual,
    round(amount - usual_amount, 2) as difference,
    round(value_now, 4) as value,
    round(usual_value, 4) as usual_value
from compared
order by abs(amount - usual_amount) desc, dimension asc
