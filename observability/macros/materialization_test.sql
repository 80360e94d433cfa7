{#
    dbt does not let a package replace the materialization of tests unless the project says so; this
    is the word that says so. Elementary's one runs dbt's own and keeps the result for the report.
#}
{% materialization test, adapter='clickhouse' %}
    {{ return(elementary.materialization_test_default()) }}
{% endmaterialization %}
