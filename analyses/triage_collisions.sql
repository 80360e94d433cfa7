with

{{ asked_batch('web_events') }},

purchases as (

    select *
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_name = 'checkout_completed'
        and batch_date <= (select asked_date from asked)
        and batch_date >= (select asked_date from asked) - 31

),

concerned as (

    select transaction_id from purchases
    where
        has(warnings, 'transaction_id_collision')
        and batch_date = (select asked_date from asked)

)

select
    transaction_id,
    batch_date,
    client_id,
    event_at,
    revenue,
    device_class,
    reject_reasons,
    file_name,
    row_number
from purchases
where transaction_id in (select transaction_id from concerned)
order by transaction_id asc, event_at asc
