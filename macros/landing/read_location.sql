{#
    The table function that reads a location: file(), s3() or url(), by how the location begins.

    Credentials are the engine's own (environment, instance role, named collection): none pass
    through dbt.

    Arguments: location:  path or glob, s3://bucket/key, or http(s)://...
               format:    a ClickHouse input format
               structure: "name Type, ..."; empty lets the engine read it from the file
               compression: none reads a compressed file as it is; by its name when left out
    Example:   select line from {{ read_location('data/a.csv', 'LineAsString', 'line String') }}
#}
{% macro read_location(location, format, structure='', compression='') %}
    {%- if location.startswith('s3://') -%}
        {%- set function = 's3' -%}
    {%- elif location.startswith(('http://', 'https://')) -%}
        {%- set function = 'url' -%}
    {%- else -%}
        {%- set function = 'file' -%}
    {%- endif -%}
    {{ function }}({{ sql_string(location) }}, '{{ format }}'
    {%- if structure %}, {{ sql_string(structure) }}{% endif %}
    {%- if compression %}, '{{ compression }}'{% endif %})
{%- endmacro %}

{# A text as a ClickHouse string literal. Arguments: text #}
{% macro sql_string(text) -%}
    '{{ text | replace('\\', '\\\\') | replace("'", "\\'") }}'
{%- endmacro %}

{# SQL: a text without the UTF-8 byte order mark it may begin with. Arguments: text: SQL of it #}
{% macro without_bom(text) -%}
    if(startsWith({{ text }}, unhex('EFBBBF')), substring({{ text }}, 4), {{ text }})
{%- endmacro %}
