{#
    On-run-end hook: one row in the ledger dq_runs for every dbt build or run that got as far as the
    ledger. Its absence is how a later run sees that the scheduler stood still.
#}
{% macro record_run(results) %}
    {% set ledger = ref('dq_runs') %}
    {% if (
        execute and flags.WHICH in ['build', 'run'] and not is_empty_run() and load_relation(ledger) is not none
    ) %}
        insert into {{ ledger }} (run_id, command, started_at, ended_at, nodes, errors, entry)
        select
            '{{ invocation_id }}',
            '{{ flags.WHICH }}',
            toDateTime64('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}', 6, 'UTC'),
            now64(6, 'UTC'),
            {{ results | length }},
            {{ results | selectattr('status', 'in', ['error', 'runtime error']) | list | length }},
            (select max(entry) + 1 from {{ ledger }})
    {% endif %}
{% endmacro %}
