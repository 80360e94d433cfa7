{{
    config(
        materialized='batches',
        stream='web_events',
        stage='metrics',
        after='evaluated',
        insert_settings='max_insert_threads = 2, query_plan_merge_expressions = 0',
        partition_by='batch_date',
        order_by=['metric', 'dimension']
    )
}}

-- depends_on: {{ ref('dq_batches') }}

{#- Metric, numerator, denominator (none: a total), what it rests on; columns of per_hour. -#}
{%- set measures = [
    ('rows_raw', 'rows_raw', none, 'rows_raw'),
    ('rows_clean', 'rows_clean', none, 'rows_raw'),
    ('rows_rejected', 'rows_rejected', none, 'rows_raw'),
    ('purchases', 'purchases', none, 'rows_raw'),
    ('purchases_clean', 'purchases_clean', none, 'rows_raw'),
    ('revenue_clean', 'revenue_clean', none, 'purchases'),
    ('revenue_rejected', 'revenue_rejected', none, 'purchases'),
    ('reject_rate', 'rows_rejected', 'rows_raw', 'rows_raw'),
    ('clean_rate', 'rows_clean', 'rows_raw', 'rows_raw'),
    ('missing_client_id', 'without_client', 'rows_raw', 'rows_raw'),
    ('missing_client_id_clean', 'clean_without_client', 'rows_clean', 'rows_clean'),
    ('missing_timestamp', 'without_timestamp', 'rows_raw', 'rows_raw'),
    ('missing_timestamp_clean', 'clean_without_timestamp', 'rows_clean', 'rows_clean'),
    ('missing_event_name', 'without_event_name', 'rows_raw', 'rows_raw'),
    ('missing_event_name_clean', 'clean_without_event_name', 'rows_clean', 'rows_clean'),
    ('duplicate_rate', 'duplicates', 'rows_raw', 'rows_raw'),
    ('unknown_event_rate', 'unknown_events', 'rows_raw', 'rows_raw'),
    ('malformed_data_rate', 'malformed_data', 'with_data', 'with_data'),
    ('missing_referrer_rate', 'without_referrer', 'rows_raw', 'rows_raw'),
    ('synthetic_referrer_rate', 'synthetic_referrers', 'rows_raw', 'rows_raw'),
    ('campaign_rate', 'page_views_of_campaigns', 'page_views', 'page_views'),
    ('outside_batch_rate', 'outside_batch', 'rows_raw', 'rows_raw'),
    ('bot_rate', 'bots', 'rows_raw', 'rows_raw'),
    ('missing_transaction_rate', 'purchases_without_transaction', 'purchases', 'purchases'),
    ('missing_revenue_rate', 'purchases_without_revenue', 'purchases', 'purchases'),
    ('zero_value_rate', 'purchases_of_zero_value', 'purchases', 'purchases'),
    ('corrupt_items_rate', 'purchases_with_corrupt_items', 'purchases', 'purchases'),
    ('items_mismatch_rate', 'purchases_with_items_mismatch', 'purchases', 'purchases'),
    ('transaction_collisions', 'purchases_in_collision', none, 'purchases'),
] -%}
{#- Metric, (dimension, numerator) pairs, (dimension, volume) pairs, the measure they are a share
    of. -#}
{%- set breakdowns = [
    ('reject_rows', 'rows_by_reason', 'rows_by_reason', 'rows_raw'),
    ('warning_rows', 'rows_by_warning', 'rows_by_warning', 'rows_raw'),
    ('rows_by_event', 'rows_by_event', 'rows_by_event', 'rows_raw'),
    ('rows_by_channel', 'rows_by_channel', 'rows_by_channel', 'rows_raw'),
    ('rows_by_device', 'rows_by_device', 'rows_by_device', 'rows_raw'),
    ('rejected_revenue', 'revenue_by_reason', 'rows_by_reason', 'revenue_rejected'),
    ('revenue_by_channel', 'revenue_by_channel', 'purchases_by_channel', 'revenue_clean'),
    ('revenue_by_device', 'revenue_by_device', 'purchases_by_device', 'revenue_clean'),
] %}

with

batches as (

    select arrayJoin({{ scope_dates() }}) as batch_date

),

-- The one look at the candidate: it gives some hundred groups an hour, whatever the number of rows
-- and rules.
grouped as (

    select
        batch_date,
        if(toDate(event_at) = batch_date, toHour(event_at), 24) as hour,
        toString(if(has(reject_reasons, 'unknown_event_name'), '(unknown)', event_name)) as event,
        toString(channel) as channel,
        toString(device_class) as device_class,
        is_rejected,
        reject_reasons,
        warnings,
        count() as row_count,
        countIf(event_data != '') as data_rows,
        countIf(utm_source != '' or utm_medium != '' or utm_campaign != '') as campaign_rows,
        countIf(trimBoth(client_id) = '') as clientless_rows,
        countIf(isNull(event_at)) as timeless_rows,
        ifNull(sum(revenue), 0)::Decimal(38, 4) as revenue
    from {{ ref('stg_web_events__evaluated') }}
    where {{ in_scope('batch_date') }}
    group by
        batch_date, hour, event, channel, device_class, is_rejected, reject_reasons, warnings

    union all

    -- A batch without a row has all its metrics too, as zeros.
    select batch_date, 24, '', '', '', false, [], [], 0, 0, 0, 0, 0, 0
    from batches

),

per_hour as (

    select
        batch_date,
        ifNull(hour, 24) as hour_of_day,
        sum(row_count) as rows_raw,
        sumIf(row_count, not is_rejected) as rows_clean,
        sumIf(row_count, is_rejected) as rows_rejected,
        sumIf(row_count, event = 'page_viewed') as page_views,
        sumIf(row_count, event = 'checkout_completed') as purchases,
        sumIf(row_count, event = 'checkout_completed' and not is_rejected) as purchases_clean,
        sumIf(revenue, not is_rejected) as revenue_clean,
        sumIf(revenue, is_rejected) as revenue_rejected,
        sum(data_rows) as with_data,
        sum(clientless_rows) as without_client,
        sumIf(clientless_rows, not is_rejected) as clean_without_client,
        sumIf(row_count, has(reject_reasons, 'missing_timestamp')) as without_timestamp,
        sumIf(timeless_rows, not is_rejected) as clean_without_timestamp,
        sumIf(row_count, has(reject_reasons, 'missing_event_name')) as without_event_name,
        sumIf(row_count, event = '' and not is_rejected) as clean_without_event_name,
        sumIf(row_count, has(reject_reasons, 'duplicate_event')) as duplicates,
        sumIf(row_count, has(reject_reasons, 'unknown_event_name')) as unknown_events,
        sumIf(row_count, has(reject_reasons, 'malformed_event_data')) as malformed_data,
        sumIf(row_count, has(warnings, 'missing_referrer')) as without_referrer,
        sumIf(row_count, has(warnings, 'synthetic_referrer')) as synthetic_referrers,
        sumIf(campaign_rows, event = 'page_viewed') as page_views_of_campaigns,
        sumIf(row_count, has(warnings, 'timestamp_outside_batch')) as outside_batch,
        sumIf(row_count, device_class = 'bot') as bots,
        sumIf(row_count, has(reject_reasons, 'missing_transaction_id'))
            as purchases_without_transaction,
        sumIf(row_count, has(warnings, 'missing_revenue')) as purchases_without_revenue,
        sumIf(row_count, has(warnings, 'zero_value_checkout')) as purchases_of_zero_value,
        sumIf(row_count, has(warnings, 'corrupt_items')) as purchases_with_corrupt_items,
        sumIf(row_count, has(warnings, 'revenue_items_mismatch')) as purchases_with_items_mismatch,
        sumIf(row_count, has(warnings, 'transaction_id_collision')) as purchases_in_collision,
        sumMap(reject_reasons, arrayMap(reason -> row_count, reject_reasons)) as rows_by_reason,
        sumMap(reject_reasons, arrayMap(reason -> revenue, reject_reasons)) as revenue_by_reason,
        sumMap(warnings, arrayMap(warning -> row_count, warnings)) as rows_by_warning,
        sumMapIf([event], [row_count], row_count > 0) as rows_by_event,
        sumMapIf([channel], [row_count], row_count > 0) as rows_by_channel,
        sumMapIf([device_class], [row_count], row_count > 0) as rows_by_device,
        sumMapIf(
            [channel], [row_count], event = 'checkout_completed' and not is_rejected
        ) as purchases_by_channel,
        sumMapIf(
            [device_class], [row_count], event = 'checkout_completed' and not is_rejected
        ) as purchases_by_device,
        sumMapIf(
            [channel], [revenue], event = 'checkout_completed' and not is_rejected
        ) as revenue_by_channel,
        sumMapIf(
            [device_class], [revenue], event = 'checkout_completed' and not is_rejected
        ) as revenue_by_device
    from grouped
    group by batch_date, hour_of_day

),

landed as (

    select
        batch_date,
        'rows_landed' as metric,
        toDecimal128(count(), 4) as numerator
    from {{ ref('raw_web_events') }}
    where {{ in_scope('batch_date') }}
    group by batch_date

    union all

    select
        batch_date,
        'revenue_raw',
        ifNull(sum({{ json_decimal('event_data', 'revenue') }}), 0)
    from {{ ref('raw_web_events') }}
    where event_name = 'checkout_completed' and {{ in_scope('batch_date') }}
    group by batch_date

    union all

    select
        batch_date,
        arrayJoin(['rows_landed', 'revenue_raw']),
        0
    from batches

),

measured as (

    select
        batch_date,
        hour_of_day,
        arrayJoin(arrayConcat(
            [
                {%- for metric, numerator, denominator, volume in measures %}
                (
                    '{{ metric }}',
                    '',
                    toDecimal128({{ numerator }}, 4),
                    toDecimal128({{ denominator or 0 }}, 4),
                    toFloat64({{ volume }})
                ){{ ',' if not loop.last }}
                {%- endfor %}
            ]
            {%- for metric, numerators, volumes, total in breakdowns %},
            arrayMap(
                (dimension, volume) -> (
                    '{{ metric }}',
                    dimension,
                    -- sumMap leaves keys out whose sum is 0; those of the volume are all there.
                    toDecimal128({{ numerators }}.2[indexOf({{ numerators }}.1, dimension)], 4),
                    toDecimal128(0, 4),
                    toFloat64(volume)
                ),
                {{ volumes }}.1,
                {{ volumes }}.2
            )
            {%- endfor %}
        )) as measure
    from per_hour

    union all

    select
        batch_date,
        24,
        (metric, '', numerator::Decimal(38, 4), toDecimal128(0, 4), 0.)
    from landed

),

summed as (

    select
        batch_date,
        measure.1 as metric,
        measure.2 as dimension,
        sum(measure.3) as numerator,
        sum(measure.4) as shares_of,
        sum(measure.5) as volume,
        sumForEach(arrayMap(h -> if(h = hour_of_day, toFloat64(measure.3), 0), range(24)))
            as numerator_by_hour,
        sumForEach(arrayMap(h -> if(h = hour_of_day, toFloat64(measure.4), 0), range(24)))
            as denominator_by_hour
    from measured
    group by batch_date, metric, dimension

),

totalled as (

    select
        *,
        {%- for total in [
            'rows_raw', 'rows_clean', 'rows_rejected', 'revenue_clean', 'revenue_rejected',
            'purchases',
        ] %}
        maxIf(numerator, metric = '{{ total }}') over (partition by batch_date) as {{ total }},
        {%- endfor %}
        multiIf(
            {%- for metric, numerators, volumes, total in breakdowns %}
            metric = '{{ metric }}', toNullable({{ total }}),
            {%- endfor %}
            metric in (
                {%- for measure in measures if measure[2] %}
                '{{ measure[0] }}'{{ ',' if not loop.last }}
                {%- endfor %}
            ), toNullable(shares_of),
            null
        ) as denominator
    from summed

),

-- What was landed against what became of it, in rows and in money, beside the measures themselves.
with_conservation as (

    select
        batch_date,
        arrayJoin(multiIf(
            metric = 'rows_landed', [
                (
                    'rows_unaccounted',
                    numerator - rows_clean - rows_rejected,
                    denominator,
                    toFloat64(numerator)
                )
            ],
            metric = 'revenue_raw', [
                (metric, numerator, denominator, toFloat64(purchases)),
                (
                    'revenue_unaccounted',
                    numerator - revenue_clean - revenue_rejected,
                    denominator,
                    toFloat64(purchases)
                ),
                (
                    'revenue_gap',
                    numerator - revenue_clean,
                    toNullable(numerator),
                    toFloat64(purchases)
                )
            ],
            [(metric, numerator, denominator, volume)]
        )) as measure,
        measure.1 as metric_name,
        dimension,
        measure.2 as numerator_value,
        measure.3 as denominator_value,
        measure.4 as rests_on,
        numerator_by_hour,
        denominator_by_hour
    from totalled

),

activity as (

    select
        batch_date,
        arraySort(groupUniqArrayIf(
            toUInt16(toHour(event_at) * 60 + toMinute(event_at)), toDate(event_at) = batch_date
        )) as minutes,
        uniqExactIf(
            cityHash64({{ json_text('event_data', 'user_email') }}),
            event_data != '' and {{ json_text('event_data', 'user_email') }} != ''
        ) as users
    from {{ ref('stg_web_events__evaluated') }}
    where not is_rejected and {{ in_scope('batch_date') }}
    group by batch_date

),

-- The longest time without an event, the batch's midnights included.
silence as (

    select
        batch_date,
        users,
        arrayConcat([0], minutes, [1440]) as marks,
        arrayPopFront(arrayDifference(marks)) as gaps,
        greatest(arrayMax(gaps), 10) as longest_gap,
        marks[indexOf(gaps, longest_gap)] as began_at
    from activity

),

-- How many order numbers are missing between the smallest and the largest of a batch.
order_numbers as (

    select
        batch_date,
        groupUniqArray(toUInt64OrZero(extract(transaction_id, '[0-9]{1,15}$'))) as numbers,
        arrayMax(numbers) - arrayMin(numbers) + 1 as numbers_expected,
        length(numbers) as numbers_present
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_name = 'checkout_completed' and match(transaction_id, '[0-9]$')
        and {{ in_scope('batch_date') }}
    group by batch_date

),

unknown_events as (

    select
        batch_date,
        left(event_name, 100) as name,
        count() as row_count
    from {{ ref('stg_web_events__evaluated') }}
    where is_rejected and has(reject_reasons, 'unknown_event_name') and {{ in_scope('batch_date') }}
    group by batch_date, name
    order by row_count desc, name asc
    limit 10 by batch_date

),

payload_fields as (

    select
        batch_date,
        arrayJoin(arrayConcat(
            arrayMap(
                field -> concat(field.1, ': ', toString(JSONType(field.2))),
                JSONExtractKeysAndValuesRaw(event_data)
            ),
            arrayMap(
                field -> concat('items[].', field.1, ': ', toString(JSONType(field.2))),
                arrayDistinct(arrayFlatten(arrayMap(
                    item -> JSONExtractKeysAndValuesRaw(item),
                    JSONExtractArrayRaw(event_data, 'items')
                )))
            )
        )) as field,
        count() as row_count
    from {{ ref('stg_web_events__evaluated') }}
    where event_data != '' and {{ in_scope('batch_date') }}
    group by batch_date, field

),

unexpected_fields as (

    select
        batch_date,
        left(field, 100) as name,
        row_count
    from payload_fields
    where field not in ({{ expected_payload('raw_web_events', 'event_data') }})
    order by row_count desc, name asc
    limit 20 by batch_date

),

final as (

    select
        toLowCardinality('web_events') as stream,
        toLowCardinality(metric_name) as metric,
        dimension,
        numerator_value as numerator,
        denominator_value as denominator,
        rests_on as volume,
        numerator_by_hour,
        denominator_by_hour,
        '' as detail,
        batch_date
    from with_conservation

    union all

    select
        'web_events',
        measure.1,
        '',
        toDecimal128(measure.2, 4),
        null,
        toFloat64(measure.2),
        [],
        [],
        measure.3,
        batch_date
    from (
        select
            batch_date,
            arrayJoin([
                ('users', toInt64(users), ''),
                ('longest_gap_minutes', toInt64(longest_gap), concat(
                    'from ', formatDateTime(toDateTime(batch_date, 'UTC') + began_at * 60, '%H:%i')
                ))
            ]) as measure
        from silence
    )

    union all

    select
        'web_events',
        'order_number_gaps',
        '',
        toDecimal128(numbers_expected - numbers_present, 4),
        toDecimal128(numbers_expected, 4),
        toFloat64(numbers_present),
        [],
        [],
        '',
        batch_date
    from order_numbers

    union all

    select
        'web_events',
        'unknown_event_rows',
        name,
        toDecimal128(row_count, 4),
        null,
        toFloat64(row_count),
        [],
        [],
        '',
        batch_date
    from unknown_events

    union all

    select
        'web_events',
        'unexpected_payload',
        name,
        toDecimal128(row_count, 4),
        null,
        toFloat64(row_count),
        [],
        [],
        '',
        batch_date
    from unexpected_fields

)

select
    stream,
    metric,
    toLowCardinality(dimension) as dimension,
    numerator,
    denominator,
    if(
        isNull(denominator), toFloat64(numerator),
        if(denominator = 0, 0, toFloat64(numerator) / toFloat64(denominator))
    )::Float64 as value,
    volume,
    numerator_by_hour,
    denominator_by_hour,
    detail,
    batch_date
from final
