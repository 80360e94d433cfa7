{%- set reason = var('reason', none) %}

with

{{ asked_batch('web_events') }},

rejects as (

    select * from {{ ref('stg_web_events__rejects') }}
    where
        batch_date = (select asked_date from asked)
        {%- if reason %}
        and has(reject_reasons, '{{ reason }}')
        {%- endif %}

),

grouped as (

    select
        arrayJoin({{ "['" ~ reason ~ "']" if reason else 'reject_reasons' }}) as reason,
        file_name,
        multiIf(
            isNull(event_at), 'no time',
            toDate(event_at) != batch_date, 'another day',
            leftPad(toString(toHour(event_at)), 2, '0')
        ) as hour,
        count() as row_count,
        toFloat64(ifNull(sum(revenue), 0)) as rejected_revenue,
        left(argMin(if(raw_line != '', raw_line, original_row), row_number), 500) as example
    from rejects
    group by reason, file_name, hour

)

select
    reason,
    file_name,
    hour,
    row_count,
    rejected_revenue,
    example
from grouped
order by
    sum(row_count) over (partition by reason) desc, reason asc, file_name asc, hour asc
