-- Every file that is there could be read. It is asked after publishing, so an unreadable file keeps
-- no other one back.
-- depends_on: {{ ref('stg_web_events__clean') }}

with

newest_entries as (

    select * from {{ ref('dq_files') }}
    order by landed_at desc
    limit 1 by stream, file_name

)

select
    stream,
    file_name,
    error
from newest_entries
where status = 'unreadable'
