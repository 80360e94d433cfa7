with

{{ asked_batch('web_events') }},

parts as (

    select
        'landed' as part,
        'landed' as stage,
        count() as row_count,
        sumIf({{ json_decimal('event_data', 'revenue') }}, event_name = 'checkout_completed')
            as revenue
    from {{ ref('raw_web_events') }}
    where batch_date = (select asked_date from asked)

    union all

    select
        if(is_rejected, 'evaluated, rejected', 'evaluated, clean') as part,
        'evaluated',
        count(),
        sum(revenue)
    from {{ ref('stg_web_events__evaluated') }}
    where batch_date = (select asked_date from asked)
    group by part

    union all

    select
        'rejects',
        'rejects',
        count(),
        sum(revenue)
    from {{ ref('stg_web_events__rejects') }}
    where batch_date = (select asked_date from asked)

    union all

    select
        'published',
        'published',
        count(),
        sum(revenue)
    from {{ ref('stg_web_events__clean') }}
    where batch_date = (select asked_date from asked)

),

built as (

    select
        stage,
        argMax(recorded_at, (entry, recorded_at)) as built_at,
        argMax(run_id, (entry, recorded_at)) as run_id
    from {{ ref('dq_batches') }}
    where stream = 'web_events' and batch_date = (select asked_date from asked)
    group by stage

)

select
    parts.part as part,
    parts.row_count as row_count,
    toFloat64(ifNull(parts.revenue, 0)) as revenue,
    built.built_at as built_at,
    built.run_id as run_id
from parts
left join built on built.stage = parts.stage
order by
    indexOf(
        ['landed', 'evaluated, clean', 'evaluated, rejected', 'rejects', 'published'], parts.part
    )
