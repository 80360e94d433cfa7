{{
    config(
        materialized='batches',
        stream='web_events',
        stage='session_parts',
        partition_by='batch_date',
        order_by=['client_id', 'part_number']
    )
}}

with

evaluated as (

    select
        *,
        {{ event_position(ref('stg_web_events__evaluated')) }} as position
    from {{ ref('stg_web_events__evaluated') }}
    where not is_rejected and {{ in_scope('batch_date') }}

),

-- Only numbers go into the arrays: the wide columns of a part's first event are fetched afterwards.
clients as (

    select
        batch_date,
        client_id,
        arraySort(groupArray((
            toUnixTimestamp64Milli(assumeNotNull(event_at)),
            position,
            toString(event_name),
            ifNull(revenue, 0)
        ))) as events,
        arraySplit(
            (event, gap) -> gap > {{ var('session_timeout_minutes') }} * 60000,
            events,
            arrayDifference(events.1)
        ) as parts
    from evaluated
    group by batch_date, client_id

),

parts as (

    select
        batch_date,
        client_id,
        part_number,
        length(parts) as parts_of_client,
        part.1 as times,
        part.2 as positions,
        part.3 as names,
        part.4 as revenues
    from clients
    array join
        parts as part,
        arrayEnumerate(parts) as part_number

),

measured as (

    select
        batch_date,
        client_id,
        part_number,
        parts_of_client,
        positions[1] as first_position,
        length(names) as events,
        countEqual(names, 'page_viewed') as page_views,
        countEqual(names, 'product_added_to_cart') as products_added,
        countEqual(names, 'checkout_started') as checkouts_started,
        countEqual(names, 'checkout_completed') as purchases,
        arraySum(revenues) as revenue,
        has(names, 'email_filled_on_popup') as has_email,
        times[1] as started_at,
        times[-1] as ended_at,
        arrayFirstOrNull((at, name) -> name != 'checkout_completed', times, names) as visited_at
    from parts

),

final as (

    select
        measured.client_id as client_id,
        page_url as landing_page,
        referrer,
        referrer_host,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        channel,
        device_class,
        part_number::UInt32 as part_number,
        parts_of_client::UInt32 as parts_of_client,
        events::UInt32 as events,
        page_views::UInt32 as page_views,
        products_added::UInt32 as products_added,
        checkouts_started::UInt32 as checkouts_started,
        purchases::UInt32 as purchases,
        measured.revenue::Decimal(38, 4) as revenue,
        has_email::Bool as has_email,
        fromUnixTimestamp64Milli(started_at, 'UTC') as started_at,
        fromUnixTimestamp64Milli(ended_at, 'UTC') as ended_at,
        fromUnixTimestamp64Milli(visited_at, 'UTC') as visited_at,
        measured.batch_date as batch_date
    from evaluated
    inner join measured on measured.first_position = evaluated.position

)

select * from final
