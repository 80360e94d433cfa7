{%- set reason = var('reason', none) %}

with

{{ asked_batch('web_events') }},

rejected as (

    select
        *,
        arrayJoin({{ "['" ~ reason ~ "']" if reason else 'reject_reasons' }}) as reason
    from {{ ref('stg_web_events__evaluated') }}
    where
        is_rejected
        and batch_date = (select asked_date from asked)
        {%- if reason %}
        and has(reject_reasons, '{{ reason }}')
        {%- endif %}

),

-- The value that the reason speaks of; where it is missing, what is left to tell the rows apart.
grouped as (

    select
        reason,
        left(multiIf(
            reason = 'malformed_line', raw_line,
            reason in ('invalid_timestamp', 'timestamp_in_future'), timestamp_text,
            reason = 'unknown_event_name', event_name,
            reason in ('malformed_event_data', 'missing_transaction_id'), event_data,
            reason = 'duplicate_event', extract(first_copy, '^[^ ]+ (.*):[0-9]+$'),
            ''
        ), 200) as rejected_value,
        event_name,
        path(page_url) as page,
        device_class,
        count() as row_count,
        uniqExact(user_agent) as user_agents
    from rejected
    group by reason, rejected_value, event_name, page, device_class

)

select
    reason,
    rejected_value,
    row_count,
    event_name,
    page,
    device_class,
    user_agents
from grouped
order by sum(row_count) over (partition by reason) desc, reason asc, row_count desc
limit 20 by reason
