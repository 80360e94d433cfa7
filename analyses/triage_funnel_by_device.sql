with

{{ usual_batches('web_events') }},

per_batch as (

    select
        batch_date,
        toString(device_class) as device_class,
        count() as sessions,
        countIf(has_product_added) as with_product,
        countIf(has_checkout_started) as with_checkout,
        countIf(has_purchase) as with_purchase
    from {{ ref('int_web_events__sessions') }}
    where
        batch_date = (select asked_date from asked)
        or batch_date in (select batch_date from usual_batches)
    group by batch_date, device_class

),

compared as (

    select
        device_class,
        [
            {%- for step in ['sessions', 'with_product', 'with_checkout', 'with_purchase'] %}
            (
                '{{ step }}',
                sumIf({{ step }}, batch_date = (select asked_date from asked)),
                sumIf({{ step }}, batch_date < (select asked_date from asked))
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ] as steps,
        steps[1] as all_sessions
    from per_batch
    group by device_class

)

select
    device_class,
    step.1 as reached,
    step.2 as sessions,
    round(step.3 / greatest((select count() from usual_batches), 1), 1) as usual_sessions,
    round(ifNotFinite(step.2 / all_sessions.2, 0), 4) as share,
    round(ifNotFinite(step.3 / all_sessions.3, 0), 4) as usual_share
from compared
array join steps as step
order by all_sessions.2 desc, device_class asc, sessions desc
