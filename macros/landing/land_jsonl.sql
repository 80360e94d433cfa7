{#
    Land one file of JSON lines, losing nothing.

    What is a record: a line that is one JSON object. Any other line that is not empty is malformed
    and lands with its text and the error malformed_line. row_number is the line in the file. Of a
    repeated key the first is taken; null is a missing value; objects and arrays keep their text.

    Arguments: relation: an empty table shaped like the raw table; file: see landing_files
    Returns:   {error: '' or why the file cannot be read, columns: [keys that occur]}
#}
{% macro land_jsonl(relation, file) %}
    {% set keys_query %}
        select arraySort(groupUniqArrayArray(JSONExtractKeys(line))) as names
        from {{ read_location(file.location, 'LineAsString', 'line String') }}
    {% endset %}
    {% set keys = adapter.try_query(keys_query, fetch=true) %}
    {% if keys.error %}
        {{ return({'error': keys.error, 'columns': []}) }}
    {% endif %}
    {% set names = _names(keys.rows[0].names) %}
    {% set landed = adapter.try_query(insert_records(relation, [file], _jsonl_records(file, names), {'max_threads': 2})) %}
    {{ return({'error': landed.error, 'columns': names}) }}
{% endmacro %}

{% macro _jsonl_records(file, names) %}
    {% set match = match_contract(names, 'jsonl') %}
    with
    lines as (
        select
            if(_row_number = 0, {{ without_bom('line') }}, line) as line,
            toUInt64(_row_number) + 1 as row_number
        from {{ read_location(file.location, 'LineAsString', 'line String') }}
    ),
    parsed as (
        select
            line,
            row_number,
            isValidJSON(line) and JSONType(line) = 'Object' as is_record,
            JSONExtractKeysAndValuesRaw(if(is_record, line, '{}')) as pairs,
            arrayMap(pair -> pair.1, pairs) as keys,
            arrayMap(
                pair -> multiIf(
                    pair.2 = 'null', '',
                    startsWith(pair.2, '"'), JSONExtractString(pair.2),
                    pair.2
                ),
                pairs
            ) as texts,
            [
                {% for column in contract() %}
                {% set candidates = [] %}
                {% for name in [column.name] + column.aliases %}
                {% do candidates.append('nullIf(indexOf(keys, ' ~ sql_string(name) ~ '), 0)') %}
                {% endfor %}
                coalesce({{ candidates | join(', ') }}, 0){{ ',' if not loop.last }}
                {% endfor %}
            ] as positions
        from lines
        where trimBoth(line, ' \t\r') != ''
    )
    select
        {% for column in contract() %}
        texts[positions[{{ loop.index }}]] as {{ adapter.quote(column.name) }},
        {% endfor %}
        cast(
            arrayFilter(
                (pair, position) -> not has(positions, position),
                arrayZip(keys, texts),
                arrayEnumerate(keys)
            ),
            'Map(LowCardinality(String), String)'
        ) as extra_columns,
        if(is_record, '', line) as raw_line,
        if(is_record, '', 'malformed_line') as landing_error,
        row_number
    from parsed
{% endmacro %}
