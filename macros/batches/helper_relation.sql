{#
    A table beside another one that lives for one run only.

    Arguments: relation: the table it helps; purpose: a word for its name
#}
{% macro helper_relation(relation, purpose) %}
    {{ return(relation.incorporate(path={
        'identifier': relation.identifier ~ '__sg_' ~ purpose ~ '_' ~ invocation_id[:8]
    })) }}
{% endmacro %}

{#
    An empty table of the structure of another, in which nothing merges: it lives for one run only.

    Arguments: relation: the new table; model_relation: the other
#}
{% macro clone_empty(relation, model_relation) %}
    {% do run_query('create or replace table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) ~ ' as ' ~ model_relation) %}
    {% do run_query('system stop merges ' ~ relation) %}
{% endmacro %}

{#
    Drop the helper tables that killed runs left behind. On the embedded engine, which one process
    has to itself, that is all of them; on a server those older than a day.

    Arguments: relation: the table they helped
#}
{% macro drop_leftovers(relation) %}
    {% set leftovers %}
        select name from system.tables
        where database = '{{ relation.schema }}' and startsWith(name, '{{ relation.identifier }}__sg_')
        {% if target.driver != 'chdb' %}
        and metadata_modification_time < now() - interval 1 day
        {% endif %}
    {% endset %}
    {% for row in run_query(leftovers).rows %}
        {% set leftover = relation.incorporate(path={'identifier': row.name}) %}
        {% do run_query('drop table if exists ' ~ leftover ~ ' ' ~ on_cluster_clause(leftover)) %}
    {% endfor %}
{% endmacro %}
