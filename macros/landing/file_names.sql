{#
    What a file's name says of it.

    Arguments: file_name: below its location; pattern: glob that the last part of it must match to
               belong to the stream; none where the location itself says which files
    Returns:   {format: csv, jsonl, parquet, avro or '', reason: why it is not read, '' when it is,
               is_of_other_stream: another stream of the project reads it}
    Example:   classify_file('Events_20250101.csv', 'events_*') is left alone because of its case
#}
{% macro classify_file(file_name, pattern) %}
    {% set kind = modules.re.search(
        '[.](csv|tsv|tab|jsonl|ndjson|parquet|avro)(?:[.](?:gz|zst|bz2|xz|lz4))?$', file_name | lower
    ) %}
    {% set format = {
        'csv': 'csv', 'tsv': 'csv', 'tab': 'csv', 'jsonl': 'jsonl', 'ndjson': 'jsonl', 'parquet': 'parquet',
        'avro': 'avro',
    }[kind.group(1)] if kind else '' %}
    {% set name = file_name.rpartition('/')[2] %}
    {% set ns = namespace(is_of_other_stream=false) %}
    {% set reason = '' %}
    {% if pattern and not _matches_glob(name, pattern) %}
        {% for node in graph.nodes.values() if node.config.get('materialized') == 'landed' %}
            {% if _matches_glob(name, node.config.files) %}{% set ns.is_of_other_stream = true %}{% endif %}
        {% endfor %}
        {% set reason = (
            'named like ' ~ pattern ~ ' but for upper and lower case'
            if _matches_glob(name | lower, pattern | lower) else 'not named ' ~ pattern
        ) %}
    {% elif not format %}
        {% set reason = 'not a known kind of file' %}
    {% endif %}
    {{ return({'format': format, 'reason': reason, 'is_of_other_stream': ns.is_of_other_stream}) }}
{% endmacro %}

{% macro _matches_glob(name, glob) %}
    {% set pattern = modules.re.escape(glob).replace('\\*', '[^/]*').replace('\\?', '[^/]') %}
    {{ return(modules.re.match('(?s:' ~ pattern ~ ')$', name) is not none) }}
{% endmacro %}

{#
    The day that a file's name says: the first date in it that exists, year first, with - _ . / or
    nothing between its parts.

    Arguments: file_name: below its location
    Returns:   {date: 'YYYY-MM-DD' or none, error: why what looks like a date is none, or ''}
    Example:   events_2025_05_28.csv is of 2025-05-28; events_20251332.csv has an error;
               events_12345678.csv and events_latest.csv have no date and no error
#}
{% macro date_in_name(file_name) %}
    {% set ns = namespace(date=none, impossible=none) %}
    {% for candidate in modules.re.finditer(
        '(?<![0-9])((?:19|20|21)[0-9]{2})([-_./]?)([0-9]{2})\\2([0-9]{2})(?![0-9])'
        ~ '|(?<![0-9])((?:19|20|21)[0-9]{2})()([0-9]{2})([0-9]{2})(?=[0-9])',
        file_name
    ) if ns.date is none %}
        {% set parts = candidate.groups() | reject('none') | list %}
        {% set year, month, day = parts[0] | int, parts[2] | int, parts[3] | int %}
        {% set begin = modules.datetime.date(year, month, 1) if 1 <= month <= 12 else none %}
        {% set date = begin + modules.datetime.timedelta(days=day - 1) if begin and day >= 1 else none %}
        {% if date and date.month == month and '1970-01-01' < date | string < '2149-06-06' %}
            {% set ns.date = date | string %}
        {% elif candidate.group(1) and ns.impossible is none %}
            {% set ns.impossible = candidate.group(0) %}
        {% endif %}
    {% endfor %}
    {{ return({
        'date': ns.date,
        'error': (
            'its name says ' ~ ns.impossible ~ ', which is no date: rename it'
            if ns.impossible and ns.date is none else ''
        ),
    }) }}
{% endmacro %}

{# SQL: a file name as text, bytes as \xE9 where it is no UTF-8. Arguments: name: SQL of it #}
{% macro _readable_name(name) -%}
    if(
        isValidUTF8({{ name }}),
        toString({{ name }}),
        arrayStringConcat(arrayMap(
            position -> if(
                ascii(substring({{ name }}, position, 1)) between 32 and 126,
                substring({{ name }}, position, 1),
                concat('\\x', hex(substring({{ name }}, position, 1)))
            ),
            range(1, length({{ name }}) + 1)
        ))
    )
{%- endmacro %}
