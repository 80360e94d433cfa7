with

{{ asked_batch('web_events') }},

batch_before as (

    select max(batch_date) as date_before
    from {{ ref('dq_gate') }}
    where
        stream = 'web_events'
        and decision != 'hold'
        and batch_date < (select asked_date from asked)

),

events as (

    select
        batch_date = (select asked_date from asked) as is_asked,
        event_name,
        event_data
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_data != ''
        and (
            batch_date = (select asked_date from asked)
            or batch_date = (select date_before from batch_before)
        )

),

totals as (

    select
        event_name,
        countIf(is_asked) as events_now,
        countIf(not is_asked) as events_before
    from events
    group by event_name

),

fields as (

    select
        is_asked,
        event_name,
        arrayJoin(arrayConcat(
            arrayMap(
                field -> (concat(field.1, ': ', toString(JSONType(field.2))), field.2),
                JSONExtractKeysAndValuesRaw(event_data)
            ),
            arrayFlatten(arrayMap(
                item -> arrayMap(
                    field -> (
                        concat('items[].', field.1, ': ', toString(JSONType(field.2))), field.2
                    ),
                    JSONExtractKeysAndValuesRaw(item)
                ),
                arraySlice(JSONExtractArrayRaw(event_data, 'items'), 1, 1)
            ))
        )) as field
    from events

),

grouped as (

    select
        event_name,
        field.1 as name,
        countIf(is_asked) as row_count,
        countIf(not is_asked) as rows_before,
        left(anyIf(field.2, is_asked), 100) as example
    from fields
    group by event_name, name

)

select
    grouped.event_name as event_name,
    name as field,
    name in ({{ expected_payload('raw_web_events', 'event_data') }}) as is_expected,
    row_count,
    round(ifNotFinite(row_count / totals.events_now, 0), 4) as share,
    round(ifNotFinite(rows_before / totals.events_before, 0), 4) as share_before,
    example
from grouped
inner join totals on totals.event_name = grouped.event_name
order by is_expected asc, abs(share - share_before) desc, event_name asc, field asc
