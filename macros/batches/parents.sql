{#
    What a model is built from, batch by batch: its parents in the graph that say in a ledger what they
    hold for a batch. Found through views, ephemeral models and tables in between, so nothing has to be
    declared.

    A parent is left out when another one is rebuilt, and so has another version, whenever that one
    changes.

    Arguments: node: a model node
    Returns:   list of nodes
#}
{% macro parents(node) %}
    {% set found = _all_parents(node) %}
    {% set carried = [] %}
    {% for parent in found %}{% do carried.extend(_carried(parent)) %}{% endfor %}
    {{ return(found | rejectattr('unique_id', 'in', carried) | list) }}
{% endmacro %}

{#
    A model and everything that it is built from, over all steps.

    Arguments: node: a model node
    Returns:   list of nodes, the model first
#}
{% macro lineage(node) %}
    {% set found = {node.unique_id: node} %}
    {% for parent in parents(node) %}
        {% for ancestor in lineage(parent) %}{% do found.update({ancestor.unique_id: ancestor}) %}{% endfor %}
    {% endfor %}
    {{ return(found.values() | list) }}
{% endmacro %}

{#
    Name under which a model enters its batches into dq_batches; none when it does not.

    Arguments: node: a model node
#}
{% macro ledger_stage(node) %}
    {{ return(node.config.get('stage')) }}
{% endmacro %}

{#
    Parents by the graph. Every model comes after the ledgers there, because it writes to them; what
    people enter for a batch is a parent only of a model that says so (config follows).
#}
{% macro _all_parents(node) %}
    {% set found = {} %}
    {% for name in node.depends_on.nodes if name in graph.nodes %}
        {% set parent = graph.nodes[name] %}
        {% if parent.resource_type != 'model' %}
        {% elif _has_batch_versions(parent) or parent.name in node.config.get('follows', []) %}
            {% do found.update({name: parent}) %}
        {% elif parent.config.materialized != 'ledger' %}
            {% for beyond in _all_parents(parent) %}{% do found.update({beyond.unique_id: beyond}) %}{% endfor %}
        {% endif %}
    {% endfor %}
    {{ return(found.values() | list) }}
{% endmacro %}

{# Steps of the gate, and raw tables (their files are in dq_files). #}
{% macro _has_batch_versions(node) %}
    {{ return(ledger_stage(node) is not none or node.config.materialized == 'landed') }}
{% endmacro %}

{# Ids of the ancestors whose every change gives the model another version. #}
{% macro _carried(node) %}
    {% set ids = [] %}
    {% if not node.config.get('version') and node.config.materialized == 'batches' %}
        {% for parent in _all_parents(node) %}
            {% do ids.append(parent.unique_id) %}
            {% do ids.extend(_carried(parent)) %}
        {% endfor %}
    {% endif %}
    {{ return(ids) }}
{% endmacro %}
