{#
    The batches that the model being built must (re)build in this statement.

    A batch is pending for a stage when what its source stage holds is not what the stage was last
    built from; the ledger dq_batches knows both. Full refresh makes every batch pending.

    Arguments: none; reads the model's config: stream, stage, after (one stage or a list of them),
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
    {% if not execute or model.config.get('stage') is none or is_empty_run() %}
        {{ return([]) }}
    {% endif %}
    {% set lookback = model.config.get('lookback_batches', 0) %}
    {% set lookahead = model.config.get('lookahead_batches', 0) %}
    {% set query %}
        with
        source as (
            {% if model.config.after == 'landed' %}
            {{ _landed_batches(model.config.stream) }}
            {% else %}
            {{ _staged_batches(model.config.stream, model.config.after) }}
            {% endif %}
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
                rows between {{ lookback }} preceding and {{ lookahead }} following
            )
        )
        select
            toString(batch_date) as batch_date,
            window_dates as window,
            toUInt32(sequence) as sequence,
            source_version,
            toUInt64(rows) as rows
        from windowed
        {% if not everything and load_cached_relation(this) is not none %}
        where (batch_date, source_version) not in (
            select batch_date, argMax(source_version, (entry, recorded_at))
            from {{ ref('dq_batches') }}
            where stream = '{{ model.config.stream }}' and stage = '{{ model.config.stage }}'
            group by batch_date
        )
        {% endif %}
        order by batch_date
    {% endset %}
    {% set batches = [] %}
    {% for row in run_query(query).rows %}
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

{% macro _landed_batches(stream) %}
            select
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

{% macro _staged_batches(stream, after) %}
    {% set stages = [after] if after is string else after %}
            select
                batch_date,
                arrayStringConcat(arrayMap(
                    newest -> newest.2, arraySort(groupArray((toString(stage), newest_version)))
                ), ',') as version,
                max(newest_rows) as rows
            from (
                select
                    batch_date,
                    stage,
                    argMax(version, (entry, recorded_at)) as newest_version,
                    argMax(rows, (entry, recorded_at)) as newest_rows
                from {{ ref('dq_batches') }}
                where stream = '{{ stream }}' and stage in ('{{ stages | join("', '") }}')
                group by batch_date, stage
            )
            group by batch_date
{% endmacro %}
