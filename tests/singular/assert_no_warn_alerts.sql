-- Nothing is out of the ordinary.
-- depends_on: {{ ref('stg_web_events__clean') }}
{{ config(severity='warn') }}

select
    stream,
    batch_date,
    message
from {{ ref('dq_alerts') }}
where severity = 'WARN'
