{#
    SQL: a value of a JSON object as text: a string without its quotes, null or nothing as '', any
    other value as it is spelled.

    Arguments: column: SQL of the JSON text; key: name of the value
#}
{% macro json_text(column, key) -%}
    if(
        JSONType({{ column }}, '{{ key }}') = 'String',
        JSONExtractString({{ column }}, '{{ key }}'),
        if(JSONExtractRaw({{ column }}, '{{ key }}') = 'null', '', JSONExtractRaw({{ column }}, '{{ key }}'))
    )
{%- endmacro %}

{#
    SQL: a value of a JSON object as Nullable(Decimal(18, 4)), from a number or a text of digits;
    NULL for anything else, and for numbers that do not fit.

    Arguments: column: SQL of the JSON text; key: name of the value
#}
{% macro json_decimal(column, key) -%}
    toDecimal64OrNull({{ json_text(column, key) }}, 4)
{%- endmacro %}
