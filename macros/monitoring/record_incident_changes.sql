{#
    SQL, a hook of dq_incidents: enter into dq_incident_changes each incident whose state is not the
    one that was recorded last. Before the table is built anew this takes over what versions before
    this ledger left, after it this records the run's changes. What a killed run has not recorded,
    the next one does.

    Arguments: relation: dq_incidents
    Example:   post_hook="{{ record_incident_changes(this) }}"
#}
{% macro record_incident_changes(relation) %}
    {% if not is_empty_run() %}
    insert into {{ ref('dq_incident_changes') }} (
        change_id, incident_id, change_number, kind, severity, stream, check_name, dimension, message, owner,
        channel, remediation, runbook, acknowledged_by, batches, money_at_stake, first_batch, last_batch,
        held_batches, since, is_from_before, run_id, recorded_at, entry
    )
    with
    recorded as (
        select
            incident_id,
            max(change_number) as newest_number,
            argMax(kind, change_number) as newest_kind,
            argMax(severity, change_number) as newest_severity
        from {{ ref('dq_incident_changes') }}
        group by incident_id
    )
    select
        lower(hex(sipHash128(incidents.incident_id, recorded.newest_number + 1))) as change_id,
        incidents.incident_id,
        recorded.newest_number + 1 as change_number,
        multiIf(
            incidents.status = 'resolved', 'resolved',
            recorded.newest_kind in ('', 'resolved'), 'opened',
            'escalated'
        ) as kind,
        incidents.severity, incidents.stream, incidents.check_name, incidents.dimension, incidents.message,
        incidents.owner, incidents.channel, incidents.remediation, incidents.runbook,
        incidents.acknowledged_by, incidents.batches, incidents.money_at_stake, incidents.first_batch,
        incidents.last_batch, incidents.held_batches, incidents.since,
        incidents.run_id != '{{ invocation_id }}'
        and (select count() from {{ ref('dq_incident_changes') }}) = 0 as is_from_before,
        '{{ invocation_id }}' as run_id,
        now64(6, 'UTC') as recorded_at,
        (select max(entry) + 1 from {{ ref('dq_incident_changes') }}) as entry
    from {{ relation }} as incidents
    left join recorded on recorded.incident_id = incidents.incident_id
    where
        recorded.newest_kind = ''
        or (incidents.status = 'resolved') != (recorded.newest_kind = 'resolved')
        or (
            incidents.status != 'resolved'
            and indexOf(['INFO', 'WARN', 'CRITICAL'], incidents.severity)
            > indexOf(['INFO', 'WARN', 'CRITICAL'], recorded.newest_severity)
        )
    settings join_use_nulls = 0
    {% endif %}
{% endmacro %}

{#
    SQL, the last hook of dq_incidents: enter into dq_batches (stage incidents) the batches whose newest
    results are in dq_incidents now. Until then they count as not judged for what is news only once,
    such as a file that was delivered again.

    Example: post_hook="{{ record_batches_in_incidents() }}"
#}
{% macro record_batches_in_incidents() %}
    {% if not is_empty_run() %}
    insert into {{ ref('dq_batches') }}
        (stream, stage, batch_date, version, source_version, rule_set_version, rows, run_id, recorded_at, entry)
    select
        stream,
        'incidents',
        batch_date,
        judged_version,
        judged_version,
        '',
        0,
        '{{ invocation_id }}',
        now64(6, 'UTC'),
        {{ next_entry() }}
    from (
        select
            stream,
            batch_date,
            argMaxIf(version, (entry, recorded_at), stage = 'checks') as judged_version,
            argMaxIf(version, (entry, recorded_at), stage = 'incidents') as known_version
        from {{ ref('dq_batches') }}
        where stage in ('checks', 'incidents')
        group by stream, batch_date
    )
    where judged_version != known_version
    {% endif %}
{% endmacro %}
