{{
    config(
        materialized='table',
        order_by=['stream', 'batch_date'],
        query_settings={'join_use_nulls': 0},
        stage='manifest',
        post_hook="{{ record_changed(this) }}"
    )
}}

-- depends_on: {{ ref('raw_web_events') }}

with

entries as (

    select * from {{ ref('dq_files') }}

),

streams as (

    select
        stream,
        minIf(landed_at, status = 'landed') as first_landed_at
    from entries
    group by stream

),

left_alone as (

    select
        stream,
        arraySort(groupArray(file_name)) as files_left_alone
    from (
        select
            stream,
            file_name
        from entries
        group by stream, file_name
        having argMax(status, (entry, landed_at)) = 'left_alone'
    )
    group by stream

),

differing as (

    {{ raw_differences(ref('dq_files')) }}

),

-- A judgement counts once its incidents are recorded, so that a run killed in between does not lose
-- what is news only once. Streams that an earlier version judged have no such entries yet.
judgements as (

    select
        stream,
        batch_date,
        max((entry, recorded_at)) as judged
    from {{ ref('dq_batches') }}
    where
        stage = 'incidents'
        or (
            stage = 'checks'
            and stream not in (
                select stream from {{ ref('dq_batches') }}
                where stage = 'incidents'
            )
        )
    group by stream, batch_date

),

files as (

    select
        stream,
        file_name,
        argMax(batch_date, (entry, landed_at)) as batch_date,
        argMax(status, (entry, landed_at)) as newest_status,
        argMax(error, (entry, landed_at)) as newest_error,
        arraySort(groupArrayIf(
            ((entry, landed_at), landed_at, file_size, file_mtime), status = 'landed'
        )) as landings,
        landings[1] as first_landing,
        landings[-1] as last_landing,
        argMaxIf(columns, (entry, landed_at), status = 'landed') as columns,
        argMaxIf(columns_missing, (entry, landed_at), status = 'landed') as columns_missing,
        argMaxIf(mandatory_missing, (entry, landed_at), status = 'landed') as mandatory_missing,
        argMaxIf(columns_renamed, (entry, landed_at), status = 'landed') as columns_renamed,
        argMaxIf(columns_respelled, (entry, landed_at), status = 'landed') as columns_respelled,
        argMaxIf(columns_unknown, (entry, landed_at), status = 'landed') as columns_unknown,
        argMaxIf(is_undated, (entry, landed_at), status = 'landed') as is_undated
    from entries
    group by stream, file_name
    having newest_status != 'removed'

),

with_judgement as (

    select
        files.*,
        judged,
        arrayLast(landing -> landing.1 <= judged, landings) as judged_landing
    from files
    left join judgements
        on judgements.stream = files.stream and judgements.batch_date = files.batch_date

),

received as (

    select
        stream,
        batch_date,
        countIf(notEmpty(landings)) as files,
        arraySort(groupArrayIf(file_name, is_undated)) as files_undated,
        groupArrayIf((file_name, newest_error), newest_status = 'unreadable') as files_unreadable,
        minIf(first_landing.2, notEmpty(landings)) as first_landed_at,
        argMaxIf(last_landing.2, last_landing.1, notEmpty(landings)) as last_landed_at,
        -- Of a batch that was judged: what has come since, or is no longer what it was.
        countIf(notEmpty(landings) and first_landing.1 <= judged) > 0 as was_judged,
        arraySort(groupArrayIf(
            file_name,
            last_landing.1 > judged
            and (last_landing.3, last_landing.4) != (judged_landing.3, judged_landing.4)
        )) as files_since,
        arrayDistinct(arrayFlatten(groupArray(
            arrayMap(name -> (name, file_name), columns_missing)
        ))) as columns_missing,
        arrayDistinct(arrayFlatten(groupArray(
            arrayMap(name -> (name, file_name), mandatory_missing)
        ))) as mandatory_missing,
        arrayDistinct(arrayFlatten(groupArray(
            arrayMap(name -> (name, file_name), columns_unknown)
        ))) as columns_added,
        arrayDistinct(arrayFlatten(groupArray(arrayMap(
            (alias, name) -> (concat(alias, ' for ', name), file_name),
            mapKeys(columns_renamed), mapValues(columns_renamed)
        )))) as columns_renamed,
        arrayDistinct(arrayFlatten(groupArray(arrayMap(
            (spelling, name) -> (concat(spelling, ' for ', name), file_name),
            mapKeys(columns_respelled), mapValues(columns_respelled)
        )))) as columns_respelled,
        argMaxIf(columns, file_name, notEmpty(columns)) as columns
    from with_judgement
    group by stream, batch_date

),

-- What is news of a batch's columns is seen against the batch before.
compared as (

    select
        *,
        row_number() over in_order as number,
        lagInFrame(columns_renamed) over in_order as renamed_before,
        lagInFrame(columns) over in_order as columns_before
    from received
    where files > 0 or notEmpty(files_unreadable)
    window in_order as (
        partition by stream order by batch_date
        rows between unbounded preceding and unbounded following
    )

),

calendar as (

    select
        calendar.stream as stream,
        cadence,
        toDateTime({{ as_of() }}, 'UTC') as as_of,
        arrival_hour,
        grace_hours,
        streams.first_landed_at as live_since,
        coalesce(starts_on, min(received.batch_date)) as first_date,
        -- A file without a day in its name does not say that the days before it should be there.
        tupleElement(
            max((received.files > length(received.files_undated), received.batch_date)), 2
        ) as newest_date,
        -- The newest batch whose time, with grace, has passed.
        toDate(as_of - toIntervalSecond(toUInt32((24 + arrival_hour + grace_hours) * 3600)))
            as newest_due,
        least(greatest(newest_date, newest_due), coalesce(ends_on, toDate('2149-06-06')))
            as last_date
    from {{ ref('dq_calendar') }} as calendar
    inner join streams on streams.stream = calendar.stream
    inner join received on received.stream = calendar.stream
    where received.files > 0
    group by
        calendar.stream, cadence, arrival_hour, grace_hours, starts_on, ends_on, live_since

),

expected as (

    select
        stream,
        arrayJoin(arrayMap(
            day -> first_date + day,
            range(toUInt32(greatest(dateDiff('day', first_date, last_date) + 1, 0)))
        )) as batch_date,
        live_since,
        newest_date,
        as_of,
        toDateTime(batch_date + 1, 'UTC') + toIntervalSecond(toUInt32(arrival_hour * 3600))
            as due_at,
        due_at + toIntervalSecond(toUInt32(grace_hours * 3600)) as late_after
    from calendar
    where
        (cadence = 'weekdays' and toDayOfWeek(batch_date) <= 5)
        or (cadence = 'weekly' and dateDiff('day', first_date, batch_date) % 7 = 0)
        or cadence = 'daily'

),

-- Before the first landing nobody could wait for a file: history that is loaded in one go is not
-- late. A gap between batches that are there is missing whatever the clock says; of a long one only
-- the newest days are, so that one file with a date far off does not make thousands.
dated as (

    select
        if(expected.stream = '', compared.stream, expected.stream) as stream,
        if(expected.stream = '', compared.batch_date, expected.batch_date) as batch_date,
        expected.stream != '' as is_expected,
        compared.stream != '' and compared.files > 0 as is_received,
        expected.due_at > expected.live_since as is_awaited,
        compared.batch_date = newest.newest_date and is_received as is_newest,
        newest.as_of as as_of,
        expected.due_at as due_at,
        expected.late_after as late_after,
        differing.files_differing as files_differing,
        left_alone.files_left_alone as files_left_alone,
        compared.* except (stream, batch_date)
    from expected
    full outer join compared
        on compared.stream = expected.stream and compared.batch_date = expected.batch_date
    left join calendar as newest
        on newest.stream = if(expected.stream = '', compared.stream, expected.stream)
    left join differing
        on differing.stream = if(expected.stream = '', compared.stream, expected.stream)
        and differing.batch_date
        = if(expected.stream = '', compared.batch_date, expected.batch_date)
    left join left_alone
        on left_alone.stream = if(expected.stream = '', compared.stream, expected.stream)
    where
        compared.stream != ''
        or (
            expected.batch_date < expected.newest_date
            and expected.batch_date > expected.newest_date - {{ var('baseline_days') }}
        )
        or (
            expected.due_at > expected.live_since
            and expected.batch_date > newest.last_date - {{ var('baseline_days') }}
        )

),

previous_run as (

    select argMax(started_at, (entry, started_at)) as started_at from {{ ref('dq_runs') }}
    where run_id != '{{ invocation_id }}'

),

times_written as (

    select landed_at as written_at from {{ ref('dq_files') }}

    union all

    select recorded_at as written_at from {{ ref('dq_batches') }}

    union all

    select acknowledged_at as written_at from {{ ref('dq_acknowledgements') }}

    union all

    select started_at as written_at from {{ ref('dq_runs') }}

),

-- One after now tells that a clock was wrong.
latest_entry as (

    select max(written_at) as written_at from times_written

),

final as (

    select
        toLowCardinality(dated.stream) as stream,
        toLowCardinality(multiIf(
            not is_received and notEmpty(files_unreadable), 'unreadable',
            not is_received, 'missing',
            notEmpty(files_changed), 'changed',
            hours_late > 0, 'late',
            'received'
        )) as status,
        files,
        if(was_judged, files_since, []) as files_changed,
        files_unreadable,
        files_undated,
        -- Said of the last day that there is to judge, so that no day after it closes the alert.
        if(
            batch_date = max(batch_date) over (partition by stream), dated.files_left_alone, []
        ) as files_left_alone,
        files_differing,
        columns_missing,
        mandatory_missing,
        columns_added,
        arrayConcat(
            if(number > 1, arrayFilter(
                renamed -> not has(arrayMap(earlier -> earlier.1, renamed_before), renamed.1),
                columns_renamed
            ), []),
            columns_respelled
        ) as columns_renamed,
        number > 1 and columns != columns_before
        and arraySort(columns) = arraySort(columns_before) as is_reordered,
        is_expected,
        if(
            is_awaited and is_expected,
            toUInt32(greatest(
                dateDiff(
                    'hour',
                    late_after,
                    if(is_received, toDateTime(first_landed_at, 'UTC'), as_of)
                ),
                0
            )),
            0
        ) as hours_late,
        if(
            is_newest,
            toUInt32(greatest(dateDiff(
                'hour',
                greatest(toDateTime(batch_date + 1, 'UTC'), toDateTime(first_landed_at, 'UTC')),
                as_of
            ), 0)),
            0
        ) as freshness_hours,
        if(
            is_newest and previous_run.started_at > toDateTime64(0, 6, 'UTC'),
            toUInt32(greatest(
                dateDiff('hour', toDateTime(previous_run.started_at, 'UTC'), as_of), 0
            )),
            0
        ) as run_gap_hours,
        if(
            is_newest,
            toUInt32(greatest(dateDiff('minute', now64(6, 'UTC'), latest_entry.written_at), 0)),
            0
        ) as ledger_ahead_minutes,
        if(is_expected, due_at, null) as due_at,
        first_landed_at,
        last_landed_at,
        batch_date
    from dated
    cross join previous_run
    cross join latest_entry

)

select
    *,
    -- Hours that nobody minds do not make a batch be judged again at every run.
    concat(
        toString(cityHash64(
            status, files, files_changed, files_unreadable, columns_missing, mandatory_missing,
            columns_added, columns_renamed, is_reordered, hours_late,
            greatest(freshness_hours, 24), greatest(run_gap_hours, 24)
        )),
        -- Apart: no batch is judged again because this version looks at more than the one before.
        if(empty(files_differing), '', toString(cityHash64(files_differing))),
        if(empty(files_undated), '', toString(cityHash64(files_undated))),
        if(ledger_ahead_minutes = 0, '', 'ahead'),
        if(empty(files_left_alone), '', toString(cityHash64(files_left_alone)))
    ) as fingerprint
from final
