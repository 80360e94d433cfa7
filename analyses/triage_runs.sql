with

runs as (

    select
        *,
        lagInFrame(toNullable(started_at)) over (
            order by entry, started_at
            rows between unbounded preceding and unbounded following
        ) as before_at
    from {{ ref('dq_runs') }}

)

select
    started_at,
    round(dateDiff('minute', before_at, started_at) / 60, 1) as hours_since_before,
    dateDiff('second', started_at, ended_at) as seconds,
    errors,
    command,
    nodes,
    run_id
from runs
order by entry desc, started_at desc
