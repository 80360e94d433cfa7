{#
    SQL: what a model judges its batches by in this run, as a text that changes whenever its SQL or
    rules, a macro, variable or view that it uses, a seed that it reads (as loaded) or the contract of
    the raw table that it reads does.

    Models before it have a definition of their own: when one builds a batch again, those after it follow.

    Arguments: node: a model node
    Example:   select {{ definition(model) }}
#}
{% macro definition(node) %}
    {% set node = graph.nodes[node.unique_id] %}
    {% if node.definition is not defined %}
        {% set found = {'parts': [], 'macros': [], 'seeds': []} %}
        {% do _define(node, found) %}
        {% set seeds = [] %}
        {% for seed in found.seeds %}
            {% do seeds.append(
                '(select toString(sum(cityHash64(*))) from ' ~ _relation_of(graph.nodes[seed]) ~ ')'
            ) %}
        {% endfor %}
        {% do node.update({
            'definition': 'concat(' ~ (["'" ~ local_md5(tojson(found.parts))[:12] ~ "'", "''"] + seeds) | join(', ') ~ ')'
        }) %}
    {% endif %}
    {{ return(node.definition) }}
{% endmacro %}

{# Variables that say when and how much at a time, and not what is right. #}
{% macro _operational_variables() %}
    {{ return(['as_of', 'landing', 'max_bytes_per_landing', 'max_rows_per_statement']) }}
{% endmacro %}

{# Collect the texts of a node and of everything beside the ledger's steps that it is made of. #}
{% macro _define(node, found) %}
    {% do found.parts.append([node.raw_code, node.config.get('meta', {}).get('rules', [])]) %}
    {% do _add_variables(node.raw_code, found) %}
    {% for name in node.depends_on.macros %}{% do _add_macro(name, found) %}{% endfor %}
    {% for name in node.depends_on.nodes if name in graph.nodes %}
        {% set parent = graph.nodes[name] %}
        {% if parent.resource_type == 'seed' %}
            {% if name not in found.seeds %}{% do found.seeds.append(name) %}{% endif %}
        {% elif parent.config.materialized == 'landed' %}
            {% do found.parts.append(contract(parent)) %}
        {% elif parent.resource_type == 'model' and parent.config.materialized in ('view', 'ephemeral') %}
            {% do _define(parent, found) %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{# The SQL of a macro and of those that it calls; dbt's own are the same for all. #}
{% macro _add_macro(id, found) %}
    {% set package, name = id.split('.')[1:] %}
    {% if id not in found.macros and name in context.get(package, {}) %}
        {% do found.macros.append(id) %}
        {% set its = context[package][name].macro %}
        {% do found.parts.append(its.macro_sql) %}
        {% do _add_variables(its.macro_sql, found) %}
        {% for other in its.depends_on.macros %}{% do _add_macro(other, found) %}{% endfor %}
    {% endif %}
{% endmacro %}

{% macro _add_variables(text, found) %}
    {% for name in modules.re.findall("var\\(['\"]([A-Za-z0-9_]+)", text) if name not in _operational_variables() %}
        {% do found.parts.append([name, var(name, none)]) %}
    {% endfor %}
{% endmacro %}

{% macro _relation_of(node) %}
    {{ return(api.Relation.create(database=none, schema=node.schema, identifier=node.alias)) }}
{% endmacro %}

{#
    SQL: batches of a stream of which something else is published than what is built: those that wait
    for the gate or for what comes after it, and those that it holds. A change of definitions makes
    these, and no others, pending again.

    Arguments: stream: its name
    Returns:   a query with batch_date String; none for a stream that publishes nothing
#}
{% macro unpublished_batches(stream) %}
    {% set selects = [] %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' %}
        {% if node.config.materialized == 'published' and node.config.stream == stream %}
            {% set waiting = pending_query(node) %}
            {% do selects.append('select batch_date from (' ~ waiting ~ ')') %}
            {% set gate = _node(node.config.gate) %}
            {% set held %}
                select toString(batch_date) as batch_date from {{ _relation_of(gate) }}
                where stream = '{{ stream }}' and decision = 'hold'
            {% endset %}
            {% if held not in selects and load_cached_relation(_relation_of(gate)) is not none %}{% do selects.append(held) %}{% endif %}
        {% endif %}
    {% endfor %}
    {{ return(selects | join(' union distinct ')) }}
{% endmacro %}

{#
    SQL: batches that a model before this one built by another definition than that of this run.

    Arguments: node: a model node
    Returns:   a query with batch_date
#}
{% macro judged_otherwise(node) %}
    {% set cases = [] %}
    {% set stages = [] %}
    {% for before in lineage(node) if before.unique_id != node.unique_id and before.config.materialized == 'batches' %}
        {% do stages.append(ledger_stage(before)) %}
        {% do cases.append("stage = '" ~ ledger_stage(before) ~ "', " ~ definition(before)) %}
    {% endfor %}
                    select batch_date
                    from (
                        select batch_date, stage, argMax(definition, (entry, recorded_at)) as built_by
                        from {{ ref('dq_batches') }}
                        where stream = '{{ node.config.stream }}' and stage in ('{{ stages | join("', '") }}')
                        group by batch_date, stage
                    )
                    where built_by != multiIf({{ cases | join(', ') }}, '')
{% endmacro %}
