{%- set bots = var('bots', true) %}

with

{{ usual_batches('web_events') }},

agents as (

    select
        toString(user_agent) as agent,
        toString(any(device_class)) as device_class,
        countIf(batch_date = (select asked_date from asked)) as rows_now,
        countIf(batch_date < (select asked_date from asked))
        / greatest((select count() from usual_batches), 1) as rows_before,
        uniqExactIf(client_id, batch_date = (select asked_date from asked)) as clients,
        countIf(
            event_name = 'checkout_completed' and batch_date = (select asked_date from asked)
        ) as purchases
    from {{ ref('stg_web_events__evaluated') }}
    where
        batch_date = (select asked_date from asked)
        or batch_date in (select batch_date from usual_batches)
    group by agent

)

select
    device_class,
    rows_now as row_count,
    round(rows_before, 1) as usual_rows,
    clients,
    purchases,
    agent
from agents
order by {{ "device_class = 'bot' desc, " if bots else '' }}rows_now - rows_before desc, agent asc
