{#
    In what the columns of two tables differ, in words; '' when they are the same in name, type and
    order.

    Arguments: wanted, present: lists of columns as the adapter gives them
    Example:   column utm_id String is new; column channel is String, was LowCardinality(String)
#}
{% macro structure_difference(wanted, present) %}
    {% set problems = [] %}
    {% set types = {} %}
    {% for column in present %}{% do types.update({column.name: column.data_type}) %}{% endfor %}
    {% for column in wanted %}
        {% if column.name not in types %}
            {% do problems.append('column ' ~ column.name ~ ' ' ~ column.data_type ~ ' is new') %}
        {% elif types[column.name] != column.data_type %}
            {% do problems.append('column ' ~ column.name ~ ' is ' ~ column.data_type ~ ', was ' ~ types[column.name]) %}
        {% endif %}
    {% endfor %}
    {% set names = wanted | map(attribute='name') | list %}
    {% for column in present if column.name not in names %}
        {% do problems.append('column ' ~ column.name ~ ' is gone') %}
    {% endfor %}
    {% if not problems and names != present | map(attribute='name') | list %}
        {% do problems.append('the order of the columns is another') %}
    {% endif %}
    {{ return(problems | join('; ')) }}
{% endmacro %}

{#
    Whether a table was found to have the columns of the SQL before: to ask the engine for the columns
    of a long query costs as much as planning it, in every run.

    Arguments: relation: the table; sql: the model's SQL for no batch
    Returns:   {key, remembered}: key changes whenever the SQL, the columns of the table or of what it
               refers to, or the engine's version change; remembered is that of the newest check
#}
{% macro remembered_structure(relation, sql) %}
    {% set tables = [relation] %}
    {% for name in model.depends_on.nodes %}
        {% set node = graph.nodes.get(name) or graph.sources[name] %}
        {% do tables.append(relation.create(database=none, schema=node.schema, identifier=node.alias or node.identifier)) %}
    {% endfor %}
    {% set query %}
        select
            toString(cityHash64(
                '{{ local_md5(sql | replace(invocation_id, '')) }}',
                version(),
                groupArray((database, table, name, type))
            )) as structure_key,
            (
                select comment from system.tables
                where database = '{{ relation.schema }}' and name = '{{ relation.identifier }}'
            ) as comment
        from (
            select * from system.columns
            where
                (database, table) in (
                    {%- for table in tables %}
                    ('{{ table.schema }}', '{{ table.identifier }}'){{ ',' if not loop.last }}
                    {%- endfor %}
                )
            order by database, table, position
        )
    {% endset %}
    {% set row = run_query(query).rows[0] %}
    {{ return({'key': 'columns checked: ' ~ row.structure_key, 'remembered': row.comment}) }}
{% endmacro %}

{#
    Remember, in the table's comment, that it was found to have the columns of the SQL. Where dbt
    writes descriptions into comments (persist_docs) it is not, and every run checks.
#}
{% macro remember_structure(relation, key) %}
    {% if not model.config.get('persist_docs', {}).get('relation') %}
        {% do run_query(
            'alter table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) ~ " modify comment '" ~ key ~ "'"
        ) %}
    {% endif %}
{% endmacro %}
