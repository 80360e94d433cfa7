{{
    config(
        materialized='table',
        order_by=['stream', 'incident_id'],
        query_settings={'join_use_nulls': 0},
        pre_hook="{{ record_incident_changes(this) if load_cached_relation(this) is not none else '' }}",
        post_hook=["{{ record_incident_changes(this) }}", "{{ record_batches_in_incidents() }}"]
    )
}}

-- depends_on: {{ ref('dq_incident_changes') }}, {{ ref('dq_notifications') }}

{#- What is wrong with a file or a date stays wrong, whatever comes after it, until it is put
    right. -#}
{%- set of_the_date = [
    'file_missing', 'files_unreadable', 'files_differing', 'columns_mandatory_missing',
    'rows_unaccounted', 'revenue_unaccounted'
] %}

with

-- An incident is over with the next batch that is within the limits, also when that rests on too
-- few rows for an alert: a reject reason has few rows once it is right again. A batch without any
-- rows to judge says nothing.
judged as (

    select
        stream,
        check_name,
        dimension,
        groupUniqArray(batch_date) as judged_dates
    from {{ ref('dq_check_results') }}
    where
        status in ('pass', 'warn', 'fail')
        or (
            status = 'low_volume'
            and (volume > 0 or dimension != '')
            and ifNull(if(direction = 'at_least', observed < upper, observed <= upper), true)
            and ifNull(if(direction = 'at_most', observed > lower, observed >= lower), true)
        )
    group by stream, check_name, dimension

),

held as (

    select
        stream,
        check_name,
        groupUniqArray(batch_date) as held_dates
    from {{ ref('dq_gate') }}
    array join holding_checks as check_name
    where decision = 'hold'
    group by stream, check_name

),

alerts as (

    select
        stream,
        check_name,
        dimension,
        if(
            metric in (
                {%- for metric in of_the_date %}
                '{{ metric }}'{{ ',' if not loop.last }}
                {%- endfor %}
            ),
            batch_date,
            toDate(0)
        ) as date_concerned,
        multiIf(
            severity = 'CRITICAL' and status in ('fail', 'not_computed'), 3,
            severity = 'INFO' and status != 'not_computed', 1,
            2
        ) as gravity,
        money_at_stake,
        message,
        owner,
        channel,
        remediation,
        since,
        batch_date,
        has({{ acknowledged_checks() }}, (toString(stream), batch_date, check_name))
            as is_acknowledged
    from {{ ref('dq_check_results') }}
    where status in ('warn', 'fail', 'not_computed')

    union all

    -- A batch is also held by a blocking check of which there is no result at all.
    select
        stream,
        check_name,
        '',
        toDate(0),
        3,
        null,
        concat(check_name, ' not judged: it has no result'),
        ifNull(checks.owner, ''),
        ifNull(checks.channel, ''),
        'Run the whole gate: sluicegate run.',
        null,
        batch_date,
        false
    from (
        select
            stream,
            batch_date,
            arrayJoin(holding_checks) as check_name
        from {{ ref('dq_gate') }}
        where decision = 'hold'
    ) as holding
    left join {{ ref('dq_checks') }} as checks
        on checks.stream = holding.stream and checks.check_name = holding.check_name
    where (stream, batch_date, check_name) not in (
            select stream, batch_date, check_name from {{ ref('dq_check_results') }}
            where is_blocking
        )

),

-- Alerts of one check and dimension are one incident until a batch is within the limits. What says
-- nothing neither ends nor prolongs it.
per_check as (

    select
        stream,
        check_name,
        dimension,
        date_concerned,
        arraySort(alert -> alert.1, groupArray((
            batch_date, gravity, money_at_stake, message, owner, channel, remediation, since,
            is_acknowledged
        ))) as all_alerts
    from alerts
    group by stream, check_name, dimension, date_concerned

),

passes as (

    select
        per_check.stream as stream,
        per_check.check_name as check_name,
        per_check.dimension as dimension,
        date_concerned,
        all_alerts,
        held_dates,
        arraySort(arrayFilter(
            date -> date_concerned = toDate(0) and not has(all_alerts.1, date),
            arrayDistinct(arrayConcat(judged.judged_dates, of_the_whole.judged_dates))
        )) as pass_dates
    from per_check
    left join judged
        on judged.stream = per_check.stream
        and judged.check_name = per_check.check_name
        and judged.dimension = per_check.dimension
    -- Where none of a metric's values occurred the check was judged on the batch as a whole.
    left join judged as of_the_whole
        on of_the_whole.stream = per_check.stream
        and of_the_whole.check_name = per_check.check_name
        and of_the_whole.dimension = ''
    left join held on held.stream = per_check.stream and held.check_name = per_check.check_name

),

runs as (

    select
        stream,
        check_name,
        dimension,
        date_concerned,
        held_dates,
        arrayMax(pass_dates) as last_pass,
        arrayJoin(all_alerts) as alert,
        arrayCount(date -> date < alert.1, pass_dates) as passes_before
    from passes

),

current as (

    select
        lower(hex(sipHash128(stream, check_name, dimension, min(alert.1)))) as incident_id,
        stream,
        check_name,
        dimension,
        argMax(alert.5, alert.1) as owner,
        argMax(alert.6, alert.1) as channel,
        -- The batch that the message speaks of: the newest that is held, or the newest.
        tupleElement(max((has(held_dates, alert.1), alert.1)), 2) as told_batch,
        argMax(alert.4, (has(held_dates, alert.1), alert.1)) as told_message,
        argMax(alert.7, alert.1) as remediation,
        count()::UInt32 as batches,
        sum(alert.3) as money_at_stake,
        greatest(argMax(alert.2, alert.1), maxIf(alert.2, has(held_dates, alert.1))) as gravity,
        min(alert.1) as first_batch,
        max(alert.1) as last_batch,
        arraySort(groupArrayIf(alert.1, has(held_dates, alert.1))) as held_batches,
        tupleElement(argMin(tuple(alert.8), alert.1), 1) as since,
        min(alert.9) as is_acknowledged,
        empty(held_batches) and (is_acknowledged or any(last_pass) > last_batch) as is_over
    from runs
    group by stream, check_name, dimension, date_concerned, passes_before

),

former as (

    {% if load_cached_relation(this) is not none %}
    select
        incident_id,
        stream,
        check_name,
        dimension,
        owner,
        channel,
        message,
        remediation,
        runbook,
        acknowledged_by,
        batches,
        money_at_stake,
        severity,
        status,
        first_batch,
        last_batch,
        since,
        opened_at,
        resolved_at
    from {{ this }}
    {% else %}
    select
        '' as incident_id,
        '' as stream,
        '' as check_name,
        '' as dimension,
        '' as owner,
        '' as channel,
        '' as message,
        '' as remediation,
        '' as runbook,
        '' as acknowledged_by,
        toUInt32(0) as batches,
        toNullable(toFloat64(0)) as money_at_stake,
        '' as severity,
        '' as status,
        toDate(0) as first_batch,
        toDate(0) as last_batch,
        cast(null, 'Nullable(DateTime(\'UTC\'))') as since,
        now64(6, 'UTC') as opened_at,
        cast(null, 'Nullable(DateTime64(6, \'UTC\'))') as resolved_at
    where false
    {% endif %}

),

acknowledgements as (

    select
        stream,
        batch_date,
        argMax(acknowledged_by, (entry, acknowledged_at)) as acknowledged_by
    from {{ ref('dq_acknowledgements') }}
    group by stream, batch_date

),

still_there as (

    select
        current.incident_id as incident_id,
        current.stream as stream,
        current.check_name as check_name,
        current.dimension as dimension,
        current.owner as owner,
        current.channel as channel,
        if(
            current.batches = 1, told_message,
            concat(
                told_message, '; since ', toString(current.first_batch), ' in ',
                toString(current.batches), ' batches'
            )
        ) as message,
        current.remediation as remediation,
        concat('docs/runbook.md#', current.check_name) as runbook,
        if(is_acknowledged, acknowledgements.acknowledged_by, '') as acknowledged_by,
        current.batches as batches,
        current.money_at_stake as money_at_stake,
        ['INFO', 'WARN', 'CRITICAL'][gravity] as severity,
        multiIf(
            is_over, 'resolved',
            former.incident_id = '' or former.status = 'resolved', 'opened',
            'ongoing'
        ) as status,
        multiIf(
            -- What began and ended within this run was open for nobody yet and is told as well.
            is_over, former.status != 'resolved',
            former.incident_id = '' or former.status = 'resolved',
            true,
            gravity > indexOf(['INFO', 'WARN', 'CRITICAL'], former.severity)
        ) as is_changed,
        current.first_batch as first_batch,
        current.last_batch as last_batch,
        current.told_batch as told_batch,
        current.held_batches as held_batches,
        current.since as since,
        if(former.incident_id = '', now64(6, 'UTC'), former.opened_at) as opened_at,
        multiIf(
            not is_over, null,
            former.status = 'resolved', former.resolved_at,
            toNullable(now64(6, 'UTC'))
        ) as resolved_at
    from current
    left join former on former.incident_id = current.incident_id
    left join acknowledgements
        on acknowledgements.stream = current.stream
        and acknowledgements.batch_date = current.last_batch

),

-- A batch that was judged anew without the alert: it came again, or a check was changed.
gone as (

    select
        former.incident_id as incident_id,
        former.stream as stream,
        former.check_name as check_name,
        former.dimension as dimension,
        former.owner as owner,
        former.channel as channel,
        former.message as message,
        former.remediation as remediation,
        former.runbook as runbook,
        former.acknowledged_by as acknowledged_by,
        former.batches as batches,
        former.money_at_stake as money_at_stake,
        former.severity as severity,
        'resolved' as status,
        former.status != 'resolved' as is_changed,
        former.first_batch as first_batch,
        former.last_batch as last_batch,
        former.last_batch as told_batch,
        cast([], 'Array(Date)') as held_batches,
        former.since as since,
        former.opened_at as opened_at,
        if(former.status = 'resolved', former.resolved_at, toNullable(now64(6, 'UTC')))
            as resolved_at
    from former
    where former.incident_id not in (select incident_id from current)

),

final as (

    select * from still_there

    union all

    select * from gone

)

select
    incident_id,
    toLowCardinality(stream) as stream,
    check_name,
    dimension,
    owner,
    channel,
    message,
    remediation,
    runbook,
    acknowledged_by,
    batches,
    money_at_stake,
    toLowCardinality(severity) as severity,
    toLowCardinality(status) as status,
    is_changed::Bool as is_changed,
    first_batch,
    last_batch,
    told_batch,
    held_batches,
    since,
    opened_at,
    resolved_at,
    '{{ invocation_id }}' as run_id
from final
