{#
    Make part of a table hold exactly what another table of the same structure holds: partitions
    that the other has are replaced (hard links, no copy, each at once), those that it lacks dropped.

    Arguments: relation: the table to change; source: the table to take from;
               scope: SQL condition on the partition's columns; partitions outside it stay
#}
{% macro replace_partitions(relation, source, scope) %}
    {% set present = _partition_ids(source, scope) %}
    {% set stale = _partition_ids(relation, scope) | reject('in', present) | list %}
    {% for statement in partition_statements(relation, source, present, stale) %}
        {% do run_query(statement) %}
    {% endfor %}
{% endmacro %}

{#
    The statements that replace and drop partitions.

    Arguments: relation, source: as above; present: ids to take; stale: ids to drop
    Returns:   list of SQL
#}
{% macro partition_statements(relation, source, present, stale) %}
    {% set statements = [] %}
    {% for partition_id in present %}
        {% do statements.append(
            'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) | trim
            ~ " replace partition id '" ~ partition_id ~ "' from " ~ source
        ) %}
    {% endfor %}
    {% for partition_id in stale %}
        {% do statements.append(
            'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) | trim
            ~ " drop partition id '" ~ partition_id ~ "'"
        ) %}
    {% endfor %}
    {{ return(statements) }}
{% endmacro %}

{#
    Add part of a table to another one of the same structure (hard links, no copy).

    Arguments: relation: the table to add to; source: the table to take from; scope: as above
#}
{% macro attach_partitions(relation, source, scope) %}
    {% for partition_id in _partition_ids(source, scope) %}
        {% do run_query(
            'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) | trim
            ~ " attach partition id '" ~ partition_id ~ "' from " ~ source
        ) %}
    {% endfor %}
{% endmacro %}

{% macro _partition_ids(relation, scope) %}
    {{ return(
        run_query('select distinct _partition_id as id from ' ~ relation ~ ' where ' ~ scope)
        .rows | map(attribute='id') | list
    ) }}
{% endmacro %}
