with

{{ usual_batches('web_events') }},

per_batch as (

    select
        batch_date = (select asked_date from asked) as is_asked,
        toString(channel) as channel,
        count() as sessions,
        uniqExact(client_id) as clients,
        sum(purchases) as purchases,
        toFloat64(sum(revenue)) as revenue
    from {{ ref('int_web_events__sessions') }}
    where
        not is_bot
        and (
            batch_date = (select asked_date from asked)
            or batch_date in (select batch_date from usual_batches)
        )
    group by is_asked, channel

),

compared as (

    select
        channel,
        sumIf(sessions, is_asked) as sessions_now,
        sumIf(sessions, not is_asked) as sessions_before,
        sumIf(purchases, is_asked) as purchases_now,
        sumIf(purchases, not is_asked) as purchases_before,
        sumIf(revenue, is_asked) as revenue_now,
        sumIf(revenue, not is_asked) as revenue_before
    from per_batch
    group by channel

)

select
    channel,
    sessions_now as sessions,
    round(sessions_before / batches, 1) as usual_sessions,
    round(ifNotFinite(sessions_now / sum(sessions_now) over (), 0), 4) as share,
    round(ifNotFinite(sessions_before / sum(sessions_before) over (), 0), 4) as usual_share,
    purchases_now as purchases,
    round(purchases_before / batches, 1) as usual_purchases,
    revenue_now as revenue,
    round(revenue_before / batches, 2) as usual_revenue,
    (select greatest(count(), 1) from usual_batches) as batches
from compared
order by abs(share - usual_share) desc, channel asc
