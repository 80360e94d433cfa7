{#
    SQL: a rejected row as it arrived, as one JSON object of texts; {} for a line that is no record.

    Arguments: raw_model: name of the stream's raw model, whose contract says which columns;
               stored_as: {contract column: column that holds it here}, where the names differ
#}
{% macro original_row(raw_model, stored_as={}) -%}
    {%- set pairs = [] -%}
    {%- for column in contract(_node(raw_model)) -%}
        {%- do pairs.append("'" ~ column.name ~ "', toString(" ~ stored_as.get(column.name, column.name) ~ ')') -%}
    {%- endfor -%}
    if(
        raw_line != '', '{}',
        toJSONString(mapConcat(
            map({{ pairs | join(', ') or "'', ''" }}), cast(extra_columns, 'Map(String, String)')
        ))
    )
{%- endmacro %}

{#
    SQL: why a row was rejected, in words: the descriptions of its reasons, and the first copy.

    Arguments: model_name: the model whose rules judged it
#}
{% macro reject_text(model_name) -%}
    {%- set names = [] -%}
    {%- set texts = [] -%}
    {%- for rule in _node(model_name).config.get('meta', {}).get('rules', []) -%}
        {%- do names.append(sql_string(rule.name)) -%}
        {%- do texts.append(sql_string(rule.name ~ ': ' ~ rule.description)) -%}
    {%- endfor -%}
    concat(
        arrayStringConcat(
            arrayMap(
                reason -> transform(reason, [{{ names | join(', ') or "''" }}], [{{ texts | join(', ') or "''" }}], reason),
                reject_reasons
            ),
            ' '
        ),
        if(first_copy != '', concat(' First copy: ', first_copy, '.'), '')
    )
{%- endmacro %}

{# A model of the graph by its name; an empty node while dbt only parses. #}
{% macro _node(name) %}
    {% if execute %}
        {% for node in graph.nodes.values() if node.name == name and node.resource_type == 'model' %}
            {{ return(node) }}
        {% endfor %}
    {% endif %}
    {{ return({'columns': {}, 'config': {}}) }}
{% endmacro %}
