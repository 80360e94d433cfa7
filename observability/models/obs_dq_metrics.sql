with

metrics as (

    select * from {{ ref('sluicegate', 'dq_metrics') }}

),

final as (

    select
        stream,
        metric,
        dimension,
        if(metric in ({{ share_metrics() }}), 'percent', 'total') as unit,
        ifNull(if(unit = 'percent', 100 * value, value), 0.) as value,
        volume,
        toDateTime(batch_date, 'UTC') as batch_at
    from metrics

)

select * from final
