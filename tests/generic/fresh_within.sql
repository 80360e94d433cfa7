{#
    The newest time is recent enough, and no time lies in the future, in all or in each group.

    A column of dates says of each row only the day: it is as new as the end of its day (UTC), and
    in the future when the day has not begun. Times in the future never make a relation fresh: they
    fail, and its age is that of the newest other one. Rows without a time show nothing; a group
    without any time fails, and so does a relation without rows. A group whose rows are all gone is
    not seen.

    Arguments: max_age_hours: largest age of the newest time, in hours above 0
               column_name:   the time or date; dbt fills it in when the test stands under a column
               as_of:         the time against which age is measured, in UTC, as ISO 8601, for
                              example 2025-03-08 or 2025-03-08T12:00:00Z (default: the variable
                              as_of, else the clock)
               future_tolerance_seconds: how far in the future a time may lie, for clocks that
                              differ (default var('future_tolerance_seconds'))
               per:           column; each of its values is judged on its own (default: all
                              rows are)
               allow_empty:   true lets a relation without rows pass (default false)
    Gives:     one row a group: the column of per, observed (the age in hours; NULL without a time),
               max_allowed, future_rows, message
    Example:   - name: event_at
                 data_tests:
                   - fresh_within:
                       arguments: {max_age_hours: 36, per: event_name}
#}
{% test fresh_within(
    model,
    column_name=none,
    max_age_hours=none,
    as_of=none,
    future_tolerance_seconds=none,
    per=none,
    allow_empty=false
) %}

    {%- set tolerance = future_tolerance_seconds -%}
    {%- if tolerance is none -%}
        {%- set tolerance = var('future_tolerance_seconds') -%}
    {%- endif -%}

    {%- if not column_name -%}
        {{ exceptions.raise_compiler_error(
            "Test fresh_within on " ~ model ~ " has no column to look at: put the test under a "
            ~ "column, or write column_name: and the column's name under arguments."
        ) }}
    {%- elif max_age_hours is not number or max_age_hours is boolean
            or not 0 < max_age_hours < 1000000 -%}
        {{ exceptions.raise_compiler_error(
            "Test fresh_within on " ~ model ~ " has the max_age_hours " ~ max_age_hours
            ~ ": write a number of hours above 0, for example max_age_hours: 36."
        ) }}
    {%- elif tolerance is not integer or not 0 <= tolerance < 1000000 -%}
        {{ exceptions.raise_compiler_error(
            "Test fresh_within on " ~ model ~ " has the future_tolerance_seconds " ~ tolerance
            ~ ": write a number of seconds from 0 on, for example future_tolerance_seconds: 300."
        ) }}
    {%- elif per is not none and (not per or per is not string) -%}
        {{ exceptions.raise_compiler_error(
            "Test fresh_within on " ~ model ~ " has the per " ~ per
            ~ ": write one column's name, for example per: event_name."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test fresh_within on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {%- set column_text = column_name | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set per_text = (per or '') | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set moment = judged_at('fresh_within', model, as_of) %}

with

-- A column that is named like one of those below would be hidden by it.
tested as (

    select
        {%- if per %}
        {{ per }} as group_under_test,
        {%- endif %}
        {{ column_name }} as time_under_test
    from {{ model }}

),

-- A row holds from a time to a time: the same one, or the beginning and the end of its day.
times as (

    select
        {%- if per %}
        group_under_test,
        {%- endif %}
        toDateTime64(time_under_test, 6, 'UTC') as begins_at,
        begins_at + toIntervalDay(
            position(toTypeName(time_under_test), 'Date') > 0
            and position(toTypeName(time_under_test), 'DateTime') = 0
        ) as ends_at,
        toDateTime64({{ moment }}, 6, 'UTC') as judged_at,
        ifNull(begins_at > judged_at + toIntervalSecond({{ tolerance }}), false) as is_future
    from tested

),

newest as (

    select
        {%- if per %}
        group_under_test,
        {%- endif %}
        any(judged_at) as measured_at,
        max(if(is_future, null, ends_at)) as newest_at,
        max(if(is_future, begins_at, null)) as newest_future_at,
        countIf(is_future) as rows_in_future
    from times
    {%- if per %}
    group by group_under_test
    {%- else %}
    having count() > 0
    {%- endif %}

),

ages as (

    select
        *,
        -- An end of a day may be still to come.
        if(newest_at > measured_at, 0, dateDiff('microsecond', newest_at, measured_at) / 3600000000)
            as age_hours,
        ifNull(age_hours > {{ max_age_hours }}, true) as is_stale
    from newest

),

validation_errors as (

    select
        {%- if per %}
        group_under_test as {{ per }},
        {%- endif %}
        age_hours as observed,
        {{ max_age_hours }} as max_allowed,
        rows_in_future as future_rows,
        concat(
            multiIf(
                newest_at is null, 'no time up to then',
                is_stale, concat(
                    'age_hours=', ifNull(toString(round(age_hours, 6)), ''),
                    ' (max {{ max_age_hours }})'
                ),
                ''
            ),
            if(is_stale and rows_in_future > 0, ', ', ''),
            if(
                rows_in_future > 0,
                concat(
                    'future_rows=', toString(rows_in_future),
                    ' (max 0, from {{ tolerance }} s on) up to ',
                    ifNull(toString(newest_future_at), '')
                ),
                ''
            ),
            ': {{ column_text }} is known until ', ifNull(toString(newest_at), 'NULL'),
            ', as of ', toString(measured_at), ' UTC'
            {%- if per %},
            ', for {{ per_text }}=', ifNull(toString(group_under_test), 'NULL')
            {%- endif %}
        ) as message
    from ages
    where is_stale or rows_in_future > 0
    {%- if not allow_empty %}

    union all

    select
        {%- if per %}
        null as {{ per }},
        {%- endif %}
        null as observed,
        {{ max_age_hours }} as max_allowed,
        0 as future_rows,
        'no rows, so nothing is fresh' as message
    from tested
    having count() = 0
    {%- endif %}

)

select * from validation_errors

{% endtest %}
