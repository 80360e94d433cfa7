{{
    config(
        materialized='batches',
        stream='web_events',
        stage='sessions',
        lookback_batches=2,
        lookahead_batches=1,
        version='toString(sum(cityHash64(tuple(*))))',
        partition_by='batch_date',
        order_by=['client_id', 'started_at']
    )
}}

with

parts as (

    select * from {{ ref('int_web_events__session_parts') }}
    where {{ in_scope('batch_date', lookback=true) }}

),

-- Each client's first and last part of every day, in order: what follows a last part in this list
-- is the first part of the next day on which the client was there.
clients as (

    select
        client_id,
        arraySort(groupArray(
            (batch_date, part_number, started_at, ended_at)
        )) as ends,
        arrayPushFront(arrayPopBack(ends), ends[1]) as ends_before,
        arrayMap(
            (part, before) -> part.2 = 1
            and part.1 = before.1 + 1
            and part.3 >= before.3
            and part.3 <= before.4 + interval {{ var('session_timeout_minutes') }} minute,
            ends,
            ends_before
        ) as is_near
    from parts
    where part_number = 1 or part_number = parts_of_client
    group by client_id
    having length(ends) > 1

),

-- A session goes over one midnight at most: a day's only part that continues the day before is not
-- continued itself.
continuations as (

    select
        client_id,
        arrayFilter(
            (part, near, near_before) -> near and not near_before,
            ends,
            is_near,
            arrayPushFront(arrayPopBack(is_near), 0)
        ) as continued,
        arrayJoin(arrayMap(part -> part.1, continued)) as batch_date
    from clients

),

continuing as (

    select * from parts
    where
        part_number = 1
        and (client_id, batch_date) in (select client_id, batch_date from continuations)

),

beginning as (

    select * from parts
    where
        {{ in_scope('batch_date') }}
        and (
            part_number > 1
            or (client_id, batch_date) not in (select client_id, batch_date from continuations)
        )

),

merged as (

    select
        beginning.* except (
            events, page_views, products_added, checkouts_started, purchases, revenue, has_email,
            ended_at, visited_at, channel
        ),
        if(beginning.channel = 'internal', 'direct', beginning.channel) as channel,
        beginning.events + ifNull(continuing.events, 0) as events,
        beginning.page_views + ifNull(continuing.page_views, 0) as page_views,
        beginning.products_added + ifNull(continuing.products_added, 0) as products_added,
        beginning.checkouts_started + ifNull(continuing.checkouts_started, 0) as checkouts_started,
        beginning.purchases + ifNull(continuing.purchases, 0) as purchases,
        beginning.revenue + ifNull(continuing.revenue, 0) as revenue,
        beginning.has_email or ifNull(continuing.has_email, false) as has_email,
        greatest(beginning.ended_at, ifNull(continuing.ended_at, beginning.ended_at)) as ended_at,
        arrayMin(arrayFilter(
            at -> isNotNull(at), [beginning.visited_at, continuing.visited_at]
        )) as visited_at
    from beginning
    left join continuing
        on continuing.client_id = beginning.client_id
        and continuing.batch_date = beginning.batch_date + 1
        and beginning.part_number = beginning.parts_of_client

),

final as (

    select
        lower(hex(sipHash128('web_events', batch_date, client_id, toString(started_at))))
            as session_id,
        client_id,
        landing_page,
        referrer,
        referrer_host,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        toLowCardinality(channel) as channel,
        device_class,
        events::UInt32 as events,
        page_views::UInt32 as page_views,
        products_added::UInt32 as products_added,
        checkouts_started::UInt32 as checkouts_started,
        purchases::UInt32 as purchases,
        revenue::Decimal(38, 4) as revenue,
        has_email::Bool as has_email,
        (products_added > 0)::Bool as has_product_added,
        (checkouts_started > 0)::Bool as has_checkout_started,
        (purchases > 0)::Bool as has_purchase,
        (device_class = 'bot')::Bool as is_bot,
        started_at,
        ended_at::DateTime64(3, 'UTC') as ended_at,
        visited_at::Nullable(DateTime64(3, 'UTC')) as visited_at,
        batch_date
    from merged

)

select * from final
