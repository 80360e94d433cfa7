{#
    Materialization `ledger`: a table that is only ever appended to, by the materializations that
    do what it records (landed, batches, published). The model's SQL gives its columns and no rows.

    It is created once and survives --full-refresh; a column added to the SQL is added to it.
#}
{% materialization ledger, adapter='clickhouse' %}
    {% set target_relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}
    {% do create_missing_table(target_relation, sql) %}
    {% call statement('main') %}select 1{% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#
    Create a table with the columns of a query, or add to an existing one the columns it lacks.

    Arguments: relation: where; sql: a query whose columns and types are wanted
#}
{% macro create_missing_table(relation, sql) %}
    {% if load_cached_relation(relation) is none %}
        {% do run_query(create_table_or_empty(False, relation, sql ~ '\nlimit 0', False)) %}
        {% do adapter.cache_added(relation) if adapter.cache_added is defined %}
    {% else %}
        {% set present = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
        {% for column in adapter.get_column_schema_from_query(sql) if column.name not in present %}
            {% do run_query(
                'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation)
                ~ ' add column ' ~ column.quoted ~ ' ' ~ column.data_type
            ) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
