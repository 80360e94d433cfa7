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
    NULL for anything else, and for numbers that do not fit. The engine's own parser also takes "-" and
    "." for zero; the pattern does not.

    Arguments: column: SQL of the JSON text; key: name of the value
#}
{% macro json_decimal(column, key) -%}
    if(
        match({{ json_text(column, key) }}, '^[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?$'),
        toDecimal64OrNull({{ json_text(column, key) }}, 4),
        null
    )
{%- endmacro %}
