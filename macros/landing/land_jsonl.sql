{#
    Land one file of JSON lines, losing nothing.

    What is a record: a line that is one JSON object. Any other line that is not empty is malformed
    and lands with its text and the error malformed_line. row_number is the line in the file. Of a
    repeated key the first is taken; null is a missing value; objects and arrays keep their text.

    Numbers are text as they are written. The engine's parser would give 1e3 as 1000 and 1.50 as 1.5,
    and refuse 1E400: a line that has a number of that kind is cut into tokens, and the numbers are
    taken from there; the parser gets it with 0 for each number.

    Arguments: relation: an empty table shaped like the raw table; file: see landing_files
    Returns:   {error: '' or why the file cannot be read, columns: [keys that occur]}
#}
{% macro land_jsonl(relation, file) %}
    {% set keys_query %}
        {{ _jsonl_lines(file) }}
        select arraySort(groupUniqArrayArray(JSONExtractKeys(parsed_line))) as names
        from lines
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
    {{ _jsonl_lines(file) }},
    parsed as (
        select
            line,
            row_number,
            isValidJSON(parsed_line) and JSONType(parsed_line) = 'Object' as is_record,
            JSONExtractKeysAndValuesRaw(if(is_record, parsed_line, '{}')) as pairs,
            arrayMap(pair -> pair.1, pairs) as keys,
            if(
                is_record and notEmpty(tokens), {{ _json_member_texts('tokens') }}, arrayMap(pair -> '', pairs)
            ) as as_written,
            arrayMap(
                (pair, text) -> multiIf(
                    pair.2 = 'null', '',
                    startsWith(pair.2, '"'), JSONExtractString(pair.2),
                    text = '', pair.2,
                    text
                ),
                pairs,
                as_written
            ) as texts,
            [
                {% for column in contract() %}
                {% set candidates = [] %}
                {% set own = [column.name] + column.aliases %}
                {% for name in own + (match.respelled.keys() | select('in', names) | list) if (
                    name in own or match.respelled[name] == column.name
                ) %}
                {% do candidates.append('nullIf(indexOf(keys, ' ~ sql_string(name) ~ '), 0)') %}
                {% endfor %}
                coalesce({{ candidates | join(', ') }}, 0){{ ',' if not loop.last }}
                {% endfor %}
            ] as positions
        from lines
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

{#
    CTE `lines`: row_number, line, tokens of the line where a number in it must be kept as written
    (else none), and parsed_line, which is what the engine's parser is given.
#}
{% macro _jsonl_lines(file) %}
    with
    lines as (
        select
            if(_row_number = 0, {{ without_bom('whole_line') }}, whole_line) as line,
            toUInt64(_row_number) + 1 as row_number,
            -- The tokens of '' where none are needed: a condition around them would not save the work.
            if(
                match(line, {{ sql_string('(?:"\\s*:|[,\\[])\\s*(?:-?[0-9]+[.eE]|-?[0-9]{16}|-0)') }}),
                line, ''
            ) as line_to_cut,
            {{ _json_tokens('line_to_cut') }} as tokens,
            -- Bytes that are no UTF-8 are in no token: such a line is no JSON, and stays as it is.
            if(
                notEmpty(tokens) and arrayStringConcat(tokens) = line, {{ _without_numbers('tokens') }}, line
            ) as parsed_line
        from {{ read_location(file.location, 'LineAsString', 'whole_line String') }}
        where trimBoth(whole_line, ' \t\r') != ''
    )
{% endmacro %}

{# SQL: the tokens of a JSON text: strings, punctuation, blanks, and what stands between them. #}
{% macro _json_tokens(text) -%}
    extractAll({{ text }}, {{ sql_string('"(?:[^"\\\\]|\\\\.)*"|[{}\\[\\]:,]|\\s+|[^\\s{}\\[\\]:,"]+|"') }})
{%- endmacro %}

{# SQL: the text of tokens, each number in it written as 0. #}
{% macro _without_numbers(tokens) -%}
    arrayStringConcat(arrayMap(
        token -> if(
            match(token, {{ sql_string('^-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?$') }}), '0', token
        ),
        {{ tokens }}
    ))
{%- endmacro %}

{# SQL: the texts of an object's values as they are written, in its order, from the tokens of it. #}
{% macro _json_member_texts(tokens) -%}
    {#- Without blanks, and without the last brace, which closes the object and belongs to no value. -#}
    {%- set significant -%}
    arrayPopBack(arrayFilter(token -> trimBoth(token, ' \t\r\n') != '', {{ tokens }}))
    {%- endset -%}
    arrayMap(
        member -> arrayStringConcat(arraySlice(member, indexOf(member, ':') + 1)),
        arrayFilter(
            member -> has(member, ':'),
            arraySplit(
                (token, depth) -> depth = 1 and token in ('{', ','),
                {{ significant }},
                arrayCumSum(
                    token -> multiIf(token in ('{', '['), 1, token in ('}', ']'), -1, 0), {{ significant }}
                )
            )
        )
    )
{%- endmacro %}
