{#
    In what the columns of two tables differ, in words; '' when they are the same in name, type and
    order.

    Arguments: wanted, present: lists of columns as the adapter gives them
    Example:   column utm_id String is new; column channel is String, was LowCardinality(String)
#}
{% macro structure_difference(wanted, present) %}
    {% set problems = [] %}
    {% set types = {} %}
    {% for column in present %}{% do types.update({column.name: column.data_type}) %}{% endfor %}
    {% for column in wanted %}
        {% if column.name not in types %}
            {% do problems.append('column ' ~ column.name ~ ' ' ~ column.data_type ~ ' is new') %}
        {% elif types[column.name] != column.data_type %}
            {% do problems.append('column ' ~ column.name ~ ' is ' ~ column.data_type ~ ', was ' ~ types[column.name]) %}
        {% endif %}
    {% endfor %}
    {% set names = wanted | map(attribute='name') | list %}
    {% for column in present if column.name not in names %}
        {% do problems.append('column ' ~ column.name ~ ' is gone') %}
    {% endfor %}
    {% if not problems and names != present | map(attribute='name') | list %}
        {% do problems.append('the order of the columns is another') %}
    {% endif %}
    {{ return(problems | join('; ')) }}
{% endmacro %}
