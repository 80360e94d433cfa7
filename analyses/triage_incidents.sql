with

open_incidents as (

    select * from {{ ref('dq_incidents') }}
    where status != 'resolved'

)

select
    severity,
    check_name,
    dimension,
    first_batch,
    last_batch,
    batches,
    held_batches,
    since,
    money_at_stake,
    owner,
    message,
    remediation,
    runbook,
    opened_at,
    incident_id
from open_incidents
order by indexOf(['CRITICAL', 'WARN', 'INFO'], severity) asc, last_batch desc, check_name asc
