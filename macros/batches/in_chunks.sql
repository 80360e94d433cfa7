{#
    Items in lists, in their order, so that one statement does not take more than so much of them.

    Arguments: items: list of mappings; weight: key of what counts; limit: of a list's sum, exceeded
               only by an item that does so alone
    Returns:   list of lists, none of them empty
#}
{% macro in_chunks(items, weight, limit) %}
    {% set state = namespace(sum=0) %}
    {% set chunks = [] %}
    {% for item in items %}
        {% if not chunks or state.sum + item[weight] > limit %}
            {% do chunks.append([]) %}
            {% set state.sum = 0 %}
        {% endif %}
        {% do chunks[-1].append(item) %}
        {% set state.sum = state.sum + item[weight] %}
    {% endfor %}
    {{ return(chunks) }}
{% endmacro %}
