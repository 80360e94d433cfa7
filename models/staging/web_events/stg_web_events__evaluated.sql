{{
    config(
        materialized='batches',
        stream='web_events',
        stage='evaluated',
        lookback_batches=var('duplicate_lookback_batches'),
        partition_by=['batch_date', 'is_rejected'],
        order_by=['file_name', 'row_number']
    )
}}

with

raw as (

    select * from {{ ref('raw_web_events') }}
    where {{ in_scope('batch_date') }}

),

duplicates as (

    {{ duplicates(ref('raw_web_events')) }}

),

collisions as (

    {{ transaction_collisions(ref('raw_web_events')) }}

),

typed as (

    select
        raw.*,
        domain(raw.referrer) as referrer_host,
        toLowCardinality(domain(raw.page_url)) as page_host,
        {{ campaign_parameter('raw.page_url', 'utm_source') }} as utm_source,
        {{ campaign_parameter('raw.page_url', 'utm_medium') }} as utm_medium,
        {{ campaign_parameter('raw.page_url', 'utm_campaign') }} as utm_campaign,
        {{ campaign_parameter('raw.page_url', 'utm_content') }} as utm_content,
        {{ campaign_parameter('raw.page_url', 'utm_term') }} as utm_term,
        raw.event_name = 'checkout_completed' as is_purchase,
        {{ event_time('raw.timestamp') }} as event_at,
        {{ is_in_future('event_at') }} as is_in_future,
        {{ is_outside_batch('event_at') }} as is_outside_batch,
        raw.event_data = '' or JSONType(raw.event_data) = 'Object' as has_usable_data,
        if(is_purchase, {{ json_text('raw.event_data', 'transaction_id') }}, '') as transaction_id,
        if(is_purchase, {{ json_decimal('raw.event_data', 'revenue') }}, null) as revenue,
        if(is_purchase, JSONExtractArrayRaw(raw.event_data, 'items'), []) as items,
        arrayMap(
            item -> (
                {{ json_text('item', 'item_id') }},
                {{ json_decimal('item', 'item_price') }},
                {{ json_decimal('item', 'quantity') }}
            ),
            items
        ) as item_values,
        arrayExists(
            item -> item.1 = '' or isNull(item.2) or isNull(item.3), item_values
        ) as has_corrupt_item,
        arraySum(
            item -> ifNull(toDecimal256(item.2, 4) * item.3, 0), item_values
        ) as items_total,
        if(
            is_purchase, (batch_date, transaction_id) in (select * from collisions), false
        ) as is_collision,
        ifNull(duplicates.first_copy, '') as first_copy
    from raw
    left any join duplicates
        on raw.event_key = duplicates.event_key
        and raw.row_number = duplicates.row_number
        and cityHash64(raw.file_name) = duplicates.file_key

),

classified as (

    select
        *,
        toLowCardinality({{ device_class('user_agent') }}) as device_class,
        toLowCardinality({{ channel('page_url', 'utm_medium', 'referrer_host', 'page_host') }})
            as channel
    from typed

),

judged as (

    select
        *,
        {{ evaluate_rules() }}
    from classified

),

final as (

    select
        client_id,
        transaction_id,
        event_name,
        page_url,
        referrer,
        referrer_host,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        channel,
        device_class,
        user_agent,
        event_data,
        extra_columns,
        if(is_rejected, timestamp, '') as timestamp_text,
        raw_line,
        first_copy,
        {{ rule_names('reject') }} as reject_reasons,
        {{ rule_names('warn') }} as warnings,
        toLowCardinality('{{ rule_set_version() }}') as rule_set_version,
        file_name,
        row_number,
        revenue,
        {{ any_rejected() }} as is_rejected,
        event_at,
        batch_date,
        landed_at
    from judged

)

select * from final
