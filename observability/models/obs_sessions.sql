with

sessions as (

    select * from {{ ref('sluicegate', 'fct_sessions') }}

),

-- All columns, so that a change of the published table's columns is seen.
final as (

    select
        * except (events, revenue, started_at, ended_at),
        toFloat64(events) as events,
        toFloat64(revenue) as revenue,
        100. * has_purchase as purchase_percent,
        100. * is_bot as bot_percent,
        toDateTime(started_at, 'UTC') as started_at,
        toDateTime(ended_at, 'UTC') as ended_at,
        toDateTime(batch_date, 'UTC') as batch_at
    from sessions

)

select * from final
