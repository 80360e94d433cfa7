{#
    On-run-start hook: keep Elementary's tables as small as they need be.

    Of each metric it keeps the newest row. Elementary measures all days of the baseline in every run
    and adds them to what it has, because a view may change anywhere; it reads the newest row of each,
    so the others are of no use. Without this the table grows by (tests x days) rows with every run.

    Results and the rows of their plots that are older than keep_results_days are dropped: Elementary
    keeps them for ever.

    Vars: keep_results_days
#}
{% macro tidy_elementary() %}
    {% if execute and flags.WHICH in ['build', 'test'] %}
        {% set metrics = elementary.get_elementary_relation('data_monitoring_metrics') %}
        {% if metrics %}
            {% do _delete(
                metrics,
                '(id, updated_at) not in (select id, max(updated_at) from ' ~ metrics ~ ' group by id)'
            ) %}
        {% endif %}
        {% for table in ['elementary_test_results', 'test_result_rows', 'dbt_run_results', 'dbt_invocations'] %}
            {% set results = elementary.get_elementary_relation(table) %}
            {% if results %}
                {% do _delete(results, 'created_at < now() - interval ' ~ var('keep_results_days') ~ ' day') %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# A mutation rewrites the table, so there is none when there is nothing to delete. #}
{% macro _delete(relation, condition) %}
    {% set query = 'select count() as row_count from ' ~ relation ~ ' where ' ~ condition %}
    {% if run_query(query).rows[0].row_count %}
        {% do run_query(
            'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) ~ ' delete where ' ~ condition
        ) %}
    {% endif %}
{% endmacro %}
