with

rejects as (

    select * from {{ ref('sluicegate', 'stg_web_events__rejects') }}

),

final as (

    select
        reject_id,
        arrayJoin(reject_reasons) as reject_reason,
        event_name,
        ifNull(toFloat64(revenue), 0.) as revenue,
        toDateTime(batch_date, 'UTC') as batch_at
    from rejects

)

select * from final
