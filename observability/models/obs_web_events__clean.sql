with

clean as (

    select * from {{ ref('sluicegate', 'stg_web_events__clean') }}

),

-- All columns, so that a change of the published table's columns is seen.
final as (

    select
        * except (event_at, revenue, landed_at),
        ifNull(toFloat64(revenue), 0.) as revenue,
        ifNull(toDateTime(event_at, 'UTC'), toDateTime(batch_date, 'UTC')) as event_at,
        toDateTime(landed_at, 'UTC') as landed_at,
        toDateTime(batch_date, 'UTC') as batch_at,
        toDateTime(batch_date + 1, 'UTC') as batch_ends_at
    from clean

)

select * from final
