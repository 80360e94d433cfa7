-- Every landed row is a clean row or a reject, in every batch; a batch that the gate let through
-- has all its clean rows published.

with

landed as (

    select
        batch_date,
        count() as row_count
    from {{ ref('raw_web_events') }}
    group by batch_date

),

rejected as (

    select
        batch_date,
        count() as row_count
    from {{ ref('stg_web_events__rejects') }}
    group by batch_date

),

candidates as (

    select
        batch_date,
        count() as row_count
    from {{ ref('stg_web_events__evaluated') }}
    where not is_rejected
    group by batch_date

),

published as (

    select
        batch_date,
        count() as row_count
    from {{ ref('stg_web_events__clean') }}
    group by batch_date

),

held as (

    select batch_date from {{ ref('dq_gate') }}
    where stream = 'web_events' and decision = 'hold'

),

per_batch as (

    select
        batch_date,
        sum(rows_landed) as rows_landed,
        sum(rows_rejected) as rows_rejected,
        sum(rows_candidate) as rows_candidate,
        sum(rows_published) as rows_published
    from (
        select
            batch_date,
            row_count as rows_landed,
            0 as rows_rejected,
            0 as rows_candidate,
            0 as rows_published
        from landed
        union all
        select batch_date, 0, row_count, 0, 0 from rejected
        union all
        select batch_date, 0, 0, row_count, 0 from candidates
        union all
        select batch_date, 0, 0, 0, row_count from published
    )
    group by batch_date

),

validation_errors as (

    select * from per_batch
    where
        rows_landed != rows_candidate + rows_rejected
        or (
            rows_published != rows_candidate
            and batch_date not in (select batch_date from held)
        )

)

select * from validation_errors
