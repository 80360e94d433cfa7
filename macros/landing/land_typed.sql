{#
    Land one Parquet or Avro file: its columns as text.

    Times become ISO 8601 in UTC, nested values JSON, null a missing value (but a null struct is
    read as a struct of nulls: the engine does not tell them apart). row_number is the row in the file.

    Arguments: relation: an empty table shaped like the raw table; file: see landing_files
    Returns:   {error: '' or why the file cannot be read, columns: [names]}
#}
{% macro land_typed(relation, file) %}
    {% set format = {'parquet': 'Parquet', 'avro': 'Avro'}[file.format] %}
    {% set described = adapter.try_query(
        'describe table ' ~ read_location(file.location, format), fetch=true
    ) %}
    {% if described.error %}
        {{ return({'error': described.error, 'columns': []}) }}
    {% endif %}
    {% set names = described.rows | map(attribute='name') | list %}
    {% set records %}
    select
        {{ _matched_columns(names, file.format, 'c', '') }}
        '' as raw_line,
        '' as landing_error,
        row_number
    from (
        select
            {% for column in described.rows %}
            {{ _as_text(adapter.quote(column.name), column.type) }} as c{{ loop.index }},
            {% endfor %}
            rowNumberInAllBlocks() + 1 as row_number
        from {{ read_location(file.location, format) }}
    )
    {% endset %}
    {% set landed = adapter.try_query(insert_records(relation, [file], records, {'max_threads': 1})) %}
    {{ return({'error': landed.error, 'columns': names}) }}
{% endmacro %}

{% macro _as_text(column, type) -%}
    {%- if 'DateTime' in type and '(' not in type.split('DateTime')[0].replace('Nullable(', '') -%}
        ifNull(concat(replaceOne(toString(toDateTime64({{ column }}, 3, 'UTC')), ' ', 'T'), 'Z'), '')
    {%- elif modules.re.match('(Nullable\\()?(Tuple|Map|Array|Nested|JSON|Object|Variant|Dynamic)', type) -%}
        if(toJSONString({{ column }}) = 'null', '', toJSONString({{ column }}))
    {%- else -%}
        ifNull(toString({{ column }}), '')
    {%- endif -%}
{%- endmacro %}
