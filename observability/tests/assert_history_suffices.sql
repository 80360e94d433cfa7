-- There are days enough for the anomaly tests to judge by. Elementary lets tests without enough
-- history pass; this one says so.
{{ config(severity='warn') }}
{%- set today = elementary.get_run_started_at().strftime('%Y-%m-%d') %}

with

days as (

    select uniqExact(batch_at) as published_days
    from {{ ref('obs_web_events__clean') }}
    where batch_at >= toDate('{{ today }}') - {{ var('days_back') }}

),

validation_errors as (

    select
        published_days,
        {{ var('min_training_set_size') + var('backfill_days') }} as needed_days
    from days
    where published_days < needed_days

)

select * from validation_errors
