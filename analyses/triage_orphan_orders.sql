with

{{ asked_batch('web_events') }},

orphans as (

    select * from {{ ref('int_web_events__orders') }}
    where is_orphan and batch_date = (select asked_date from asked)

),

events as (

    select * from {{ ref('stg_web_events__evaluated') }}
    where batch_date between (select asked_date from asked) - 1 and (select asked_date from asked)

),

-- Who may have lost its id on the way: another client with the same browser, in the checkout
-- shortly before.
purchases as (

    select
        client_id,
        transaction_id,
        any(user_agent) as user_agent
    from events
    where event_name = 'checkout_completed' and not is_rejected
    group by client_id, transaction_id

),

checkouts as (

    select
        client_id,
        user_agent,
        event_at
    from events
    where event_name = 'checkout_started'

),

rejected_events as (

    select
        client_id,
        count() as rejected_rows,
        groupUniqArrayArray(reject_reasons) as reasons
    from events
    where is_rejected
    group by client_id

),

candidates as (

    select
        orphans.order_id as order_id,
        checkouts.client_id as other_client,
        checkouts.event_at as other_at
    from orphans
    inner join purchases
        on purchases.client_id = orphans.client_id
        and purchases.transaction_id = orphans.transaction_id
    inner join checkouts on checkouts.user_agent = purchases.user_agent
    where
        checkouts.client_id != orphans.client_id
        and checkouts.event_at between orphans.ordered_at - interval 30 minute
        and orphans.ordered_at

),

per_order as (

    select
        order_id,
        uniqExact(other_client) as clients,
        argMax(other_client, other_at) as nearest_client
    from candidates
    group by order_id

)

select
    orphans.transaction_id as transaction_id,
    orphans.client_id as client_id,
    orphans.ordered_at as ordered_at,
    toFloat64(orphans.revenue) as order_revenue,
    ifNull(per_order.clients, 0) as clients_in_checkout,
    per_order.nearest_client as nearest_client,
    orphans.device_class as device_class,
    ifNull(rejected_events.rejected_rows, 0) as rejected_rows,
    rejected_events.reasons as reasons
from orphans
left join per_order on per_order.order_id = orphans.order_id
left join rejected_events on rejected_events.client_id = orphans.client_id
order by ordered_at
