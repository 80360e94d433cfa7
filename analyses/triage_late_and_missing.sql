{%- set batch = var('batch', none) %}

with

manifest as (

    select * from {{ ref('dq_manifest') }}
    where
        stream = 'web_events'
        {%- if batch %}
        and batch_date <= toDate('{{ batch }}')
        {%- endif %}

)

select
    batch_date,
    status,
    due_at,
    if(files = 0, null, first_landed_at) as first_landed_at,
    hours_late,
    files,
    files_changed,
    files_unreadable,
    if(files = 0, null, last_landed_at) as last_landed_at,
    freshness_hours,
    run_gap_hours,
    ledger_ahead_minutes
from manifest
order by batch_date desc
