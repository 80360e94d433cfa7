with

{{ asked_batch('web_events') }},

newest_dates as (

    select batch_date
    from {{ ref('dq_gate') }}
    where stream = 'web_events' and batch_date <= (select asked_date from asked)
    order by batch_date desc
    limit 15

),

per_client as (

    select
        client_id,
        groupUniqArray(batch_date) as dates
    from {{ ref('int_web_events__sessions') }}
    where not is_bot and batch_date in (select batch_date from newest_dates)
    group by client_id

),

returning as (

    select
        arrayJoin(dates) as batch_date,
        count() as clients,
        countIf(has(dates, batch_date - 1)) as from_day_before
    from per_client
    group by batch_date

),

metrics as (

    select
        batch_date,
        anyIf(value, metric = 'sessions') as sessions,
        anyIf(value, metric = 'users') as users,
        anyIf(value, metric = 'orders') as orders,
        anyIf(value, metric = 'assisted_share') as assisted_share,
        anyIf(value, metric = 'missing_client_id') as missing_client_id
    from {{ ref('dq_metrics') }}
    where stream = 'web_events' and batch_date in (select batch_date from newest_dates)
    group by batch_date

)

select
    metrics.batch_date as batch_date,
    ifNull(returning.clients, 0) as clients,
    round(ifNull(returning.from_day_before / returning.clients, 0), 4) as share_from_day_before,
    round(ifNull(metrics.sessions / returning.clients, 0), 2) as sessions_per_client,
    metrics.users as users,
    metrics.orders as orders,
    round(metrics.assisted_share, 4) as assisted_share,
    round(metrics.missing_client_id, 4) as missing_client_id
from metrics
left join returning on returning.batch_date = metrics.batch_date
order by batch_date desc
