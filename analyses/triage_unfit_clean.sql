with

{{ asked_batch('web_events') }},

candidates as (

    select
        *,
        arrayFilter(
            name -> name != '',
            [
                if(trimBoth(client_id) = '', 'client_id', ''),
                if(isNull(event_at), 'timestamp', ''),
                if(trimBoth(event_name) = '', 'event_name', '')
            ]
        ) as columns_missing
    from {{ ref('stg_web_events__evaluated') }}
    where not is_rejected and batch_date = (select asked_date from asked)

)

select
    arrayJoin(columns_missing) as column_name,
    file_name,
    rule_set_version,
    count() as row_count,
    min(row_number) as first_row_number,
    min(landed_at) as first_landed_at
from candidates
where notEmpty(columns_missing)
group by column_name, file_name, rule_set_version
order by row_count desc
