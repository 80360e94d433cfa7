with

{{ asked_batch('web_events') }},

copies as (

    select
        *,
        extract(first_copy, '^([^ ]+) ') as first_batch,
        extract(first_copy, '^[^ ]+ (.*):[0-9]+$') as first_file
    from {{ ref('stg_web_events__evaluated') }}
    where
        is_rejected
        and has(reject_reasons, 'duplicate_event')
        and batch_date = (select asked_date from asked)

)

select
    file_name,
    first_file,
    event_name,
    count() as row_count,
    uniqExact(client_id) as clients,
    first_batch,
    min(event_at) as first_event_at,
    max(event_at) as last_event_at,
    argMin((row_number, first_copy), row_number) as example
from copies
group by file_name, first_file, first_batch, event_name
order by row_count desc
