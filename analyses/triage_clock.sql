with

{{ asked_batch('web_events') }},

events as (

    select * from {{ ref('stg_web_events__evaluated') }}
    where batch_date = (select asked_date from asked) and isNotNull(event_at)

),

files as (

    select
        file_name,
        argMax(file_mtime, (entry, landed_at)) as file_changed_at
    from {{ ref('dq_files') }}
    where stream = 'web_events' and status = 'landed'
    group by file_name

),

grouped as (

    select
        file_name,
        dateDiff('day', batch_date, toDate(event_at)) as days_off,
        count() as row_count,
        countIf(has(reject_reasons, 'timestamp_in_future')) as in_future,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at
    from events
    group by file_name, batch_date, days_off

)

select
    grouped.file_name as file_name,
    days_off,
    row_count,
    in_future,
    first_event_at,
    last_event_at,
    files.file_changed_at as file_changed_at
from grouped
left join files on files.file_name = grouped.file_name
order by file_name asc, days_off asc
