with

{{ usual_batches('web_events') }},

hosts as (

    select
        toString(if(trimBoth(referrer) = '', '(none)', referrer_host)) as host,
        countIf(batch_date = (select asked_date from asked)) as rows_now,
        countIf(batch_date < (select asked_date from asked)) as rows_before,
        countIf(
            batch_date = (select asked_date from asked) and has(warnings, 'synthetic_referrer')
        ) as synthetic_rows,
        anyIf(toString(channel), batch_date = (select asked_date from asked)) as example_channel
    from {{ ref('stg_web_events__evaluated') }}
    where
        batch_date = (select asked_date from asked)
        or batch_date in (select batch_date from usual_batches)
    group by host

)

select
    host,
    rows_now as row_count,
    round(ifNotFinite(rows_now / sum(rows_now) over (), 0), 4) as share,
    round(ifNotFinite(rows_before / sum(rows_before) over (), 0), 4) as usual_share,
    synthetic_rows,
    example_channel
from hosts
order by abs(share - usual_share) desc, host asc
