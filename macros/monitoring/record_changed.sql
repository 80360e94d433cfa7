{#
    Post-hook of a table that is made anew at every run: enter those of its batches into the ledger
    dq_batches whose fingerprint has changed, so that the stages after it take them up; also those
    that are in it no more because an unreadable file was removed or the calendar was changed. A day
    that is missing for longer than baseline_days is in it no more, and stays missing.

    Arguments: relation: the table, with stream, batch_date and fingerprint
#}
{% macro record_changed(relation) %}
    {% set stage = model.config.stage %}
    {% if not is_empty_run() %}
    insert into {{ ref('dq_batches') }}
        (stream, stage, batch_date, version, source_version, rule_set_version, rows, run_id, recorded_at, entry)
    select
        stream,
        '{{ stage }}',
        batch_date,
        fingerprint,
        fingerprint,
        '',
        0,
        '{{ invocation_id }}',
        now64(6, 'UTC'),
        {{ next_entry() }}
    from (
        select stream, batch_date, fingerprint from {{ relation }}
        union all
        select stream, batch_date, '' from {{ ref('dq_batches') }}
        where
            stage = '{{ stage }}'
            and (stream, batch_date) not in (select stream, batch_date from {{ relation }})
            and (
                batch_date > (select max(batch_date) from {{ relation }}) - {{ var('baseline_days', 63) }}
                or (stream, batch_date) in (
                    select stream, batch_date from {{ ref('dq_files') }}
                    where status = 'removed'
                )
            )
        group by stream, batch_date
    )
    where (stream, batch_date, fingerprint) not in (
        select stream, batch_date, argMax(version, (entry, recorded_at))
        from {{ ref('dq_batches') }}
        where stage = '{{ stage }}'
        group by stream, batch_date
    )
    {% endif %}
{% endmacro %}
