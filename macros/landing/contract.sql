{#
    The columns that a stream's files are expected to have: those of its raw model whose YAML says
    `config: meta: {contract: true}`.

    Arguments: node: a model node; the one being built when left out
    Returns:   list of {name, aliases, mandatory, sparse, low_cardinality} in the order of the YAML
               aliases:   other names that the column comes under
               mandatory: a file without it holds its batch
               sparse:    rows that do not need it may leave it out of a JSON line
               low_cardinality: few different values; kept as a dictionary
#}
{% macro contract(node=none) %}
    {% set columns = [] %}
    {% for column in (node or model).columns.values() %}
        {% set meta = column.config.meta if column.config else column.meta %}
        {% if meta.get('contract') %}
            {% do columns.append({
                'name': column.name,
                'aliases': meta.get('aliases', []),
                'mandatory': meta.get('mandatory', false),
                'sparse': meta.get('sparse', false),
                'low_cardinality': meta.get('low_cardinality', false),
            }) %}
        {% endif %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{#
    Which column of a file is which column of the contract.

    A name is the column's own, one of its aliases, or, where none of these is there, one of them in
    another case.

    Arguments: names: the column names that the file has, in its order; format: csv, jsonl, ...
    Returns:   {sources: {contract column: position in names}, missing: [names],
                renamed: {alias: contract column}, respelled: {name in another case: contract column},
                unknown: [{name, position}]}
               missing counts mandatory and optional columns; of a repeated name the first is
               taken, the others are unknown columns named name__2, name__3
#}
{% macro match_contract(names, format) %}
    {% set sources = {} %}
    {% set renamed = {} %}
    {% set respelled = {} %}
    {% set missing = [] %}
    {% set unknown = [] %}
    {% set lower_names = names | map('lower') | list %}
    {% for column in contract() %}
        {% for candidate in [column.name] + column.aliases if column.name not in sources %}
            {% if candidate in names %}
                {% do sources.update({column.name: names.index(candidate)}) %}
                {% if candidate != column.name %}{% do renamed.update({candidate: column.name}) %}{% endif %}
            {% endif %}
        {% endfor %}
        {% for candidate in [column.name] + column.aliases if column.name not in sources %}
            {% if candidate | lower in lower_names %}
                {% set position = lower_names.index(candidate | lower) %}
                {% do sources.update({column.name: position}) %}
                {% do respelled.update({names[position]: column.name}) %}
            {% endif %}
        {% endfor %}
        {# JSON lines may spell a name either way from line to line: all of them are known there. #}
        {% if format == 'jsonl' %}
            {% set own = [column.name] + column.aliases %}
            {% for name in names if name != column.name and name | lower in own | map('lower') | list %}
                {% do (renamed if name in own else respelled).update({name: column.name}) %}
            {% endfor %}
        {% endif %}
        {% if column.name not in sources and not (column.sparse and format == 'jsonl') %}
            {% do missing.append(column.name) %}
        {% endif %}
    {% endfor %}
    {% set taken = sources.values() | list %}
    {% for name in names %}
        {% set copies = names[:loop.index0].count(name) %}
        {% if loop.index0 not in taken and (format != 'jsonl' or name not in renamed and name not in respelled) %}
            {% do unknown.append({
                'name': name if copies == 0 else name ~ '__' ~ (copies + 1),
                'position': loop.index0,
            }) %}
        {% endif %}
    {% endfor %}
    {{ return({
        'sources': sources, 'missing': missing, 'renamed': renamed, 'respelled': respelled, 'unknown': unknown
    }) }}
{% endmacro %}
