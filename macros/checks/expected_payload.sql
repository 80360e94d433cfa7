{#
    SQL: the fields, with their JSON types, that a payload may have, as texts like 'revenue: Double'.

    They are stated in the contract: config.meta.payload of the column, {field: [types]}, a field of
    the items as items[].field, types as JSONType names them. Null is allowed everywhere: whether a
    value must be there is a rule's business.

    Arguments: raw_model: name of the stream's raw model; column: the column that holds the payload
#}
{% macro expected_payload(raw_model, column) -%}
    {%- set fields = [] -%}
    {%- set payload = _node(raw_model).columns.get(column, {}).get('config', {}).get('meta', {}).get('payload', {}) -%}
    {%- for field, types in payload.items() -%}
        {%- for type in types + ['Null'] -%}
            {%- do fields.append(sql_string(field ~ ': ' ~ type)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ fields | join(', ') or "''" }}
{%- endmacro %}
