{#
    Query: the newest batches of a series whose value lies too far from its baseline, one row each.
    What the generic tests within_baseline and volume_zscore_below have in common; they are to check
    the arguments that only one of them has.

    Arguments: test_name: the test, for its errors
               model:     the relation under test
               measure:   SQL aggregate over a batch's rows
               kind, direction, max_deviation, guard, denominator: see within_baseline
               is_count:  true when the measure counts things, whose spread counting alone explains
               cadence:   daily puts batches of value 0 on the days between batches; else none
               batch_column, batches, min_history, on_insufficient_history, same_weekday,
               allow_empty: see within_baseline
    Example:   judged_series('within_baseline', model, 'sum(revenue)', max_deviation=0.4)
#}
{% macro judged_series(
    test_name,
    model,
    measure,
    batch_column='batch_date',
    kind='ratio_to_baseline',
    max_deviation=none,
    guard=0,
    direction='both',
    denominator=none,
    is_count=false,
    cadence=none,
    batches=1,
    min_history=3,
    on_insufficient_history='fail',
    same_weekday=true,
    allow_empty=false
) %}

    {%- set baseline_batches = var('baseline_batches') -%}
    {%- set subject = "Test " ~ test_name ~ " on " ~ model ~ " has the " -%}
    {%- if not batch_column or batch_column is not string -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "batch_column " ~ batch_column
            ~ ": write one column's name, for example batch_column: batch_date."
        ) }}
    {%- elif guard is not number or guard is boolean or not 0 <= guard < 1000000 -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "guard " ~ guard ~ ": write a number, for example guard: 0.1 for z-scores "
            ~ "that matter from ten percent on, or guard: 0 for none."
        ) }}
    {%- elif batches is not integer or not batches >= 1 -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "batches " ~ batches
            ~ ": write how many of the newest batches to judge, for example batches: 1."
        ) }}
    {%- elif min_history is not integer or not 1 <= min_history <= baseline_batches -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "min_history " ~ min_history ~ ": write a number of batches from 1 to "
            ~ baseline_batches ~ " (the variable baseline_batches), for example min_history: 3."
        ) }}
    {%- elif on_insufficient_history not in ['fail', 'pass'] -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "on_insufficient_history " ~ on_insufficient_history
            ~ ": write on_insufficient_history: fail or on_insufficient_history: pass."
        ) }}
    {%- elif same_weekday is not boolean -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "same_weekday " ~ same_weekday
            ~ ": write same_weekday: true or same_weekday: false."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            subject ~ "allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {%- set measure_text = measure | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set batch_text = batch_column | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set batch = 'toDate(' ~ batch_column ~ ')' if cadence == 'daily' else batch_column -%}
    {%- set is_score = kind in ['zscore', 'robust_zscore'] -%}
    {%- set distances = {
        'both': 'abs(difference)', 'above': 'difference', 'below': '-difference'
    } -%}
    {%- set median = "arrayReduce('quantileExactInclusive(0.5)', " -%}
    {%- set weekday_batches = [var('weekday_baseline_min'), min_history] | max %}

with

tested as (

    select * from {{ model }}

),

-- Names that no column of the relation is likely to have: they would hide it from the measure.
measured_batches as (

    select
        {{ batch }} as batch_of_rows,
        ifNull(toFloat64({{ measure }}), nan) as value_of_batch,
        toFloat64({{ denominator or 'null' }}) as denominator_of_batch,
        count() as rows_of_batch
    from tested
    group by {{ batch }}

),

series as (

    select
        assumeNotNull(batch_of_rows) as batch,
        value_of_batch as batch_value,
        denominator_of_batch as batch_denominator
    from measured_batches
    where batch_of_rows is not null
    {%- if cadence == 'daily' %}
    order by batch with fill step 1
    {%- endif %}

),

newest as (

    select
        batch as judged_batch,
        batch_value as judged_value,
        batch_denominator as judged_denominator
    from series
    order by batch desc
    limit {{ batches }}

),

histories as (

    select
        judged_batch,
        any(judged_value) as observed,
        any(judged_denominator) as observed_denominator,
        arrayReverseSort(groupArrayIf(
            (batch, batch_value),
            batch < judged_batch and isFinite(batch_value)
            {%- if same_weekday %}
            and toDate(batch) >= toDate(judged_batch) - {{ var('baseline_days') }}
            {%- endif %}
        )) as earlier
    from newest
    cross join series
    group by judged_batch

),

baselines as (

    select
        judged_batch,
        observed,
        observed_denominator,
        earlier,
        {%- if same_weekday %}
        arrayFilter(past -> toDayOfWeek(past.1) = toDayOfWeek(judged_batch), earlier) as of_weekday,
        length(of_weekday) >= {{ weekday_batches }} as is_of_weekday,
        {%- else %}
        earlier as of_weekday,
        false as is_of_weekday,
        {%- endif %}
        arrayMap(
            past -> past.2,
            arraySlice(if(is_of_weekday, of_weekday, earlier), 1, {{ baseline_batches }})
        ) as baseline
    from histories

),

expectations as (

    select
        judged_batch,
        observed,
        observed_denominator,
        is_of_weekday,
        baseline,
        length(baseline) < {{ min_history }} as lacks_history,
        {%- if kind == 'robust_zscore' %}
        {{ median }}baseline) as expected,
        1.4826 * {{ median }}arrayMap(past -> abs(past - expected), baseline)) as deviation
        {%- else %}
        {{ 'earlier[1].2' if kind == 'day_over_day' else 'arrayAvg(baseline)' }} as expected,
        arrayReduce('stddevSampStable', baseline) as deviation
        {%- endif %}
    from baselines

),

spreads as (

    select
        *,
        {%- if denominator or is_count %}
        {{ counting_noise(
            'expected',
            'observed_denominator' if denominator else '0',
            'true' if is_count else 'false'
        ) }} as noise,
        {%- else %}
        0 as noise,
        {%- endif %}
        {{ baseline_spread('deviation', 'expected', 'noise') }} as spread
    from expectations

),

judged as (

    select
        *,
        observed - expected as difference,
        {{ allowed_deviation("'" ~ kind ~ "'", max_deviation, guard, 'expected', 'spread') }}
            as allowed,
        difference / {{ 'spread' if is_score else 'abs(expected)' }} as score,
        -- Sums of binary fractions differ in their last digits.
        not (
            {{ distances[direction] }}
            <= allowed + 1e-9 * greatest(abs(expected), abs(observed))
        ) as is_beyond
    from spreads

),

validation_errors as (

    select
        toNullable(toString(judged_batch)) as batch,
        if(isFinite(observed), observed, null) as observed_value,
        if(lacks_history, null, expected) as expected_value,
        {%- if direction == 'above' %}
        null as min_allowed,
        {%- else %}
        if(lacks_history, null, expected - allowed) as min_allowed,
        {%- endif %}
        {%- if direction == 'below' %}
        null as max_allowed,
        {%- else %}
        if(lacks_history, null, expected + allowed) as max_allowed,
        {%- endif %}
        length(baseline) as baseline_batches,
        concat(
            multiIf(
                not isFinite(observed), 'no value',
                lacks_history, concat(
                    'insufficient_history: earlier batches with a value=',
                    toString(baseline_batches), ' (min {{ min_history }})'
                ),
                concat(
                    '{{ kind }}=', toString(round(score, 6)),
                    ' (max {{ max_deviation }}{{ ", guard " ~ guard if guard }})'
                )
            ),
            ': {{ measure_text }}=',
            if(isNaN(observed), 'NULL or NaN', toString(round(observed, 6))),
            if(
                lacks_history or not isFinite(observed),
                '',
                concat(
                    ', expected ', toString(round(expected, 6)),
                    {%- if direction == 'both' %}
                    ' (', toString(round(expected - allowed, 6)),
                    ' to ', toString(round(expected + allowed, 6)), ' allowed)',
                    {%- elif direction == 'above' %}
                    ' (up to ', toString(round(expected + allowed, 6)), ' allowed)',
                    {%- else %}
                    ' (from ', toString(round(expected - allowed, 6)), ' allowed)',
                    {%- endif %}
                    {%- if kind == 'day_over_day' %}
                    ', from the batch before'
                    {%- else %}
                    ', baseline_batches=', toString(baseline_batches),
                    if(is_of_weekday, ' of the same weekday', '')
                    {%- endif %}
                )
            ),
            ', for {{ batch_text }}=', toString(judged_batch)
        ) as message
    from judged
    where
        not isFinite(observed)
        or {{ 'if(lacks_history, true, is_beyond)' if on_insufficient_history == 'fail'
            else '(not lacks_history and is_beyond)' }}

    union all

    select
        null as batch,
        null as observed_value,
        null as expected_value,
        null as min_allowed,
        null as max_allowed,
        0 as baseline_batches,
        concat('no batch: {{ batch_text }} is NULL in rows=', toString(rows_of_batch)) as message
    from measured_batches
    where batch_of_rows is null
    {%- if not allow_empty %}

    union all

    select
        null as batch,
        null as observed_value,
        null as expected_value,
        null as min_allowed,
        null as max_allowed,
        0 as baseline_batches,
        'no rows, so no batch to judge' as message
    from tested
    having count() = 0
    {%- endif %}

)

select * from validation_errors

{% endmacro %}
