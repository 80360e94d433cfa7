{#
    SQL: what is measured of a batch's web events beside the counts by group: silence, users, gaps in
    order numbers, unknown event names, payload fields that the contract does not know.

    Each metric has a row for the batch as a whole, also when there is nothing to count.

    Arguments: evaluated: the relation of evaluated events
    Returns:   a query: metric, dimension, numerator, denominator (NULL: a total), volume, detail,
               batch_date
#}
{% macro event_particulars(evaluated) %}
with

batches as (

    select arrayJoin({{ scope_dates() }}) as batch_date

),

activity as (

    select
        batch_date,
        count() as events,
        groupUniqArrayIf(
            toUInt16(toHour(event_at) * 60 + toMinute(event_at)), toDate(event_at) = batch_date
        ) as minutes,
        uniqExactIf(
            cityHash64({{ json_text('event_data', 'user_email') }}),
            event_data != '' and {{ json_text('event_data', 'user_email') }} != ''
        ) as users
    from {{ evaluated }}
    where not is_rejected and {{ in_scope('batch_date') }}
    group by batch_date

    union all

    select batch_date, 0, emptyArrayUInt16(), 0
    from batches

),

-- The longest time without an event, the batch's midnights included. Without any clean event
-- there is nothing to measure it by: 0 of 0.
silence as (

    select
        batch_date,
        sum(events) as all_events,
        max(users) as all_users,
        arrayConcat([0], arraySort(groupArrayArray(minutes)), [1440]) as marks,
        arrayPopFront(arrayDifference(marks)) as gaps,
        if(all_events > 0, greatest(arrayMax(gaps), 10), 0) as longest_gap,
        if(all_events > 0, marks[indexOf(gaps, longest_gap)], 0) as began_at
    from activity
    group by batch_date

),

-- How many order numbers are missing between the smallest and the largest of a batch.
order_numbers as (

    select
        batch_date,
        groupUniqArrayIf(
            toUInt64OrZero(extract(transaction_id, '[0-9]{1,15}$')), transaction_id != ''
        ) as numbers,
        if(empty(numbers), 0, arrayMax(numbers) - arrayMin(numbers) + 1) as numbers_expected,
        length(numbers) as numbers_present
    from (
        select batch_date, transaction_id from {{ evaluated }}
        where
            event_name = 'checkout_completed' and match(transaction_id, '[0-9]$')
            and {{ in_scope('batch_date') }}

        union all

        select batch_date, '' from batches
    )
    group by batch_date

),

-- Names are made fit to be shown before the most frequent are taken: of a thousand addresses in the
-- place of the name there is one label.
unknown_events as (

    select
        batch_date,
        name,
        sum(rows_of_name) as row_count
    from (
        select
            batch_date,
            arrayJoin(['', {{ shown_label('event') }}]) as name,
            event_rows as rows_of_name
        from (
            select
                batch_date,
                toString(event_name) as event,
                count() as event_rows
            from {{ evaluated }}
            where
                is_rejected and has(reject_reasons, 'unknown_event_name')
                and {{ in_scope('batch_date') }}
            group by batch_date, event
        )

        union all

        select batch_date, '', 0 from batches
    )
    group by batch_date, name
    order by name != '' asc, row_count desc, name asc
    limit 11 by batch_date

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
    from {{ evaluated }}
    where event_data != '' and {{ in_scope('batch_date') }}
    group by batch_date, field

),

unexpected_fields as (

    select
        batch_date,
        name,
        sum(rows_of_name) as row_count
    from (
        select
            batch_date,
            arrayJoin(['', {{ shown_label('field') }}]) as name,
            row_count as rows_of_name
        from payload_fields
        where field not in ({{ expected_payload('raw_web_events', 'event_data') }})

        union all

        select batch_date, '', 0 from batches
    )
    group by batch_date, name
    order by name != '' asc, row_count desc, name asc
    limit 21 by batch_date

)

select
    measure.1 as metric,
    '' as dimension,
    toDecimal128(measure.2, 4) as numerator,
    if(all_events > 0, null, toDecimal128(0, 4)) as denominator,
    toFloat64(measure.2) as volume,
    measure.3 as detail,
    batch_date
from (
    select
        batch_date,
        all_events,
        arrayJoin([
            ('users', toInt64(all_users), ''),
            ('longest_gap_minutes', toInt64(longest_gap), concat(
                'from ', formatDateTime(toDateTime(batch_date, 'UTC') + began_at * 60, '%H:%i')
            ))
        ]) as measure
    from silence
)

union all

select
    'order_number_gaps',
    '',
    toDecimal128(numbers_expected - numbers_present, 4),
    toDecimal128(numbers_expected, 4),
    toFloat64(numbers_present),
    '',
    batch_date
from order_numbers

union all

select
    'unknown_event_rows',
    name,
    toDecimal128(row_count, 4),
    null,
    toFloat64(row_count),
    '',
    batch_date
from unknown_events

union all

select
    'unexpected_payload',
    name,
    toDecimal128(row_count, 4),
    null,
    toFloat64(row_count),
    '',
    batch_date
from unexpected_fields
{% endmacro %}
