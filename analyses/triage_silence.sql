{%- set minutes = var('minutes', 10) %}

with

{{ usual_batches('web_events') }},

usual as (

    select sumForEach(numerator_by_hour) as sum_by_hour, count() as batches
    from {{ ref('dq_metrics') }}
    where
        stream = 'web_events'
        and metric = 'rows_clean'
        and batch_date in (select batch_date from usual_batches)

),

minutes_with_events as (

    select
        assumeNotNull(toHour(event_at) * 60 + toMinute(event_at)) as minute_of_day,
        any(file_name) as in_file
    from {{ ref('stg_web_events__evaluated') }}
    where
        not is_rejected
        and batch_date = (select asked_date from asked)
        and toDate(event_at) = batch_date
    group by minute_of_day

    union all

    select arrayJoin([0, 1440]), ''

),

gaps as (

    select
        minute_of_day as until_minute,
        in_file as file_after,
        lagInFrame(minute_of_day) over in_order as from_minute,
        lagInFrame(in_file) over in_order as file_before
    from minutes_with_events
    window in_order as (
        order by minute_of_day
        rows between unbounded preceding and unbounded following
    )

)

select
    (select asked_date from asked)::DateTime('UTC') + from_minute * 60 as silent_from,
    (select asked_date from asked)::DateTime('UTC') + until_minute * 60 as silent_until,
    until_minute - from_minute as silent_minutes,
    round(arraySum(
        hour -> greatest(
            least(until_minute, hour * 60 + 60) - greatest(from_minute, hour * 60), 0
        ) / 60 * usual.sum_by_hour[hour + 1] / greatest(usual.batches, 1),
        range(24)
    ), 1) as usual_rows,
    file_before,
    file_after
from gaps
cross join usual
where until_minute - from_minute > {{ minutes }}
order by silent_minutes desc
