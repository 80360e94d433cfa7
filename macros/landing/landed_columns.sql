{#
    The columns of a raw table, without rows: the SQL of a model materialized as `landed`.

    Every column of the contract is a String ('' is a missing value); beside them stand what the
    contract does not know, where the row came from, and, for a line that is no record, its text.
#}
{% macro landed_columns() %}
select
    {% for column in contract() %}
    '' as {{ adapter.quote(column.name) }},
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
    INSERT of the records of one file into a table shaped like the raw table.

    Arguments: relation: where to; file: see landing_files; records: SQL that gives the contract's
               columns, extra_columns, raw_line, landing_error and row_number;
               settings: settings of the read, as {name: value}
#}
{% macro insert_records(relation, file, records, settings) %}
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
    toDate('{{ file.batch_date }}') as batch_date,
    {{ sql_string(file.file_name) }} as file_name,
    row_number,
    toUInt64({{ file.file_size }}) as file_size,
    toDateTime('{{ file.file_mtime }}', 'UTC') as file_mtime,
    now64(3, 'UTC') as landed_at
from (
    {{ records }}
)
settings
    {% for name, value in settings.items() %}
    {{ name }} = {{ value }}{{ ',' if not loop.last }}
    {% endfor %}
{% endmacro %}

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
