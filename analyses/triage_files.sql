{%- set batch = var('batch', none) %}

with

entries as (

    select * from {{ ref('dq_files') }}
    where stream = 'web_events' and status != 'removed'

),

asked as (

    select max({{ "toDate('" ~ batch ~ "')" if batch else 'batch_date' }}) as asked_date
    from entries
    where status != 'left_alone'

),

-- The batch before is there to compare with.
newest_dates as (

    select distinct batch_date
    from entries
    where batch_date <= (select asked_date from asked)
    order by batch_date desc
    limit 2

)

select
    batch_date,
    file_name,
    status,
    rows_landed,
    rows_malformed,
    columns_missing,
    columns_renamed,
    columns_respelled,
    delimiter,
    is_undated,
    columns_unknown,
    columns,
    file_size,
    file_mtime,
    landed_at,
    error
from entries
where batch_date in (select batch_date from newest_dates)
order by batch_date desc, file_name asc, entry desc, landed_at desc
