{{
    config(
        materialized='batches',
        stream='web_events',
        stage='checks',
        one_by_one=true,
        insert_settings='max_threads = 1, compile_expressions = 0, query_plan_merge_expressions = 0',
        partition_by=['stream', 'batch_date'],
        order_by=['check_name', 'dimension']
    )
}}

{%- set stream = model_under_build().config.stream %}

with

-- One batch at a time: what the batches before it came to is a part of what it is judged by.
(select max(arrayJoin({{ scope_dates() }}))) as judged_date,

-- A batch that is there is due for every check; of a missing one only its absence is judged.
(
    select count() > 0 from {{ ref('dq_files') }}
    where stream = '{{ stream }}' and status = 'landed' and batch_date = judged_date
) as is_landed,

-- Versions that did not number their entries measured parts without a row for the whole batch.
(
    select count() > 0 and argMax(entry, (entry, recorded_at)) = 0 from {{ ref('dq_batches') }}
    where stream = '{{ stream }}' and stage = 'metrics' and batch_date = judged_date
) as is_of_earlier_version,

checks as (

    {{ check_definitions(stream) }}

),

history as (

    select
        metric::String as metric,
        dimension::String as dimension,
        groupArray((
            batch_date,
            value,
            toFloat64(numerator),
            -- Less than nothing where there is no denominator: 0 of 0 is no share to be judged.
            ifNull(toFloat64(denominator), -1),
            volume,
            numerator_by_hour,
            denominator_by_hour,
            detail
        )) as occurrences
    from {{ ref('dq_metrics') }}
    where
        stream = '{{ stream }}'
        and batch_date between judged_date - {{ var('baseline_days') }} and judged_date
    group by metric, dimension

),

measured as (

    select groupUniqArray(batch_date) as measured_dates
    from {{ ref('dq_batches') }}
    where stream = '{{ stream }}' and stage = 'metrics'

),

-- Each metric over time, newest first. A reason, channel or file that did not occur in a batch
-- was 0.
series as (

    select
        metric,
        dimension,
        arrayReverseSort(point -> point.1, arrayConcat(
            occurrences,
            arrayMap(
                date -> (date, 0., 0., -1., 0., emptyArrayFloat64(), emptyArrayFloat64(), ''),
                arrayFilter(
                    date -> dimension != ''
                    and date between judged_date - {{ var('baseline_days') }} and judged_date
                    and not has(occurrences.1, date),
                    measured_dates
                )
            )
        )) as points
    from history
    cross join measured

),

-- Batches that were held, or that raised an alert on the same metric, are no part of a baseline,
-- so that a lasting fault does not become normal; a person's word that they are right brings them
-- back.
earlier_alerts as (

    {{ earlier_batches(
        {
            'metric': 'String', 'dimension': 'String', 'check_name': 'String', 'severity': 'String',
            'status': 'String', 'is_blocking': 'Bool', 'batch_date': 'Date',
        },
        "stream = '" ~ stream ~ "' and status in ('warn', 'fail', 'not_computed') and severity != 'INFO'"
        ~ ' and batch_date < judged_date and batch_date >= judged_date - ' ~ var('baseline_days')
    ) }}

),

unexplained as (

    select * from earlier_alerts
    where not has({{ acknowledged_checks() }}, ('{{ stream }}', batch_date, check_name))

),

left_out as (

    select
        metric,
        dimension,
        groupUniqArray(batch_date) as alert_dates
    from unexplained
    group by metric, dimension

),

held as (

    select
        groupUniqArrayIf(batch_date, is_blocking and status in ('fail', 'not_computed'))
            as held_dates
    from unexplained

),

accepted as (

    select
        series.metric as metric,
        series.dimension as dimension,
        if(
            tupleElement(points[1], 1) = judged_date,
            points[1],
            (toDate(0), 0., 0., -1., 0., [], [], '')
        ) as newest,
        arrayFilter(
            point -> point.1 < judged_date
            and not has(held_dates, point.1)
            and not has(alert_dates, point.1),
            points
        ) as earlier
    from series
    left join left_out
        on left_out.metric = series.metric and left_out.dimension = series.dimension
    cross join held

),

chosen as (

    select
        metric,
        dimension,
        newest,
        tupleElement(earlier[1], 2) as value_before,
        arraySlice(earlier, 1, {{ var('baseline_batches') }}) as newest_baseline,
        arraySlice(
            arrayFilter(point -> toDayOfWeek(point.1) = toDayOfWeek(judged_date), earlier),
            1,
            {{ var('baseline_batches') }}
        ) as weekday_baseline
    from accepted

),

baselines as (

    select
        metric,
        dimension,
        newest,
        value_before,
        if(
            length(weekday_baseline) >= {{ var('weekday_baseline_min') }},
            weekday_baseline,
            newest_baseline
        ) as baseline
    from chosen

),

medians as (

    select
        *,
        arrayReduce('median', baseline.2) as median
    from baselines

),

statistics as (

    select
        metric,
        dimension,
        newest,
        value_before,
        median,
        length(baseline)::UInt16 as baseline_batches,
        arrayAvg(baseline.2) as mean,
        arrayReduce('stddevSamp', baseline.2) as standard_deviation,
        1.4826 * arrayReduce('median', arrayMap(value -> abs(value - median), baseline.2))
            as median_deviation,
        ifNotFinite(arrayAvg(baseline.3), 0) as usual_numerator,
        ifNotFinite(arrayAvg(arrayFilter(denominator -> denominator > 0, baseline.4)), 0)
            as usual_denominator,
        ifNotFinite(arrayAvg(baseline.5), 0) as usual_volume,
        arrayReduce('avgForEach', arrayFilter(hours -> notEmpty(hours), baseline.6))
            as usual_by_hour
    from medians

),

-- What messages and money are made of: the batch's totals, and the parts of each breakdown.
with_facts as (

    select
        *,
        {%- for metric in ['revenue_raw', 'revenue_clean', 'revenue_rejected', 'revenue_copied'] %}
        maxIf(newest.2, metric = '{{ metric }}' and dimension = '') over () as {{ metric }},
        {%- endfor %}
        {%- for metric in ['revenue_clean', 'purchases'] %}
        maxIf(ifNotFinite(mean, 0), metric = '{{ metric }}' and dimension = '') over ()
            as usual_{{ metric }},
        {%- endfor %}
        groupArrayIf(
            (metric, dimension, newest.3, usual_numerator, newest.8), dimension != ''
        ) over () as parts
    from statistics

),

-- Each check with what was measured for it: of its dimension, or of all, and of the batch as a
-- whole.
matched as (

    select
        checks.* except (dimension),
        checks.dimension as dimension_asked,
        with_facts.dimension as dimension_measured,
        with_facts.* except (metric, dimension, newest),
        with_facts.newest as newest_measured,
        ifNull(newest_measured.1 = judged_date, false) as is_measured,
        is_measured and (
            dimension_measured = dimension_asked
            or (dimension_asked = '*' and dimension_measured != '')
        ) as is_asked_for,
        max(is_asked_for) over (partition by checks.check_name) as has_asked_for
    from checks
    left join with_facts
        on with_facts.metric = checks.metric
        and (
            checks.dimension = '*'
            or with_facts.dimension = checks.dimension
            or with_facts.dimension = ''
        )
        and newest.1 = judged_date

),

-- What did not occur in a batch that was measured is 0. What has neither a part nor a row for the
-- batch as a whole was not computed.
due as (

    select
        *,
        if(
            is_asked_for or dimension_asked in ('', '*'),
            newest_measured,
            (judged_date, 0., 0., -1., newest_measured.5, [], [], '')
        ) as newest,
        if(is_asked_for or dimension_asked = '*', ifNull(dimension_measured, ''), dimension_asked)
            as dimension,
        is_measured or (dimension_asked = '*' and is_of_earlier_version) as is_computed
    from matched
    where is_asked_for or not has_asked_for

),

observed as (

    select
        *,
        multiIf(
            ifNull(baseline_batches, 0) = 0, null,
            kind = 'robust_zscore', median,
            kind = 'day_over_day', value_before,
            mean
        ) as expected,
        -- Of a share of money it is the purchases that are counted.
        multiIf(
            is_share_of_money,
            usual_volume / greatest(ifNull(mean, 0), 0.001) / pow({{ var('amount_noise') }}, 2),
            newest.4 > 0, newest.4,
            usual_denominator
        ) as counted_of
    from due
    where is_computed or is_landed

),

-- Limits, distances and bounds come in pairs: of warn, of fail.
bounds as (

    select
        *,
        {{ baseline_spread(
            "if(kind = 'robust_zscore', median_deviation, standard_deviation)",
            'ifNull(expected, 0)',
            counting_noise(
                'ifNull(expected, 0)',
                'counted_of',
                "unit in ('rows', 'number')",
                "if(unit = 'money', ifNull(usual_volume, 0), 0)"
            )
        ) }} as spread,
        arrayMap(
            limit -> if(
                is_baseline,
                {{ allowed_deviation('kind', 'limit', 'guard', 'ifNull(expected, 0)', 'spread') }},
                limit
            ),
            limits
        ) as distances,
        if(is_baseline, expected, 0) as center,
        if(
            kind = 'equality' or direction in ('above', 'at_least', 'both'),
            arrayMap(distance -> center + distance, distances),
            [null, null]
        ) as uppers,
        if(
            kind = 'equality' or direction in ('below', 'at_most', 'both'),
            arrayMap(
                (distance, limit) -> multiIf(
                    isNull(distance), null,
                    not is_baseline, distance,
                    -- However much chance may do, a number below a tenth of the usual one is news.
                    unit in ('rows', 'money', 'number') and limit < 0.9 or kind like '%zscore',
                    greatest(center - distance, if(unit = 'share', 0, 0.1 * center)),
                    greatest(center - distance, 0)
                ),
                distances,
                limits
            ),
            [null, null]
        ) as lowers
    from observed

),

judged as (

    select
        *,
        arrayMap(
            upper -> ifNull(
                newest.2 > upper or (direction = 'at_least' and newest.2 = upper), false
            ),
            uppers
        ) as is_above,
        arrayMap(
            lower -> ifNull(
                newest.2 < lower or (direction = 'at_most' and newest.2 = lower), false
            ),
            lowers
        ) as is_below,
        greatest(newest.5, ifNull(usual_volume, 0)) as judged_volume,
        multiIf(
            not is_computed, 'not_computed',
            baseline_batches < min_history, 'insufficient_history',
            judged_volume < min_volume or newest.4 = 0, 'low_volume',
            is_above[2] or is_below[2], 'fail',
            is_above[1] or is_below[1], 'warn',
            'pass'
        ) as status,
        coalesce(uppers[1], uppers[2]) as upper,
        coalesce(lowers[1], lowers[2]) as lower,
        -- The side that was broken; of what passes, the one that it is nearer to.
        multiIf(
            has(is_above, true), true,
            has(is_below, true), false,
            isNull(lower) or ifNull(upper - newest.2 < newest.2 - lower, false)
        ) as is_upper,
        if(
            is_above[2] or is_below[2],
            if(is_upper, uppers[2], lowers[2]),
            if(is_upper, upper, lower)
        ) as limit_value
    from bounds

),

explained as (

    select
        *,
        status in ('warn', 'fail') as is_alert,
        -- What an hour is held against: a share's denominator, or what is usual in that hour.
        arraySum(newest.7) > 0 as is_share,
        multiIf(
            not is_alert or empty(newest.6), [],
            is_share, newest.7,
            empty(usual_by_hour) or ifNull(expected, 0) <= 0, [],
            usual_by_hour
        ) as against,
        if(empty(against), [], newest.6) as amounts,
        ifNull(if(is_share, limit_value, limit_value / expected), 0) as hour_limit,
        -- Of money it is the purchases that are counted, and they differ in what they are worth.
        ifNull(multiIf(
            unit = 'money', usual_volume / expected / pow({{ var('amount_noise') }}, 2),
            is_share_of_money, newest.5 / arraySum(newest.7) / pow({{ var('amount_noise') }}, 2),
            1.
        ), 0) as counted_per_unit,
        {{ onset_hour('amounts', 'against', 'hour_limit', 'is_upper', 'counted_per_unit') }}
            as first_hour,
        if(
            first_hour > 1,
            toNullable(toDateTime(judged_date, 'UTC') + (first_hour - 1) * 3600),
            null
        ) as since,
        arrayReverseSort(
            part -> abs(part.3 - part.4),
            arrayFilter(part -> is_alert and part.1 = breakdown, parts)
        )[1] as top_part,
        arrayFirst(
            part -> is_alert and part.3 > 0 and part.2 = column_name
            and part.1 in ('columns_missing', 'columns_mandatory_missing'),
            parts
        ) as missing_column,
        multiIf(
            not is_alert or money = '', null,
            money = 'rejected', revenue_rejected - ifNull(revenue_copied, 0),
            startsWith(money, 'rejected'), tupleElement(
                arrayFirst(
                    part -> part.1 = 'rejected_revenue'
                    and part.2 = if(dimension = '', substring(money, 10), dimension),
                    parts
                ),
                3
            ),
            money = 'batch', revenue_raw,
            money = 'orders', newest.3 * usual_revenue_clean / nullIf(usual_purchases, 0),
            greatest(usual_revenue_clean - revenue_clean, 0)
        ) as money_at_stake
    from judged

),

final as (

    select
        toLowCardinality('{{ stream }}') as stream,
        check_name,
        metric,
        ifNull(dimension, '') as dimension,
        toLowCardinality(kind) as kind,
        toLowCardinality(direction) as direction,
        tier,
        toLowCardinality(severity) as severity,
        is_blocking,
        toLowCardinality(unit) as unit,
        toLowCardinality(status) as status,
        newest.2 as observed,
        expected,
        -- Of a baseline that is too short there is no telling what it allows.
        if(status = 'insufficient_history', null, lower) as lower,
        if(status = 'insufficient_history', null, upper) as upper,
        if(status = 'insufficient_history', null, limit_value) as limit_value,
        ifNull(baseline_batches, 0)::UInt16 as baseline_batches,
        newest.5 as volume,
        if(isFinite(ifNull(money_at_stake, nan)), nullIf(round(money_at_stake, 2), 0), null)
            as money_at_stake,
        ifNull({{ check_message() }}, '') as message,
        owner,
        channel,
        remediation,
        '{{ invocation_id }}' as run_id,
        since,
        now64(6, 'UTC') as judged_at,
        assumeNotNull(judged_date) as batch_date
    from explained

)

select * from final
