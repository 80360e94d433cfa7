{#
    The row rules of a model, as its YAML states them under config.meta.rules, checked.

    Each rule is {name, predicate, action, description, remediation, final}:
        name:        the code that shows up in reject_reasons or warnings; lower case and _
        predicate:   SQL over the model's columns, true for a bad row; NULL counts as true
        action:      reject or warn
        description, remediation: for the person who reads the code in a report
        final:       optional; when it holds for a row, no other rule is reported for it

    Arguments: action: only the rules with this action; all when left out
    Returns:   list of rules, in the order of the YAML
    Errors:    a compile error that names the rule and says what to write
#}
{% macro rules(action=none) %}
    {% set all_rules = model_under_build().config.meta.get('rules', []) %}
    {% set names = [] %}
    {% for rule in all_rules %}
        {% set name = rule.get('name', '') | string %}
        {% if not modules.re.fullmatch('[a-z][a-z0-9_]*', name) %}
            {{ _rule_error(name, 'has no usable name: write name: and lower case letters, digits and _') }}
        {% elif name in names %}
            {{ _rule_error(name, 'is there twice: rename or remove one of the two') }}
        {% elif not (rule.get('predicate') or '') | string | trim %}
            {{ _rule_error(name, "has no predicate: write predicate: and SQL that is true for a bad row, for example client_id = ''") }}
        {% elif rule.get('action') not in ['reject', 'warn'] %}
            {{ _rule_error(name, 'has the action ' ~ rule.get('action') ~ ': write action: reject or action: warn') }}
        {% endif %}
        {% for field in rule if field not in ['name', 'predicate', 'action', 'description', 'remediation', 'final'] %}
            {{ _rule_error(name, 'has the unknown field ' ~ field ~ ': a rule has name, predicate, action, description, remediation and final') }}
        {% endfor %}
        {% do names.append(name) %}
    {% endfor %}
    {{ return(all_rules if action is none else all_rules | selectattr('action', 'equalto', action) | list) }}
{% endmacro %}

{% macro _rule_error(name, problem) %}
    {{ exceptions.raise_compiler_error('Rule ' ~ (name or '(unnamed)') ~ ' of model ' ~ model.name ~ ' ' ~ problem ~ '.') }}
{% endmacro %}

{# Twelve characters that change when a rule's name, predicate, action or finality does. #}
{% macro rule_set_version() %}
    {% set parts = [] %}
    {% for rule in rules() %}
        {% do parts.append([rule.name, rule.predicate | trim, rule.action, rule.get('final', false)]) %}
    {% endfor %}
    {{ return(local_md5(tojson(parts))[:12]) }}
{% endmacro %}

{# The model being built or, in a unit test, the model under test: whose rules and settings apply. #}
{% macro model_under_build() %}
    {{ return(graph.nodes[model.tested_node_unique_id] if model.resource_type == 'unit_test' else model) }}
{% endmacro %}
