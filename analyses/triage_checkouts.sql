with

{{ usual_batches('web_events') }},

purchases as (

    select
        *,
        arrayConcat(reject_reasons, arrayFilter(
            name -> name in (
                'zero_value_checkout', 'missing_revenue', 'negative_revenue', 'corrupt_items',
                'revenue_items_mismatch', 'transaction_id_collision'
            ),
            warnings
        )) as rules
    from {{ ref('stg_web_events__evaluated') }}
    where event_name = 'checkout_completed'

),

usual as (

    select medianExact(revenue) as order_value
    from purchases
    where
        not is_rejected
        and isNotNull(revenue)
        and batch_date in (select batch_date from usual_batches)

),

judged as (

    select
        arrayConcat(
            rules, if(ifNull(revenue > 10 * usual.order_value, false), ['ten_times_usual'], [])
        ) as reasons,
        transaction_id,
        toFloat64(revenue) as order_revenue,
        arraySum(
            item -> JSONExtractFloat(item, 'item_price') * JSONExtractFloat(item, 'quantity'),
            JSONExtractArrayRaw(event_data, 'items')
        ) as items_total,
        round(order_revenue / toFloat64(usual.order_value), 2) as times_usual,
        device_class,
        client_id,
        event_at,
        file_name,
        row_number,
        event_data
    from purchases
    cross join usual
    where batch_date = (select asked_date from asked)

)

select *
from judged
order by length(reasons) > 0 desc, order_revenue desc
