{{
    config(
        materialized='batches',
        stream='web_events',
        stage='gate',
        after='metrics',
        partition_by=['stream', 'batch_date'],
        order_by=['stream', 'batch_date']
    )
}}

-- depends_on: {{ ref('dq_batches') }}

with

totals as (

    select
        batch_date,
        anyIf(numerator, metric = 'rows_raw') as rows_raw,
        anyIf(numerator, metric = 'rows_clean') as rows_clean,
        anyIf(numerator, metric = 'rows_rejected') as rows_rejected,
        anyIf(numerator, metric = 'revenue_raw') as revenue_raw,
        anyIf(numerator, metric = 'revenue_clean') as revenue_clean,
        anyIf(numerator, metric = 'revenue_rejected') as revenue_rejected
    from {{ ref('dq_metrics') }}
    where stream = 'web_events' and {{ in_scope('batch_date') }}
    group by batch_date

),

newest_files as (

    select
        batch_date,
        file_name,
        mandatory_missing
    from {{ ref('dq_files') }}
    where stream = 'web_events' and status = 'landed' and {{ in_scope('batch_date') }}
    order by landed_at desc
    limit 1 by file_name

),

incomplete_files as (

    select
        batch_date,
        arrayStringConcat(
            arraySort(groupArray(
                concat(arrayStringConcat(mandatory_missing, ', '), ' in ', file_name)
            )),
            '; '
        ) as missing
    from newest_files
    where notEmpty(mandatory_missing)
    group by batch_date

),

judged as (

    select
        totals.batch_date as batch_date,
        arrayFilter(reason -> reason != '', [
            if(
                rows_raw != rows_clean + rows_rejected,
                concat(
                    'rows_conserved: landed=', toString(rows_raw),
                    ' clean=', toString(rows_clean), ' rejected=', toString(rows_rejected)
                ),
                ''
            ),
            if(
                revenue_raw != revenue_clean + revenue_rejected,
                concat(
                    'revenue_conserved: landed=', toString(revenue_raw),
                    ' clean=', toString(revenue_clean), ' rejected=', toString(revenue_rejected)
                ),
                ''
            ),
            if(
                ifNull(missing, '') != '',
                concat('mandatory_column_missing: ', ifNull(missing, '')),
                ''
            )
        ]) as hold_reasons
    from totals
    left join incomplete_files on incomplete_files.batch_date = totals.batch_date

),

final as (

    select
        toLowCardinality('web_events') as stream,
        toLowCardinality(if(empty(hold_reasons), 'publish', 'hold')) as decision,
        hold_reasons,
        '{{ invocation_id }}' as run_id,
        now64(6, 'UTC') as decided_at,
        batch_date
    from judged

)

select * from final
