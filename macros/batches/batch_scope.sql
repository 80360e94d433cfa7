{#
    The batches that the model being built must (re)build in this statement.

    A batch is pending when what the model's parents hold for it, or for a batch of its lookback or
    lookahead, is not what it was last built from, or when it waits to be published and was last built by
    other SQL, rules, checks, contract or variables (see definition); the ledger dq_batches knows all of
    them. Full refresh makes every batch pending.

    Arguments: none; reads the graph (see parents) and the model's config: stream, stage,
               lookback_batches, lookahead_batches.
    Returns:   list of {batch_date, window, sequence, source_version, rows}, oldest first; window is
               the dates of the batches of the lookback, of the batch and of the lookahead, oldest
               first, with commas between them; sequence counts the stream's batches.
    Example:   where {{ in_scope('batch_date') }}
#}
{% macro batch_scope() %}
    {% if not execute %}{% do ledgers() %}{% endif %}
    {# A model asks many times in one text; the ledger is asked once. What dbt compiles before a
       materialization of its own renders the SQL again needs no answer. #}
    {% if execute and model.batch_scope is not defined and flags.WHICH not in ('build', 'run', 'retry') %}
        {% do model.update({'batch_scope': pending_batches(everything=should_full_refresh())}) %}
    {% endif %}
    {{ return(model.get('batch_scope', [])) }}
{% endmacro %}

{#
    All pending batches of the model being built (see batch_scope).

    Arguments: everything: also those that are up to date
#}
{% macro pending_batches(everything=false) %}
    {% if not execute or ledger_stage(model) is none or is_empty_run() %}
        {{ return([]) }}
    {% endif %}
    {% set is_new = load_cached_relation(this) is none %}
    {% set batches = [] %}
    {% for row in run_query(
        pending_query(model, everything or is_new) ~ ' order by batch_date'
    ).rows %}
        {% do batches.append({
            'batch_date': row.batch_date,
            'window': row.window,
            'sequence': row.sequence | int,
            'source_version': row.source_version,
            'rows': row.rows | int,
        }) %}
    {% endfor %}
    {{ return(batches) }}
{% endmacro %}

{#
    SQL: the batches of a model that are not built from what its parents hold now.

    Arguments: node: a model that is materialized as batches or published; everything: also those that
               are up to date
    Returns:   a query: batch_date String, window, sequence, source_version, rows (see batch_scope)
#}
{% macro pending_query(node, everything=false) %}
        with
        source as (
            select
                batch_date,
                arrayStringConcat(
                    arrayMap(newest -> newest.2, arraySort(groupArray((parent, version)))), ','
                ) as version,
                max(rows) as rows
            from ({{ _parent_versions(node) }})
            group by batch_date
        ),
        windowed as (
            select
                batch_date,
                arrayStringConcat(groupArray(toString(batch_date)) over around, ',') as window_dates,
                row_number() over (order by batch_date) as sequence,
                toString(cityHash64(groupArray((batch_date, version)) over around))
                    as source_version,
                rows
            from source
            window around as (
                order by batch_date
                rows between {{ node.config.get('lookback_batches', 0) }} preceding
                and {{ node.config.get('lookahead_batches', 0) }} following
            )
        )
        select
            toString(batch_date) as batch_date,
            window_dates as window,
            toUInt32(sequence) as sequence,
            source_version,
            toUInt64(rows) as rows
        from windowed
        {% if not everything %}
        where (windowed.batch_date, source_version) not in (
            select batch_date, argMax(source_version, (entry, recorded_at))
            from {{ ref('dq_batches') }}
            where stream = '{{ node.config.stream }}' and stage = '{{ ledger_stage(node) }}'
            group by batch_date
        )
        {% set unpublished = unpublished_batches(node.config.stream) if node.config.materialized == 'batches' %}
        {% if unpublished %}
        or (
            batch_date in ({{ unpublished }})
            and (windowed.batch_date, {{ definition(node) }}) not in (
                select batch_date, argMax(definition, (entry, recorded_at))
                from {{ ref('dq_batches') }}
                where stream = '{{ node.config.stream }}' and stage = '{{ ledger_stage(node) }}'
                group by batch_date
            )
        )
        {% endif %}
        {% endif %}
{% endmacro %}

{# SQL: parent, batch_date, version and rows of everything that a model is built from. #}
{% macro _parent_versions(node) %}
    {% set stages = [] %}
    {% set selects = [] %}
    {% for parent in parents(node) %}
        {% if parent.config.materialized == 'landed' %}
            {% do selects.append(_landed_batches(node.config.stream)) %}
        {% elif parent.config.materialized == 'ledger' %}
            {% do selects.append(_entered_batches(parent, node.config.stream)) %}
        {% else %}
            {% do stages.append(ledger_stage(parent)) %}
        {% endif %}
    {% endfor %}
    {% if stages %}{% do selects.append(_staged_batches(node.config.stream, stages)) %}{% endif %}
    {% if not selects %}
        {{ exceptions.raise_compiler_error(
            'Model ' ~ node.name ~ ' is built from nothing that has batches: it must select from a model '
            ~ 'that is materialized as landed, batches or published.'
        ) }}
    {% endif %}
    {{ return(selects | join(' union all ')) }}
{% endmacro %}

{% macro _landed_batches(stream) %}
            select
                'landed' as parent,
                batch_date,
                if(max(entry) > 0, toString(max(entry)), toString(max(landed_at))) as version,
                sumIf(rows_landed, is_newest) as rows
            from (
                select
                    *,
                    row_number() over (
                        partition by file_name order by entry desc, landed_at desc
                    ) = 1 as is_newest
                from {{ ref('dq_files') }}
                where stream = '{{ stream }}' and status = 'landed'
            )
            group by batch_date
{% endmacro %}

{# What people enter for a batch: every entry is another version. #}
{% macro _entered_batches(ledger, stream) %}
            select
                '{{ ledger.name }}' as parent,
                batch_date,
                toString((count(), max(entry))) as version,
                toUInt64(0) as rows
            from {{ ref(ledger.name) }}
            where stream = '{{ stream }}'
            group by batch_date
{% endmacro %}

{% macro _staged_batches(stream, stages) %}
            select
                toString(stage) as parent,
                batch_date,
                argMax(version, (entry, recorded_at)) as version,
                argMax(rows, (entry, recorded_at)) as rows
            from {{ ref('dq_batches') }}
            where stream = '{{ stream }}' and stage in ('{{ stages | join("', '") }}')
            group by batch_date, parent
{% endmacro %}
