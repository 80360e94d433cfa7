{#
    On-run-end hook: fails a whole run that leaves a landed batch without the gate's decision, as when
    a stream was added and nothing judges it.

    Runs of a part of the project (--select, --exclude, --selector, --resource-type), --empty, and runs
    that failed already are not asked.

    Arguments: results: dbt's results of the run
    Errors:    a compile error, one line, that names each stream and its batches
#}
{% macro require_decisions(results) %}
    {% set files = ref('dq_files') %}
    {% if execute and _is_whole_run(results) %}
        {% set streams = [] %}
        {% set gates = [] %}
        {% for node in graph.nodes.values() if node.resource_type == 'model' %}
            {% if node.config.materialized == 'landed' %}
                {% do streams.append(node.config.stream) %}
            {% elif node.config.materialized == 'published' and node.config.gate not in gates %}
                {% do gates.append(node.config.gate) %}
            {% endif %}
        {% endfor %}
        {% set decided = [] %}
        {% for gate in gates %}
            {% do decided.append('select stream, batch_date from ' ~ _relation_of(_node(gate))) %}
        {% endfor %}
        {% set query %}
            select stream, arrayStringConcat(arraySort(groupUniqArray(toString(batch_date))), ', ') as batches
            from {{ files }}
            where
                status = 'landed'
                and stream in ('{{ streams | join("', '") }}')
                {% if decided %}and (stream, batch_date) not in ({{ decided | join(' union all ') }}){% endif %}
            group by stream
            order by stream
        {% endset %}
        {% set undecided = [] %}
        {% for row in run_query(query).rows %}{% do undecided.append(row.stream ~ ': ' ~ row.batches) %}{% endfor %}
        {% if undecided %}
            {{ exceptions.raise_compiler_error(
                'Landed and not judged, the gate has no decision on ' ~ undecided | join('; ')
                ~ '. Give the stream its evaluated, metrics, checks and gate models, or remove its raw model.'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro _is_whole_run(results) %}
    {% if flags.WHICH not in ['build', 'run'] or is_empty_run() %}{{ return(false) }}{% endif %}
    {% for part in ['select', 'exclude', 'selector', 'resource_types'] if invocation_args_dict.get(part) %}
        {{ return(false) }}
    {% endfor %}
    {% if 'model' in invocation_args_dict.get('exclude_resource_types', []) %}{{ return(false) }}{% endif %}
    {{ return(results | rejectattr('status', 'in', ['success', 'pass', 'warn', 'no-op']) | list == []) }}
{% endmacro %}
