-- The gate holds no batch. It is asked after publishing, so a held batch keeps no other one back.
-- depends_on: {{ ref('stg_web_events__clean') }}

select
    stream,
    batch_date,
    hold_reasons
from {{ ref('dq_gate') }}
where decision = 'hold'
