with

{{ asked_batch('web_events') }},

purchases as (

    select
        toUInt64OrZero(extract(transaction_id, '[0-9]{1,15}$')) as order_number,
        min(event_at) as first_event_at
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_name = 'checkout_completed'
        and match(transaction_id, '[0-9]$')
        and batch_date = (select asked_date from asked)
    group by order_number

),

compared as (

    select
        order_number as number_after,
        first_event_at as time_after,
        lagInFrame(order_number) over in_order as number_before,
        lagInFrame(first_event_at) over in_order as time_before
    from purchases
    window in_order as (
        order by order_number
        rows between unbounded preceding and unbounded following
    )

)

select
    number_before,
    number_after,
    number_after - number_before - 1 as numbers_missing,
    time_before,
    time_after
from compared
where number_before > 0 and number_after > number_before + 1
order by numbers_missing desc, number_before asc
