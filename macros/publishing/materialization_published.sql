{#
    Materialization `published`: the table that people read, changed only batch by batch and only
    where the gate says so (write, audit, publish).

    For every batch whose gate decision is new: when it is publish (or released), the candidate's
    partitions of that batch replace the published ones, each at once and without a copy, and
    published partitions that the candidate no longer has are dropped; when it is hold, what was
    published before stays untouched. Works for any candidate and target of equal structure.

    A candidate that also reads the batch after (its lookahead_batches) is not published anew while that
    one is held: what a held batch says of the day before stays out of sight as well.

    A batch that the gate has not decided on as the candidate is now, or that was judged by other SQL,
    rules, checks, contract or variables than those of this run, stays pending.

    Config: stream, stage: as in the materialization `batches`. The model's SQL is
            {{ '{{ published_from(candidate, where, gate) }}' }}.
    Errors: when the structures differ: in which column, and what to run. --full-refresh builds the
            table anew from the approved batches; of held ones it keeps the rows it had.
#}
{% materialization published, adapter='clickhouse' %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set candidate = ref(model.config.candidate) %}
    {% set is_new = load_cached_relation(this) is none %}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') %}select 1{% endcall %}
    {% do drop_leftovers(target_relation) %}

    {% if is_new %}
        {% do run_query(
            'create table ' ~ target_relation ~ ' ' ~ on_cluster_clause(target_relation) ~ ' as ' ~ candidate.render()
        ) %}
    {% endif %}
    {% set difference = structure_difference(
        adapter.get_columns_in_relation(candidate), adapter.get_columns_in_relation(target_relation)
    ) %}
    {% if difference and (is_empty_run() or not should_full_refresh()) %}
        {{ exceptions.raise_compiler_error(
            model.name ~ ' cannot take partitions of ' ~ model.config.candidate ~ ': ' ~ difference
            ~ '. Run dbt build --full-refresh --select ' ~ model.name ~ ' once.'
        ) }}
    {% endif %}

    {% set batches = pending_batches(everything=is_new or should_full_refresh()) %}
    {% set batches = _not_before_a_held_one(batches) %}
    {% set decisions = _decisions(batches) %}
    {% set undecided = _with_candidate(batches | rejectattr('batch_date', 'in', decisions) | list) %}
    {% if undecided %}
        {{ log(
            model.name ~ ': not judged by the rules of this run and not published: '
            ~ undecided | join(', ') ~ '; build what comes before it as well',
            info=true
        ) }}
    {% endif %}
    {% set batches = batches | selectattr('batch_date', 'in', decisions) | list %}
    {% set approved = [] %}
    {% for batch in batches if decisions[batch.batch_date] in ('publish', 'released') %}
        {% do approved.append(batch) %}
    {% endfor %}
    {% if difference %}
        {% set rebuilt_relation = helper_relation(target_relation, 'rebuilt') %}
        {% do clone_empty(rebuilt_relation, candidate) %}
        {% do _publish(rebuilt_relation, candidate, approved) %}
        {% do _keep_others(rebuilt_relation, target_relation, approved) %}
        {% do exchange_tables_atomic(rebuilt_relation, target_relation) %}
        {% do run_query('drop table ' ~ rebuilt_relation ~ ' ' ~ on_cluster_clause(rebuilt_relation)) %}
        {% do run_query('system start merges ' ~ target_relation) %}
    {% else %}
        {% do _publish(target_relation, candidate, approved) %}
    {% endif %}
    {% do record_batches(target_relation, batches) %}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# What the gate says of these batches as their candidate is now: {date: decision}. #}
{% macro _decisions(batches) %}
    {% set decisions = {} %}
    {% set gate = _node(model.config.gate) %}
    {% if batches %}
        {% set query %}
            select toString(batch_date) as batch_date, toString(decision) as decision
            from {{ ref(model.config.gate) }}
            where
                stream = '{{ model.config.stream }}'
                and batch_date in ('{{ batches | map(attribute='batch_date') | join("', '") }}')
                {% if ledger_stage(gate) is not none %}
                and batch_date in (
                    -- A decision older than what the candidate is now is about something else.
                    select batch_date
                    from (
                        select
                            batch_date,
                            maxIf((entry, recorded_at), stage = '{{ ledger_stage(gate) }}') as decided,
                            arraySort(groupArrayIf(
                                (entry, recorded_at, version),
                                stage = '{{ ledger_stage(_node(model.config.candidate)) }}'
                            )) as built,
                            arrayLastIndex(other -> other.3 != built[-1].3, built) as last_other
                        from {{ ref('dq_batches') }}
                        where stream = '{{ model.config.stream }}'
                        group by batch_date
                    )
                    where decided >= (built[last_other + 1].1, built[last_other + 1].2)
                )
                {% endif %}
                and batch_date not in ({{ judged_otherwise(model) }})
        {% endset %}
        {% for row in run_query(query).rows %}
            {% do decisions.update({row.batch_date: row.decision}) %}
        {% endfor %}
    {% endif %}
    {{ return(decisions) }}
{% endmacro %}

{# The dates of those of the batches that the candidate was built for: of a missing one there is nothing to publish. #}
{% macro _with_candidate(batches) %}
    {% if not batches %}{{ return([]) }}{% endif %}
    {% set query %}
        select distinct toString(batch_date) as batch_date
        from {{ ref('dq_batches') }}
        where
            stream = '{{ model.config.stream }}'
            and stage = '{{ ledger_stage(_node(model.config.candidate)) }}'
            and batch_date in ('{{ batches | map(attribute='batch_date') | join("', '") }}')
        order by batch_date
    {% endset %}
    {{ return(run_query(query).rows | map(attribute='batch_date') | list) }}
{% endmacro %}

{# Those of the batches that may be published now; the others stay pending. #}
{% macro _not_before_a_held_one(batches) %}
    {% if not batches or not _node(model.config.candidate).config.get('lookahead_batches') %}
        {{ return(batches) }}
    {% endif %}
    {% set query %}
        select toString(batch_date) as batch_date
        from {{ ref('dq_batches') }}
        where
            stream = '{{ model.config.stream }}'
            and stage = '{{ model.config.stage }}'
            and batch_date in (
                select batch_date - 1 from {{ ref(model.config.gate) }}
                where stream = '{{ model.config.stream }}' and decision = 'hold'
            )
    {% endset %}
    {% set waiting = run_query(query).rows | map(attribute='batch_date') | list %}
    {{ return(batches | rejectattr('batch_date', 'in', waiting) | list) }}
{% endmacro %}

{% macro _publish(relation, candidate, batches) %}
    {% if batches %}
        {% do replace_partitions(
            relation, candidate, _stream_condition(relation, batches) ~ ' and ' ~ model.config.publish_where
        ) %}
    {% endif %}
{% endmacro %}

{# Copy the rows of batches that are not published now from the table as it was, by column name. #}
{% macro _keep_others(relation, former, batches) %}
    {% set names = adapter.get_columns_in_relation(former) | map(attribute='name') | list %}
    {% set columns = [] %}
    {% for column in adapter.get_columns_in_relation(relation) if column.name in names %}
        {% do columns.append(column.quoted) %}
    {% endfor %}
    {% do run_query(
        'insert into ' ~ relation ~ ' (' ~ columns | join(', ') ~ ') select ' ~ columns | join(', ')
        ~ ' from ' ~ former
        ~ (" where not (" ~ _stream_condition(relation, batches) ~ ')' if batches else '')
    ) %}
{% endmacro %}
