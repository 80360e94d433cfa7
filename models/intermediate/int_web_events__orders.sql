{{
    config(
        materialized='batches',
        stream='web_events',
        stage='orders',
        lookback_batches=[
            var('attribution_window_days') + 1, var('duplicate_lookback_batches')
        ] | max,
        version='toString(sum(cityHash64(tuple(*))))',
        partition_by='batch_date',
        order_by=['client_id', 'ordered_at']
    )
}}

with

purchases as (

    select
        batch_date,
        client_id,
        transaction_id,
        revenue,
        event_data,
        assumeNotNull(event_at) as purchased_at,
        (purchased_at, file_name, row_number) as position,
        toInt64({{ batch_sequence('batch_date') }}) as sequence
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_name = 'checkout_completed'
        and not is_rejected
        and {{ in_scope('batch_date', lookback=var('duplicate_lookback_batches')) }}

),

-- Within a batch: the first purchase event with a revenue tells what was bought, the others repeat it.
counted as (

    select
        batch_date,
        client_id,
        transaction_id,
        sequence,
        count() as purchase_events,
        argMin((revenue, event_data), (isNull(revenue), position)) as telling,
        telling.1 as order_revenue,
        telling.2 as order_data,
        ifNull(sum(revenue), 0) as revenue_of_all,
        min(purchased_at) as ordered_at
    from purchases
    group by batch_date, client_id, transaction_id, sequence

),

-- The page that thanks for an order is opened again on other days, too.
compared as (

    select
        *,
        count() over (
            partition by client_id, transaction_id
            order by sequence
            range between {{ var('duplicate_lookback_batches') }} preceding and current row
        ) as batches_with_it
    from counted

),

new as (

    select * from compared
    where batches_with_it = 1 and {{ in_scope('batch_date') }}

),

buyers as (

    select client_id from {{ ref('int_web_events__session_parts') }}
    where purchases > 0 and {{ in_scope('batch_date') }}

),

client_sessions as (

    select
        client_id,
        arraySort(groupArray((
            started_at,
            ended_at,
            batch_date,
            session_id,
            toString(channel),
            toString(device_class),
            visited_at
        ))) as sessions
    from {{ ref('int_web_events__sessions') }}
    where
        {{ in_scope('batch_date', lookback=true) }}
        and client_id in (select client_id from buyers)
    group by client_id

),

explained as (

    select
        new.*,
        arrayReverseSort(
            session -> session.3,
            arrayFilter(
                session -> session.1 <= ordered_at
                and session.2 >= ordered_at
                and session.3 between new.batch_date - 1 and new.batch_date,
                client_sessions.sessions
            )
        )[1] as own,
        arrayFilter(
            session -> session.1 <= own.1
            and session.1 >= own.1 - interval {{ var('attribution_window_days') }} day
            and session.3 <= new.batch_date
            and session.3 >= new.batch_date - {{ var('attribution_window_days') }} - 1,
            client_sessions.sessions
        ) as touches,
        arrayMap(session -> session.5, touches) as channels,
        arrayDistinct(arrayFilter(touch -> touch != own.5, channels)) as assisting_channels,
        JSONExtractArrayRaw(order_data, 'items') as raw_items
    from new
    left join client_sessions on client_sessions.client_id = new.client_id

),

final as (

    select
        lower(hex(sipHash128('web_events', batch_date, client_id, transaction_id))) as order_id,
        transaction_id,
        client_id,
        own.4 as session_id,
        {{ json_text('order_data', 'user_email') }} as user_email,
        toLowCardinality(own.5) as channel,
        toLowCardinality(channels[1]) as first_touch_channel,
        channel as last_touch_channel,
        assisting_channels,
        toLowCardinality(own.6) as device_class,
        arrayMap(
            item -> (
                {{ json_text('item', 'item_id') }},
                {{ json_text('item', 'item_name') }},
                {{ json_text('item', 'item_variant') }},
                {{ json_decimal('item', 'quantity') }},
                {{ json_decimal('item', 'item_price') }}
            ),
            raw_items
        ) as items,
        purchase_events::UInt32 as purchase_events,
        order_revenue as revenue,
        (revenue_of_all - ifNull(order_revenue, 0))::Decimal(38, 4) as revenue_of_repeats,
        notEmpty(assisting_channels)::Bool as is_assisted,
        (not arrayExists(
            touch -> ifNull(touch.7 <= ordered_at, false), touches
        ))::Bool as is_orphan,
        ordered_at,
        batch_date
    from explained

)

select * from final
