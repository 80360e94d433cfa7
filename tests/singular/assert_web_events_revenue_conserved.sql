-- Revenue landed = revenue clean + revenue rejected, in every batch that the newest run evaluated;
-- for those that the gate let through, clean is what is published.

with

newest_batches as (

    {{ newest_batches(ref('dq_batches'), 'web_events') }}

),

landed as (

    select
        batch_date,
        sum({{ json_decimal('event_data', 'revenue') }}) as revenue
    from {{ ref('raw_web_events') }}
    where
        event_name = 'checkout_completed'
        and batch_date in (select batch_date from newest_batches)
    group by batch_date

),

rejected as (

    select
        batch_date,
        sum(revenue) as revenue
    from {{ ref('stg_web_events__rejects') }}
    where batch_date in (select batch_date from newest_batches)
    group by batch_date

),

candidates as (

    select
        batch_date,
        sum(revenue) as revenue
    from {{ ref('stg_web_events__evaluated') }}
    where not is_rejected and batch_date in (select batch_date from newest_batches)
    group by batch_date

),

published as (

    select
        batch_date,
        sum(revenue) as revenue
    from {{ ref('stg_web_events__clean') }}
    where batch_date in (select batch_date from newest_batches)
    group by batch_date

),

held as (

    select batch_date from {{ ref('dq_gate') }}
    where stream = 'web_events' and decision = 'hold'

),

per_batch as (

    select
        batch_date,
        sumIf(revenue, part = 'landed') as revenue_landed,
        sumIf(revenue, part = 'rejected') as revenue_rejected,
        sumIf(revenue, part = 'candidate') as revenue_candidate,
        sumIf(revenue, part = 'published') as revenue_published
    from (
        select batch_date, 'landed' as part, ifNull(revenue, 0) as revenue from landed
        union all
        select batch_date, 'rejected', ifNull(revenue, 0) from rejected
        union all
        select batch_date, 'candidate', ifNull(revenue, 0) from candidates
        union all
        select batch_date, 'published', ifNull(revenue, 0) from published
    )
    group by batch_date

),

validation_errors as (

    select * from per_batch
    where
        revenue_landed != revenue_candidate + revenue_rejected
        or (
            revenue_published != revenue_candidate
            and batch_date not in (select batch_date from held)
        )

)

select * from validation_errors
