{%- set metric = var('metric', 'rows_raw') %}
{%- set dimension = var('dimension', '') %}

with

{{ asked_batch('web_events') }},

metrics as (

    select
        batch_date,
        groupArrayIf(
            numerator_by_hour, metric = '{{ metric }}' and dimension = '{{ dimension }}'
        )[1] as by_hour
    from {{ ref('dq_metrics') }}
    where stream = 'web_events' and batch_date <= (select asked_date from asked)
    group by batch_date

),

accepted as (

    select metrics.*
    from metrics
    inner join {{ ref('dq_gate') }} as gate on gate.batch_date = metrics.batch_date
    where
        gate.stream = 'web_events'
        and gate.decision != 'hold'
        and metrics.batch_date < (select asked_date from asked)
        and metrics.batch_date >= (select asked_date from asked) - {{ var('baseline_days') }}

),

usual as (

    select
        arrayReverseSort(groupArray((batch_date, by_hour))) as earlier,
        arrayFilter(
            past -> toDayOfWeek(past.1) = toDayOfWeek((select asked_date from asked)), earlier
        ) as of_weekday,
        arraySlice(
            if(length(of_weekday) >= {{ var('weekday_baseline_min') }}, of_weekday, earlier),
            1,
            {{ var('baseline_batches') }}
        ) as baseline,
        arrayMap(
            number -> arrayAvg(arrayMap(past -> past.2[number], baseline)), range(1, 25)
        ) as usual_by_hour
    from accepted

),

hours as (

    select
        hour_number,
        metrics.by_hour[hour_number] as amount,
        ifNotFinite(usual.usual_by_hour[hour_number], 0) as usual_amount
    from metrics
    cross join usual
    array join range(1, 25) as hour_number
    where metrics.batch_date = (select asked_date from asked)

)

select
    leftPad(toString(hour_number - 1), 2, '0') as hour,
    amount,
    round(usual_amount, 2) as usual,
    round(amount - usual_amount, 2) as difference,
    round(sum(amount - usual_amount) over (order by hour_number), 2) as difference_so_far
from hours
order by hour
