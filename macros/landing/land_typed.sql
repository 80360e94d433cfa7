{#
    Land one Parquet or Avro file: its columns as text.

    Times become ISO 8601 in UTC, UUIDs their text, nested values JSON, null a missing value (but a
    null struct is read as a struct of nulls: the engine does not tell them apart). Bytes of a fixed
    number are text where all of a column's values are text; else UUIDs (16 bytes), or hexadecimal
    digits. row_number is the row in the file.

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
    {% set binary = _binary_columns(file, format, described.rows) %}
    {% if binary.error %}
        {{ return({'error': binary.error, 'columns': []}) }}
    {% endif %}
    {% set records %}
    select
        {{ _matched_columns(names, file.format, 'c', '') }}
        '' as raw_line,
        '' as landing_error,
        row_number
    from (
        select
            {% for column in described.rows %}
            {{ _as_text(adapter.quote(column.name), column.type, column.name in binary.names) }} as c{{ loop.index }},
            {% endfor %}
            rowNumberInAllBlocks() + 1 as row_number
        from {{ read_location(file.location, format) }}
    )
    {% endset %}
    {% set landed = adapter.try_query(insert_records(relation, [file], records, {'max_threads': 1})) %}
    {{ return({'error': landed.error, 'columns': names}) }}
{% endmacro %}

{#
    The columns of fixed numbers of bytes that hold bytes and no text.

    Arguments: file: see landing_files; format: the engine's name of it; columns: rows of describe
    Returns:   {error: '' or why the file cannot be read, names: [names]}
#}
{% macro _binary_columns(file, format, columns) %}
    {% set looks = [] %}
    {% for column in columns if modules.re.match('(Nullable[(])?FixedString', column.type) %}
        {% set value = 'ifNull(toString(' ~ adapter.quote(column.name) ~ "), '')" %}
        {% do looks.append(
            'if(countIf(not isValidUTF8(' ~ value ~ ') or match(' ~ value ~ ', '
            ~ sql_string('[\\x00-\\x08\\x0e-\\x1f]') ~ ')) > 0, ' ~ sql_string(column.name) ~ ", '')"
        ) %}
    {% endfor %}
    {% if not looks %}
        {{ return({'error': '', 'names': []}) }}
    {% endif %}
    {% set answer = adapter.try_query(
        'select [' ~ looks | join(', ') ~ '] as names from ' ~ read_location(file.location, format), fetch=true
    ) %}
    {{ return({'error': answer.error, 'names': [] if answer.error else _names(answer.rows[0].names)}) }}
{% endmacro %}

{# SQL: a column of a Parquet or Avro file as text. Arguments: column: SQL; type; is_binary: see land_typed #}
{% macro _as_text(column, type, is_binary=false) -%}
    {%- if 'DateTime' in type and '(' not in type.split('DateTime')[0].replace('Nullable(', '') -%}
        {#- What lies below a millisecond is written only where there is something. -#}
        {%- set digits = modules.re.findall('DateTime64[(]([4-9])', type)[0] or '3' -%}
        {%- set time -%}
        concat(replaceOne(toString(toDateTime64({{ column }}, {{ digits }}, 'UTC')), ' ', 'T'), 'Z')
        {%- endset -%}
        ifNull(replaceRegexpOne({{ time }}, '([.][0-9]{3}[0-9]*?)0+Z$', {{ sql_string('\\1Z') }}), '')
    {%- elif is_binary and 'FixedString(16)' in type -%}
        ifNull(toString(UUIDNumToString({{ column }})), '')
    {%- elif is_binary -%}
        ifNull(lower(hex({{ column }})), '')
    {%- elif type.startswith('Variant') -%}
        {#- Of a union of types: texts as they are, anything else as JSON. -#}
        {%- set json -%} ifNull(toJSONString({{ column }}), '') {%- endset -%}
        if(startsWith({{ json }}, '"'), JSONExtractString({{ json }}), {{ json }})
    {%- elif 'Nothing' in type and '(' not in type.replace('Nullable(', '') -%}
        ''
    {%- elif modules.re.match('(Nullable\\()?(Tuple|Map|Array|Nested|JSON|Object|Dynamic)', type) -%}
        if(ifNull(toJSONString({{ column }}), 'null') = 'null', '', ifNull(toJSONString({{ column }}), ''))
    {%- else -%}
        ifNull(toString({{ column }}), '')
    {%- endif -%}
{%- endmacro %}
