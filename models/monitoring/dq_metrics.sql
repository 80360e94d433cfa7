{{
    config(
        materialized='batches',
        stream='web_events',
        stage='metrics',
        after='evaluated',
        partition_by=['stream', 'batch_date'],
        order_by=['metric', 'dimension']
    )
}}

-- depends_on: {{ ref('dq_batches') }}

with

batches as (

    select arrayJoin({{ scope_dates() }}) as batch_date

),

files as (

    select
        batch_date,
        uniqExact(file_name) as files
    from {{ ref('dq_files') }}
    where stream = 'web_events' and status = 'landed' and {{ in_scope('batch_date') }}
    group by batch_date

),

landed as (

    select
        batch_date,
        count() as rows_raw
    from {{ ref('raw_web_events') }}
    where {{ in_scope('batch_date') }}
    group by batch_date

),

landed_purchases as (

    select
        batch_date,
        sum({{ json_decimal('event_data', 'revenue') }}) as revenue_raw
    from {{ ref('raw_web_events') }}
    where event_name = 'checkout_completed' and {{ in_scope('batch_date') }}
    group by batch_date

),

evaluated as (

    select
        batch_date,
        countIf(not is_rejected) as rows_clean,
        countIf(is_rejected) as rows_rejected,
        sumIf(revenue, not is_rejected) as revenue_clean,
        sumIf(revenue, is_rejected) as revenue_rejected,
        countIf(event_name = 'checkout_completed') as purchases,
        countIf(event_name = 'checkout_completed' and not is_rejected) as purchases_clean
    from {{ ref('stg_web_events__evaluated') }}
    where {{ in_scope('batch_date') }}
    group by batch_date

),

per_reason as (

    select
        batch_date,
        'reject_rows' as metric,
        arrayJoin(reject_reasons) as dimension,
        count() as violations
    from {{ ref('stg_web_events__evaluated') }}
    where is_rejected and {{ in_scope('batch_date') }}
    group by batch_date, dimension

),

per_warning as (

    select
        batch_date,
        'warning_rows' as metric,
        arrayJoin(warnings) as dimension,
        count() as violations
    from {{ ref('stg_web_events__evaluated') }}
    where {{ in_scope('batch_date') }}
    group by batch_date, dimension

),

per_batch as (

    select
        batches.batch_date as batch_date,
        arrayJoin([
            ('files', toDecimal128(ifNull(files, 0), 4)),
            ('rows_raw', toDecimal128(ifNull(rows_raw, 0), 4)),
            ('rows_clean', toDecimal128(ifNull(rows_clean, 0), 4)),
            ('rows_rejected', toDecimal128(ifNull(rows_rejected, 0), 4)),
            ('revenue_raw', toDecimal128(ifNull(revenue_raw, 0), 4)),
            ('revenue_clean', toDecimal128(ifNull(revenue_clean, 0), 4)),
            ('revenue_rejected', toDecimal128(ifNull(revenue_rejected, 0), 4)),
            ('purchases', toDecimal128(ifNull(purchases, 0), 4)),
            ('purchases_clean', toDecimal128(ifNull(purchases_clean, 0), 4))
        ]) as measured,
        measured.1 as metric,
        '' as dimension,
        measured.2 as numerator,
        cast(null, 'Nullable(Decimal(38, 4))') as denominator
    from batches
    left join files on files.batch_date = batches.batch_date
    left join landed on landed.batch_date = batches.batch_date
    left join landed_purchases on landed_purchases.batch_date = batches.batch_date
    left join evaluated on evaluated.batch_date = batches.batch_date

),

per_dimension as (

    select
        violated.batch_date as batch_date,
        metric,
        dimension,
        toDecimal128(violations, 4) as numerator,
        toNullable(toDecimal128(landed.rows_raw, 4)) as denominator
    from (
        select * from per_reason
        union all
        select * from per_warning
    ) as violated
    inner join landed on landed.batch_date = violated.batch_date

),

final as (

    select
        toLowCardinality('web_events') as stream,
        toLowCardinality(metric) as metric,
        toLowCardinality(dimension) as dimension,
        numerator::Decimal(38, 4) as numerator,
        denominator,
        toFloat64(numerator) / toFloat64(ifNull(denominator, 1)) as value,
        batch_date
    from (
        select batch_date, metric, dimension, numerator, denominator from per_batch
        union all
        select batch_date, metric, dimension, numerator, denominator from per_dimension
    )

)

select * from final
