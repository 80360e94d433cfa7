{#
    Land one CSV file, losing nothing.

    What is a record: a line that is well formed by itself (as many fields as the header, quotes only
    around whole fields, blanks after a closing quote at most). The lines between two such lines are
    read as one text from its top: where a record begins, which may now span lines and have quotes
    inside bare fields, it is taken; else one line is malformed and lands with its text and the error
    malformed_line, as does any line that begins with a carriage return. Empty lines are no records.
    row_number is the line in the file.

    A file whose every line can be a record (proven by one regular expression over its lines) is read
    by the engine's CSV reader; any other file line by line.

    Values are separated by commas, or by what the header shows or the model's config says (see
    csv_delimiter); files with other separators are read line by line.

    Arguments: relation: an empty table shaped like the raw table; file: see landing_files
    Returns:   {error: '' or why the file cannot be read, columns: [names of the header], delimiter}
#}
{% macro land_csv(relation, file) %}
    {% set header_query %}
        select header, {{ _csv_names('header') }} as names
        from (
            select trimRight({{ without_bom('line') }}, '\r') as header
            from {{ read_location(file.location, 'LineAsString', 'line String') }}
            where _row_number = 0
            limit 1
        )
    {% endset %}
    {% set header = adapter.try_query(header_query, fetch=true) %}
    {% if header.error or not header.rows %}
        {{ return({'error': header.error, 'columns': []}) }}
    {% endif %}
    {% set delimiter = csv_delimiter(header.rows[0].header) %}
    {% set names = _names(
        header.rows[0].names if delimiter == ','
        else run_query(
            'select ' ~ _csv_names(sql_string(header.rows[0].header), delimiter) ~ ' as names'
        ).rows[0].names
    ) %}
    {% if delimiter != ',' %}
        {{ log(
            file.file_name ~ ': its values are separated by '
            ~ {'\t': 'tabs', ';': 'semicolons', '|': 'vertical bars'}.get(delimiter, delimiter), info=true
        ) }}
    {% endif %}
    {% if not names %}
        {{ return({
            'error': 'its first line, the header, is not a well-formed CSV line of UTF-8 text',
            'columns': [],
        }) }}
    {% endif %}

    {% if delimiter != ',' %}
        {% set exact = adapter.try_query(insert_records(
            relation, [file], _csv_records_by_line(file, names, delimiter), _csv_settings()
        )) %}
        {{ return({'error': exact.error, 'columns': names, 'delimiter': delimiter}) }}
    {% endif %}

    {% set proof_query %}
        select
            count() as lines,
            countIf(match(line, {{ sql_string('^' ~ _csv_record_pattern(names | length) ~ '$') }}))
                as records
        from {{ read_location(file.location, 'LineAsString', 'line String') }}
        where _row_number > 0
    {% endset %}
    {% set proof = adapter.try_query(proof_query, fetch=true) %}
    {% if proof.error %}
        {{ return({'error': proof.error, 'columns': names}) }}
    {% endif %}

    {% if proof.rows[0].lines == proof.rows[0].records %}
        {% set fast = adapter.try_query(insert_records(
            relation, [file], _csv_records_by_engine([file], names), _csv_settings()
        )) %}
        {% if not fast.error %}
            {% set landed = run_query('select count() as landed from ' ~ relation).rows[0].landed %}
            {% if landed == proof.rows[0].records %}
                {{ return({'error': '', 'columns': names, 'delimiter': ','}) }}
            {% endif %}
        {% endif %}
        {% do run_query('truncate table ' ~ relation) %}
    {% endif %}
    {% set exact = adapter.try_query(insert_records(
        relation, [file], _csv_records_by_line(file, names, ','), _csv_settings()
    )) %}
    {{ return({'error': exact.error, 'columns': names, 'delimiter': ','}) }}
{% endmacro %}

{#
    Land many CSV files of one folder at once, by the engine's reader: the way of almost all files.

    One look at all lines proves that the reader cannot go wrong unnoticed: its leniences need a line
    that begins with a carriage return, ends with a comma or blank, or has an odd number of quotes.
    Files with such lines are left, and so are all files of a header for which the reader fails or
    gives another number of rows than there are lines; land_csv takes these one by one.

    Arguments: relation: an empty table shaped like the raw table; files: CSV files, see landing_files
    Returns:   {file_name: {error: '', columns: [names of the header], delimiter}} of the files that landed
#}
{% macro land_csv_together(relation, files) %}
    {% set looks_query %}
        select
            path,
            records,
            doubtful,
            header,
            {{ _csv_names('header') }} as names
        from (
            select
                toString(_path) as path,
                count() - 1 as records,
                countIf(_row_number > 0 and (
                    line = ''
                    or startsWith(line, '\r')
                    {% for ending in [',', ' ', '\t', ',\r', ' \r', '\t\r', '\r\r'] %}
                    or endsWith(line, '{{ ending }}')
                    {% endfor %}
                    or countSubstrings(line, '"') % 2 = 1
                )) as doubtful,
                anyIf(line, _row_number = 0) as first_line,
                trimRight({{ without_bom('first_line') }}, '\r') as header
            from {{ read_location(joint_location(files), 'LineAsString', 'line String') }}
            group by _path
        )
    {% endset %}
    {% set answers = {} %}
    {% set groups = {} %}
    {% for look in adapter.try_query(looks_query, fetch=true).rows %}
        {% if look.doubtful == 0 and _names(look.names) and csv_delimiter(look.header) == ',' %}
            {% do groups.setdefault(look.header, []).append(look) %}
        {% endif %}
    {% endfor %}
    {% for looks in groups.values() %}
        {% set names = _names(looks[0].names) %}
        {% set paths = looks | map(attribute='path') | list %}
        {% set group = files | selectattr('path', 'in', paths) | list %}
        {% set part = helper_relation(relation, 'group') %}
        {% do clone_empty(part, relation) %}
        {% set insert = adapter.try_query(insert_records(
            part, group, _csv_records_by_engine(group, names), _csv_settings()
        )) %}
        {% set landed = {} %}
        {% if not insert.error %}
            {% for row in run_query(
                'select toString(file_name) as file_name, count() as landed from ' ~ part ~ ' group by file_name'
            ).rows %}
                {% do landed.update({row.file_name: row.landed}) %}
            {% endfor %}
        {% endif %}
        {% set wrong = [] %}
        {% for look in looks %}
            {% set file = group | selectattr('path', 'equalto', look.path) | first %}
            {% if insert.error or landed.get(file.file_name, 0) != look.records %}{% do wrong.append(file) %}{% endif %}
        {% endfor %}
        {% if not wrong %}
            {% do attach_partitions(relation, part, 'true') %}
            {% for file in group %}
                {% do answers.update({file.file_name: {'error': '', 'columns': names, 'delimiter': ','}}) %}
            {% endfor %}
        {% endif %}
        {% do run_query('drop table ' ~ part ~ ' ' ~ on_cluster_clause(part)) %}
    {% endfor %}
    {{ return(answers) }}
{% endmacro %}

{#
    One location that reads several files of one folder.

    Arguments: files: see landing_files; their names must have none of * ? { } ,
#}
{% macro joint_location(files) %}
    {% set names = [] %}
    {% for file in files %}{% do names.append(file.location.rpartition('/')[2]) %}{% endfor %}
    {{ return(
        files[0].location if files | length == 1
        else files[0].location.rpartition('/')[0] ~ '/{' ~ names | join(',') ~ '}'
    ) }}
{% endmacro %}

{# Array(String) as it comes back from the client, as a list. #}
{% macro _names(value) %}
    {{ return(fromyaml(value) if value is string else value | list) }}
{% endmacro %}

{# Every leniency of the engine's CSV reader that changes a value is switched off. #}
{% macro _csv_settings() %}
    {{ return({
        'input_format_csv_trim_whitespaces': 0,
        'input_format_csv_empty_as_default': 0,
        'input_format_csv_detect_header': 0,
        'input_format_null_as_default': 0,
        'input_format_allow_errors_num': 0,
        'input_format_allow_errors_ratio': 0,
        'max_insert_threads': 2,
    }) }}
{% endmacro %}

{#
    RE2 pattern of one record of so many fields (any number when left out), with an optional
    carriage return after it. A line that begins with a carriage return is left to the exact path:
    the engine's reader would take that byte for the end of the line before. An empty line is no
    record of one field. strict: bare fields have no quotes, which may be the end of a field that
    began lines before.
#}
{% macro _csv_record_pattern(fields=none, strict=false, delimiter=',') -%}
    {%- set quoted = '"(?:[^"]|"")*"' ~ _blanks(delimiter) -%}
    {%- set rest = '[^"' ~ delimiter ~ '\\n]*' if strict else '[^' ~ delimiter ~ '\\n]*' -%}
    {%- set field = '(?:' ~ quoted ~ '|[^"' ~ delimiter ~ '\\n]' ~ rest ~ '|)' -%}
    {%- set first = '(?:' ~ quoted ~ '|[^"' ~ delimiter ~ '\\n\\r]' ~ rest ~ ('|' if fields != 1) ~ ')' -%}
    {{ return(
        '(?s:' ~ first ~ '(?:[' ~ delimiter ~ ']' ~ field ~ ')' ~ ('*' if fields is none else '{' ~ (fields - 1) ~ '}') ~ '\\r?)'
    ) }}
{%- endmacro %}

{# RE2 pattern: the blanks that may follow a closing quote. #}
{% macro _blanks(delimiter) %}{{ return('[ ]*' if delimiter == '\t' else '[ \\t]*') }}{% endmacro %}

{#
    What separates the values of a CSV file: the config `delimiter` of the raw model, or, where it
    has none, that of comma, semicolon, tab and vertical bar which makes most columns of the
    contract out of the header; the comma where that is none.

    Arguments: header: the text of the header line
    Example:   client_id;timestamp;event_name has semicolons
#}
{% macro csv_delimiter(header) %}
    {% if model.config.get('delimiter') %}
        {{ return(model.config.delimiter) }}
    {% endif %}
    {% set known = [] %}
    {% for column in contract() %}{% do known.extend([column.name] + column.aliases) %}{% endfor %}
    {% set known = known | map('lower') | list %}
    {% set ns = namespace(delimiter=',', most=0) %}
    {% for delimiter in [',', ';', '\t', '|'] %}
        {% set found = [] %}
        {% for name in header.split(delimiter) if name.strip(' "') | lower in known %}
            {% do found.append(name) %}
        {% endfor %}
        {% if found | length > ns.most %}
            {% set ns.delimiter = delimiter %}
            {% set ns.most = found | length %}
        {% endif %}
    {% endfor %}
    {{ return(ns.delimiter) }}
{% endmacro %}

{# SQL: the column names of a header line; none where it is not a well-formed record. #}
{% macro _csv_names(header, delimiter=',') -%}
    if(
        match({{ header }}, {{ sql_string('^' ~ _csv_record_pattern(delimiter=delimiter) ~ '$') }}),
        arrayMap(name -> trimBoth(name), {{ _csv_fields(header, delimiter) }}),
        []
    )
{%- endmacro %}

{# SQL: the fields of a record's text (its trailing carriage return taken off), unquoted. #}
{% macro _csv_fields(text, delimiter=',') -%}
    arrayMap(
        field -> if(
            startsWith(field, '"'),
            replaceAll(substring(trimRight(field, ' \t'), 2, length(trimRight(field, ' \t')) - 2), '""', '"'),
            field
        ),
        extractAll(
            concat({{ text }}, {{ sql_string(delimiter) }}),
            {{ sql_string(
                '(?s)("(?:[^"]|"")*"' ~ _blanks(delimiter) ~ '|[^' ~ delimiter ~ '"][^' ~ delimiter ~ ']*|)['
                ~ delimiter ~ ']'
            ) }}
        )
    )
{%- endmacro %}

{#
    Patterns match characters, and bytes that are no UTF-8 are none: a text with such bytes is read
    as ISO 8859-1 while it is being cut, in which every byte is a character, and put back after.
#}
{% macro _matchable(text) -%}
    if(is_utf8, {{ text }}, convertCharset({{ text }}, 'ISO-8859-1', 'UTF-8'))
{%- endmacro %}

{% macro _as_it_was(text) -%}
    if(is_utf8, {{ text }}, convertCharset({{ text }}, 'UTF-8', 'ISO-8859-1'))
{%- endmacro %}

{# SQL of the contract's columns from an expression per position: prefix, i (from 1), suffix. #}
{% macro _matched_columns(names, format, prefix, suffix) %}
    {% set match = match_contract(names, format) %}
    {% for column in contract() %}
    {{ prefix ~ (match.sources[column.name] + 1) ~ suffix if column.name in match.sources else "''" }}
        as {{ adapter.quote(column.name) }},
    {% endfor %}
    {% if match.unknown %}
    cast(map(
        {% for column in match.unknown %}
        {{ sql_string(column.name) }}, {{ prefix ~ (column.position + 1) ~ suffix }}{{ ', ' if not loop.last }}
        {% endfor %}
    ), 'Map(LowCardinality(String), String)') as extra_columns,
    {% else %}
    cast(map(), 'Map(LowCardinality(String), String)') as extra_columns,
    {% endif %}
{% endmacro %}

{% macro _csv_records_by_engine(files, names) %}
    {% set structure = [] %}
    {% for name in names %}{% do structure.append('c' ~ loop.index ~ ' String') %}{% endfor %}
    select
        {{ _matched_columns(names, 'csv', 'c', '') }}
        '' as raw_line,
        '' as landing_error,
        _path as path,
        toUInt64(_row_number) + 1 as row_number
    from {{ read_location(joint_location(files), 'CSV', structure | join(', ')) }}
    where _row_number > 0
{% endmacro %}

{#
    Lines that are no record by themselves are joined where they follow one another (at most 64 MiB
    of them at a time), and the text is cut from the left: a record where one begins, else a line.
#}
{% macro _csv_records_by_line(file, names, delimiter) %}
    {% set record = _csv_record_pattern(names | length, delimiter=delimiter) %}
    {% set alone = _csv_record_pattern(names | length, strict=true, delimiter=delimiter) %}
    with
    lines as (
        select line, isValidUTF8(line) as is_utf8, toInt64(_row_number) + 1 as line_number
        from {{ read_location(file.location, 'LineAsString', 'line String') }}
        where _row_number > 0
    ),
    single as (
        select
            {{ _matchable('line') }} as text,
            is_utf8,
            toUInt64(line_number) as row_number,
            true as is_record
        from lines
        where match({{ _matchable('line') }}, {{ sql_string('^' ~ alone ~ '$') }})
    ),
    others as (
        select
            line,
            line_number,
            line_number - row_number() over (order by line_number) as island
        from lines
        where not match({{ _matchable('line') }}, {{ sql_string('^' ~ alone ~ '$') }})
    ),
    sized as (
        select
            *,
            intDiv(sum(length(line)) over (partition by island order by line_number), 67108864) as chunk
        from others
    ),
    joined as (
        select
            min(line_number) as first_line,
            arrayStringConcat(arrayMap(
                item -> concat(item.2, '\n'),
                arraySort(item -> item.1, groupArray((line_number, line)))
            )) as line,
            isValidUTF8(line) as is_utf8
        from sized
        group by island, chunk
    ),
    islands as (
        select
            first_line,
            is_utf8,
            extractAll(
                {{ _matchable('line') }},
                {{ sql_string('(' ~ record ~ '\\n|[^\\n]*\\n)') }}
            ) as texts
        from joined
    ),
    cut as (
        select
            substring(piece.1, 1, length(piece.1) - 1) as text,
            is_utf8,
            toUInt64(first_line + piece.2) as row_number,
            match(text, {{ sql_string('^' ~ record ~ '$') }}) as is_record
        from islands
        array join arrayZip(
            texts,
            arrayPopFront(arrayConcat([0, 0], arrayPopBack(
                arrayCumSum(text -> toInt64(countSubstrings(text, '\n')), texts)
            )))
        ) as piece
    ),
    records as (
        select
            *,
            arrayMap(
                field -> {{ _as_it_was('field') }},
                {{ _csv_fields("replaceRegexpOne(text, '\\r$', '')", delimiter) }}
            ) as fields
        from (
            select * from single
            union all
            select text, is_utf8, row_number, is_record from cut where text not in ('', '\r')
        )
    )
    select
        {{ _matched_columns(names, 'csv', 'if(is_record, fields[', "], '')") }}
        if(is_record, '', {{ _as_it_was('text') }}) as raw_line,
        if(is_record, '', 'malformed_line') as landing_error,
        row_number
    from records
{% endmacro %}
