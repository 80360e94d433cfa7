-- Nothing is wrong that must not be. It is asked after publishing, so an alert keeps no batch back
-- but those that the gate holds.
-- depends_on: {{ ref('stg_web_events__clean') }}

select
    stream,
    batch_date,
    message
from {{ ref('dq_alerts') }}
where severity = 'CRITICAL'
