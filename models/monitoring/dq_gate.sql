{{
    config(
        materialized='batches',
        stream='web_events',
        stage='gate',
        follows=['dq_acknowledgements'],
        insert_settings='max_insert_threads = 2, query_plan_merge_expressions = 0',
        version='toString(any(decision))',
        partition_by=['stream', 'batch_date'],
        order_by=['stream', 'batch_date']
    )
}}

{%- set stream = model_under_build().config.stream %}

with

-- Batches that are there; a missing one has results, too, and nothing to publish.
measured as (

    select batch_date
    from {{ ref('dq_metrics') }}
    where stream = '{{ stream }}' and metric = 'rows_raw' and {{ in_scope('batch_date') }}

    union distinct

    select batch_date
    from {{ ref('dq_files') }}
    where stream = '{{ stream }}' and status = 'landed' and {{ in_scope('batch_date') }}

),

blocking_results as (

    select
        batch_date,
        check_name,
        dimension,
        status,
        message
    from {{ ref('dq_check_results') }}
    where stream = '{{ stream }}' and is_blocking and {{ in_scope('batch_date') }}

),

blocking_checks as (

    select trimBoth(check_name) as check_name
    from {{ ref('dq_checks') }}
    where trimBoth(stream) = '{{ stream }}' and lower(trimBoth(is_blocking)) = 'true'

),

-- A gate that is open because nobody looked is worse than none.
not_judged as (

    select
        measured.batch_date as batch_date,
        blocking_checks.check_name as check_name,
        '' as dimension,
        concat(blocking_checks.check_name, ' not judged: it has no result') as message
    from measured
    cross join blocking_checks
    where (measured.batch_date, blocking_checks.check_name) not in (
            select batch_date, check_name from blocking_results
        )

),

failures as (

    select
        batch_date,
        check_name,
        dimension,
        message,
        has({{ acknowledged_checks() }}, ('{{ stream }}', batch_date, check_name))
            as is_acknowledged
    from (
        select batch_date, check_name, dimension, message from blocking_results
        where status in ('fail', 'not_computed')

        union all

        select batch_date, check_name, dimension, message from not_judged
    )

),

acknowledgements as (

    select
        batch_date,
        argMax(acknowledged_by, (entry, acknowledged_at)) as acknowledged_by
    from {{ ref('dq_acknowledgements') }}
    where stream = '{{ stream }}' and {{ in_scope('batch_date') }}
    group by batch_date

),

per_batch as (

    select
        batch_date,
        count() as failed,
        arraySort(groupArrayIf(check_name, not is_acknowledged)) as holding,
        tupleElement(
            arraySort(groupArrayIf((check_name, dimension, message), not is_acknowledged)), 3
        ) as hold_reasons
    from failures
    group by batch_date

),

final as (

    select
        toLowCardinality('{{ stream }}') as stream,
        toLowCardinality(multiIf(
            notEmpty(holding), 'hold',
            ifNull(failed, 0) > 0, 'released',
            'publish'
        )) as decision,
        hold_reasons,
        arrayDistinct(holding) as holding_checks,
        if(decision = 'released', ifNull(acknowledged_by, ''), '')::String as released_by,
        '{{ invocation_id }}' as run_id,
        now64(6, 'UTC') as decided_at,
        measured.batch_date as batch_date
    from measured
    left join per_batch on per_batch.batch_date = measured.batch_date
    left join acknowledgements on acknowledgements.batch_date = measured.batch_date

)

select * from final
