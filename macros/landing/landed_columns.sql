{#
    The columns of a raw table, without rows: the SQL of a model materialized as `landed`.

    Every column of the contract is a String ('' is a missing value); beside them stand what the
    contract does not know, where the row came from, and, for a line that is no record, its text.
#}
{% macro landed_columns() %}
{% if not execute %}{% do ledgers() %}{% endif %}
select
    {% for column in contract() %}
    {{ "cast('', 'LowCardinality(String)')" if column.low_cardinality else "''" }}
        as {{ adapter.quote(column.name) }},
    {% endfor %}
    cast(map(), 'Map(LowCardinality(String), String)') as extra_columns,
    '' as raw_line,
    cast('', 'LowCardinality(String)') as landing_error,
    toUInt64(0) as event_key,
    toDate(0) as batch_date,
    cast('', 'LowCardinality(String)') as file_name,
    toUInt64(0) as row_number,
    toUInt64(0) as file_size,
    toDateTime(0, 'UTC') as file_mtime,
    toDateTime64(0, 3, 'UTC') as landed_at
where false
{% endmacro %}

{#
    INSERT of the records of one file, or of several at once, into a table shaped like the raw table.

    Arguments: relation: where to; files: list, see landing_files; records: SQL that gives the
               contract's columns, extra_columns, raw_line, landing_error, row_number and, where
               there are several files, path; settings: settings of the read, as {name: value}
#}
{% macro insert_records(relation, files, records, settings) %}
insert into {{ relation }} (
    {{ _contract_list() }},
    extra_columns, raw_line, landing_error, event_key,
    batch_date, file_name, row_number, file_size, file_mtime, landed_at
)
select
    {{ _contract_list() }},
    extra_columns,
    raw_line,
    landing_error,
    if(landing_error = '', cityHash64({{ _event_key_parts() }}), 0) as event_key,
    {{ _by_file(files, 'batch_date', 'Date') }} as batch_date,
    {{ _by_file(files, 'file_name', 'String') }} as file_name,
    row_number,
    {{ _by_file(files, 'file_size', 'UInt64') }} as file_size,
    {{ _by_file(files, 'file_mtime', "DateTime('UTC')") }} as file_mtime,
    now64(3, 'UTC') as landed_at
from (
    {{ records }}
)
settings
    {% for name, value in settings.items() %}
    {{ name }} = {{ value }}{{ ',' if not loop.last }}
    {% endfor %}
{% endmacro %}

{# SQL: something known of a file, for the row's file. #}
{% macro _by_file(files, field, type) -%}
    {%- if files | length == 1 -%}
    cast({{ sql_string(files[0][field] | string) }}, {{ sql_string(type) }})
    {%- else -%}
    cast(transform(
        path,
        [{% for file in files %}{{ sql_string(file.path) }}{{ ', ' if not loop.last }}{% endfor %}],
        [{% for file in files %}{{ sql_string(file[field] | string) }}{{ ', ' if not loop.last }}{% endfor %}],
        ''
    ), {{ sql_string(type) }})
    {%- endif -%}
{%- endmacro %}

{% macro _contract_list() -%}
    {% for column in contract() %}{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# What makes two rows the same event: the model's config event_key, times in one spelling. #}
{% macro _event_key_parts() -%}
    {% for name in model.config.event_key -%}
        {{ canonical_time(adapter.quote(name)) if name == model.config.time_column else adapter.quote(name) }}
        {{- ', ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
