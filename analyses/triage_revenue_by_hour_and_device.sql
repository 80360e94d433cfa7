with

{{ usual_batches('web_events') }},

usual as (

    select greatest(count(), 1) as batches
    from usual_batches

),

metrics as (

    select
        dimension as device_class,
        sumForEachIf(
            numerator_by_hour, batch_date = (select asked_date from asked)
        ) as by_hour,
        sumForEachIf(
            numerator_by_hour, batch_date < (select asked_date from asked)
        ) as usual_by_hour
    from {{ ref('dq_metrics') }}
    where
        stream = 'web_events'
        and metric = 'revenue_by_device'
        and (
            batch_date = (select asked_date from asked)
            or batch_date in (select batch_date from usual_batches)
        )
    group by device_class

),

hours as (

    select
        hour_number,
        device_class,
        by_hour[hour_number] as revenue,
        usual_by_hour[hour_number] / usual.batches as usual_revenue
    from metrics
    cross join usual
    array join range(1, 25) as hour_number

)

select
    device_class,
    leftPad(toString(hour_number - 1), 2, '0') as hour,
    revenue,
    round(usual_revenue, 2) as usual,
    round(revenue - usual_revenue, 2) as difference,
    round(sum(revenue - usual_revenue) over (partition by device_class), 2) as difference_of_day
from hours
where revenue != 0 or usual_revenue != 0
order by abs(difference_of_day) desc, device_class asc, hour_number asc
