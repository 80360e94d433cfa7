{{
    config(
        materialized='batches',
        stream='web_events',
        stage='metrics',
        insert_settings='max_insert_threads = 2, query_plan_merge_expressions = 0',
        partition_by='batch_date',
        order_by=['metric', 'dimension']
    )
}}

{#- Metric, numerator, denominator (none: a total), what it rests on; columns of per_hour. Copies of
    events that are there already are counted as such and are in nothing else: they are no loss. -#}
{%- set measures = [
    ('rows_landed', 'rows_landed', none, 'rows_landed'),
    ('rows_raw', 'rows_raw', none, 'rows_raw'),
    ('rows_clean', 'rows_clean', none, 'rows_raw'),
    ('rows_rejected', 'rows_rejected', none, 'rows_raw'),
    ('purchases', 'purchases', none, 'rows_raw'),
    ('purchases_clean', 'purchases_clean', none, 'rows_raw'),
    ('revenue_clean', 'revenue_clean', none, 'purchases'),
    ('revenue_rejected', 'revenue_rejected', none, 'purchases'),
    ('revenue_copied', 'revenue_copied', none, 'purchases'),
    ('reject_rate', 'rows_lost', 'rows_raw', 'rows_raw'),
    ('clean_rate', 'rows_clean', 'rows_raw', 'rows_raw'),
    ('missing_client_id', 'without_client', 'rows_raw', 'rows_raw'),
    ('missing_client_id_clean', 'clean_without_client', 'rows_clean', 'rows_clean'),
    ('missing_timestamp', 'without_timestamp', 'rows_raw', 'rows_raw'),
    ('missing_timestamp_clean', 'clean_without_timestamp', 'rows_clean', 'rows_clean'),
    ('missing_event_name', 'without_event_name', 'rows_raw', 'rows_raw'),
    ('missing_event_name_clean', 'clean_without_event_name', 'rows_clean', 'rows_clean'),
    ('duplicate_rate', 'rows_copied', 'rows_landed', 'rows_landed'),
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
    of; then of the batch as a whole: how much of that measure has any of these dimensions, and
    what it rests on. -#}
{%- set breakdowns = [
    ('reject_rows', 'rows_by_reason', 'rows_by_reason', 'rows_raw', 'rows_lost', 'rows_raw'),
    ('warning_rows', 'rows_by_warning', 'rows_by_warning', 'rows_raw', 'rows_warned', 'rows_raw'),
    ('rows_by_event', 'rows_by_event', 'rows_by_event', 'rows_raw', 'rows_raw', 'rows_raw'),
    ('rows_by_channel', 'rows_by_channel', 'rows_by_channel', 'rows_raw', 'rows_raw', 'rows_raw'),
    ('rows_by_device', 'rows_by_device', 'rows_by_device', 'rows_raw', 'rows_raw', 'rows_raw'),
    (
        'rejected_revenue', 'revenue_by_reason', 'rows_by_reason', 'revenue_lost', 'revenue_lost',
        'purchases',
    ),
    (
        'revenue_by_channel', 'revenue_by_channel', 'purchases_by_channel', 'revenue_clean',
        'revenue_clean', 'purchases',
    ),
    (
        'revenue_by_device', 'revenue_by_device', 'purchases_by_device', 'revenue_clean',
        'revenue_clean', 'purchases',
    ),
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
        has(reject_reasons, 'duplicate_event') as is_copy,
        countIf(not is_copy) as row_count,
        countIf(is_copy) as copy_count,
        countIf(event_data != '' and not is_copy) as data_rows,
        countIf((utm_source != '' or utm_medium != '' or utm_campaign != '') and not is_copy)
            as campaign_rows,
        countIf(trimBoth(client_id) = '' and not is_copy) as clientless_rows,
        countIf(isNull(event_at)) as timeless_rows,
        ifNull(sumIf(revenue, not is_copy), 0)::Decimal(38, 4) as amount,
        ifNull(sumIf(revenue, is_copy), 0)::Decimal(38, 4) as copied_amount
    from {{ ref('stg_web_events__evaluated') }}
    where {{ in_scope('batch_date') }}
    group by
        batch_date, hour, event, channel, device_class, is_rejected, reject_reasons, warnings

    union all

    -- A batch without a row has all its metrics too, as zeros.
    select batch_date, 24, '', '', '', false, [], [], false, 0, 0, 0, 0, 0, 0, 0, 0
    from batches

),

per_hour as (

    select
        batch_date,
        ifNull(hour, 24) as hour_of_day,
        sum(row_count) + sum(copy_count) as rows_landed,
        sum(row_count) as rows_raw,
        sum(copy_count) as rows_copied,
        sumIf(row_count, not is_rejected) as rows_clean,
        sumIf(row_count, is_rejected) as rows_lost,
        rows_lost + rows_copied as rows_rejected,
        sumIf(row_count, notEmpty(warnings)) as rows_warned,
        sumIf(row_count, event = 'page_viewed') as page_views,
        sumIf(row_count, event = 'checkout_completed') as purchases,
        sumIf(row_count, event = 'checkout_completed' and not is_rejected) as purchases_clean,
        sumIf(amount, not is_rejected) as revenue_clean,
        sum(copied_amount) as revenue_copied,
        sumIf(amount, is_rejected) as revenue_lost,
        revenue_lost + revenue_copied as revenue_rejected,
        sum(data_rows) as with_data,
        sum(clientless_rows) as without_client,
        sumIf(clientless_rows, not is_rejected) as clean_without_client,
        sumIf(row_count, has(reject_reasons, 'missing_timestamp')) as without_timestamp,
        sumIf(timeless_rows, not is_rejected) as clean_without_timestamp,
        sumIf(row_count, has(reject_reasons, 'missing_event_name')) as without_event_name,
        sumIf(row_count, event = '' and not is_rejected) as clean_without_event_name,
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
        sumMapIf(reject_reasons, arrayMap(reason -> row_count, reject_reasons), not is_copy)
            as rows_by_reason,
        sumMapIf(reject_reasons, arrayMap(reason -> amount, reject_reasons), not is_copy)
            as revenue_by_reason,
        sumMapIf(warnings, arrayMap(warning -> row_count, warnings), not is_copy)
            as rows_by_warning,
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
            [channel], [amount], event = 'checkout_completed' and not is_rejected
        ) as revenue_by_channel,
        sumMapIf(
            [device_class], [amount], event = 'checkout_completed' and not is_rejected
        ) as revenue_by_device
    from grouped
    group by batch_date, hour_of_day

),

landed as (

    select
        batch_date,
        'rows_in_raw' as metric,
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
        arrayJoin(['rows_in_raw', 'revenue_raw']),
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
            {%- for metric, numerators, volumes, total, whole, rests_on in breakdowns %},
            [(
                '{{ metric }}',
                '',
                toDecimal128({{ whole }}, 4),
                toDecimal128(0, 4),
                toFloat64({{ rests_on }})
            )],
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
            'revenue_copied', 'purchases',
        ] %}
        maxIf(numerator, metric = '{{ total }}') over (partition by batch_date) as {{ total }},
        {%- endfor %}
        revenue_rejected - revenue_copied as revenue_lost,
        multiIf(
            {%- for metric, numerators, volumes, total, whole, rests_on in breakdowns %}
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
            metric = 'rows_in_raw', [
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
                    numerator - revenue_clean - revenue_copied,
                    toNullable(numerator - revenue_copied),
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

-- A file that came under two names: which repeats most of which other one.
copied_files as (

    select
        batch_date,
        argMax(concat(
            toString(copies), ' rows of ', toString(file_name), ' are copies of rows of ',
            first_file
        ), copies) as copied
    from (
        select
            batch_date,
            file_name,
            replaceRegexpOne(first_copy, '^[^ ]+ (.*):[0-9]+$', '\\1') as first_file,
            count() as copies
        from {{ ref('stg_web_events__evaluated') }}
        where
            is_rejected and has(reject_reasons, 'duplicate_event') and {{ in_scope('batch_date') }}
        group by batch_date, file_name, first_file
        having first_file != file_name
    )
    group by batch_date

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
        if(metric = 'duplicate_rate', ifNull(copied, ''), '') as detail,
        with_conservation.batch_date as batch_date
    from with_conservation
    left join copied_files on copied_files.batch_date = with_conservation.batch_date

    union all

    select
        'web_events',
        metric,
        dimension,
        numerator,
        denominator,
        volume,
        [],
        [],
        detail,
        batch_date
    from ({{ event_particulars(ref('stg_web_events__evaluated')) }})

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
