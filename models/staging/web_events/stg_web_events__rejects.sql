{{
    config(
        materialized='batches',
        stream='web_events',
        stage='rejects',
        partition_by='batch_date',
        order_by=['file_name', 'row_number']
    )
}}

with

rejected as (

    select * from {{ ref('stg_web_events__evaluated') }}
    where is_rejected and {{ in_scope('batch_date') }}

),

evaluations as (

    select
        batch_date,
        argMax(version, (entry, recorded_at)) as run_id,
        argMax(recorded_at, (entry, recorded_at)) as evaluated_at
    from {{ ref('dq_batches') }}
    where stream = 'web_events' and stage = 'evaluated'
    group by batch_date

),

identified as (

    select
        lower(hex(sipHash128(
            'web_events', rejected.batch_date, file_name, row_number, original_row, raw_line
        ))) as reject_id,
        client_id,
        transaction_id,
        event_name,
        {{ original_row('raw_web_events', {'timestamp': 'timestamp_text'}) }} as original_row,
        raw_line,
        reject_reasons,
        {{ reject_text('stg_web_events__evaluated') }} as error_text,
        first_copy,
        file_name,
        rule_set_version,
        evaluations.run_id as run_id,
        row_number,
        revenue,
        evaluations.evaluated_at as evaluated_at,
        event_at,
        rejected.batch_date as batch_date
    from rejected
    inner join evaluations on evaluations.batch_date = rejected.batch_date

),

earlier as (

    {% if load_cached_relation(this) is not none %}
    select reject_id, run_id, retry_count, first_failed_at from {{ this }}
    where {{ in_scope('batch_date') }}
    {% else %}
    select '' as reject_id, '' as run_id, toUInt32(0) as retry_count, now64(6) as first_failed_at
    where false
    {% endif %}

),

final as (

    select
        identified.reject_id as reject_id,
        toLowCardinality('web_events') as stream,
        client_id,
        transaction_id,
        event_name,
        original_row,
        raw_line,
        reject_reasons,
        error_text,
        first_copy,
        file_name,
        rule_set_version,
        identified.run_id as run_id,
        row_number,
        ifNull(earlier.retry_count + if(earlier.run_id = identified.run_id, 0, 1), 0)::UInt32
            as retry_count,
        revenue,
        event_at,
        batch_date,
        ifNull(earlier.first_failed_at, evaluated_at)::DateTime64(6, 'UTC') as first_failed_at,
        evaluated_at::DateTime64(6, 'UTC') as last_failed_at
    from identified
    left join earlier on earlier.reject_id = identified.reject_id

)

select * from final
