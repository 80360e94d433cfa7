{#
    Materialization `batches`: a table that is rebuilt batch by batch.

    The model's SQL gives the rows of the batches in its scope (see batch_scope, in_scope). They are
    written beside the table; then each of these batches' partitions is replaced in one step, or
    dropped where the batch has no rows any more. Last, the ledger dq_batches is written, so a run
    killed before that does the same again. Batches are taken together up to max_rows_per_statement.

    Which batches are pending follows from the model's parents in the graph (see parents).

    Config: stream, stage: name of this step in the ledger; lookback_batches, lookahead_batches: how
            many batches before and after a batch its rows depend on (default 0);
            follows: names of ledgers whose entries for a batch make it build that batch again;
            one_by_one: true gives the SQL one batch at a time, oldest first, so that it can read
            what it gave for the batches before (see earlier_batches);
            version: SQL of an aggregate over a batch's rows; models after this one take the batch up
            again only when it gives another value (default: whenever this one built it);
            insert_settings: settings of the engine for the SQL (default max_insert_threads = 2);
            partition_by: must determine batch_date; order_by, engine: as in any table
    Errors: when the SQL's columns are no longer those of the table: which, and what to run
#}
{% materialization batches, adapter='clickhouse' %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set is_new = load_cached_relation(this) is none %}
    {{ run_hooks(pre_hooks) }}
    {% do drop_leftovers(target_relation) %}

    {% set scope = pending_batches(everything=is_new or should_full_refresh()) %}
    {% set empty_sql = _without_batches() %}
    {% set rebuilt_relation = helper_relation(target_relation, 'rebuilt') %}
    {% set is_rebuilt = false %}
    {% if is_new %}
        {% do create_missing_table(target_relation, empty_sql) %}
    {% endif %}
    {% set structure = remembered_structure(target_relation, empty_sql) %}
    {% if is_new %}
        {% do remember_structure(target_relation, structure.key) %}
    {% elif structure.key != structure.remembered %}
        {% set difference = structure_difference(
            adapter.get_column_schema_from_query(empty_sql), adapter.get_columns_in_relation(target_relation)
        ) %}
        {% if difference and (is_empty_run() or not should_full_refresh()) %}
            {{ exceptions.raise_compiler_error(
                'The columns of ' ~ model.name ~ ' have changed (' ~ difference
                ~ '): run dbt build --full-refresh --select ' ~ model.name ~ '+ once.'
            ) }}
        {% elif difference %}
            {% set is_rebuilt = true %}
            {% do run_query(create_table_or_empty(False, rebuilt_relation, empty_sql ~ '\nlimit 0', False)) %}
        {% else %}
            {% do remember_structure(target_relation, structure.key) %}
        {% endif %}
    {% endif %}
    {% call statement('main') %}select 1{% endcall %}

    {% if not (is_new or should_full_refresh() or is_empty_run()) %}{% do _tell_of_other_rules() %}{% endif %}

    {% set destination = rebuilt_relation if is_rebuilt else target_relation %}
    {% for chunk in in_chunks(scope, 'rows', var('max_rows_per_statement')) %}
        {% do _build_batches(destination, chunk) %}
    {% endfor %}
    {% if is_rebuilt %}
        {% do exchange_tables_atomic(rebuilt_relation, target_relation) %}
        {% do run_query('drop table ' ~ rebuilt_relation ~ ' ' ~ on_cluster_clause(rebuilt_relation)) %}
    {% endif %}
    {% do record_batches(target_relation, scope) %}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# The model's SQL for no batch at all: what it costs to ask for its columns must not grow with data. #}
{% macro _without_batches() %}
    {% do model.update({'batch_scope': []}) %}
    {% set empty_sql = render(model.raw_code) %}
    {% do model.pop('batch_scope') %}
    {{ return(empty_sql) }}
{% endmacro %}

{# Say so when batches that stay as they are were judged by other rules than there are now. #}
{% macro _tell_of_other_rules() %}
    {% if rules() %}
        {% set query %}
            select countIf(newest_version != '{{ rule_set_version() }}') as batches
            from (
                select argMax(rule_set_version, (entry, recorded_at)) as newest_version
                from {{ ref('dq_batches') }}
                where stream = '{{ model.config.stream }}' and stage = '{{ model.config.stage }}'
                group by batch_date
            )
        {% endset %}
        {% set batches = run_query(query).rows[0].batches %}
        {% if batches %}
            {{ log(
                batches ~ ' batches of ' ~ model.config.stream ~ ' were judged by other rules; to judge them'
                ~ ' again: sluicegate run --full-refresh --select ' ~ model.name ~ '+', info=true
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro _build_batches(relation, batches) %}
    {% set staging_relation = helper_relation(relation, 'staging') %}
    {% set columns = adapter.get_columns_in_relation(relation) %}
    {% set names = columns | map(attribute='quoted') | join(', ') %}
    {% do clone_empty(staging_relation, relation) %}
    {% do model.update({'rebuilding': {'staging_relation': staging_relation, 'batches': batches}}) %}
    {% for step in (batches | batch(1) if model.config.get('one_by_one') else [batches]) %}
        {% do model.update({'batch_scope': step}) %}
        {% do run_query(
            'insert into ' ~ staging_relation ~ ' (' ~ names ~ ') select ' ~ names ~ ' from (\n'
            ~ render(model.raw_code) ~ '\n)\nsettings join_use_nulls = 1, '
            ~ model.config.get('insert_settings', 'max_insert_threads = 2')
        ) %}
    {% endfor %}
    {% do model.pop('rebuilding') %}
    {% do replace_partitions(relation, staging_relation, _stream_condition(relation, batches)) %}
    {% do run_query('drop table ' ~ staging_relation ~ ' ' ~ on_cluster_clause(staging_relation)) %}
    {% do model.pop('batch_scope') %}
{% endmacro %}

{# The rows of a table that belong to these batches of the model's stream. #}
{% macro _stream_condition(relation, batches) %}
    {% set names = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
    {{ return(
        "batch_date in ('" ~ batches | map(attribute='batch_date') | join("', '") ~ "')"
        ~ (" and stream = '" ~ model.config.stream ~ "'" if 'stream' in names else '')
    ) }}
{% endmacro %}

{#
    Write to the ledger that the model being built is up to date for these batches.

    Arguments: relation: its table (for the row counts); batches: see batch_scope
#}
{% macro record_batches(relation, batches) %}
    {% if batches %}
        {% set entries %}
            insert into {{ ref('dq_batches') }}
                (stream, stage, batch_date, version, source_version, rule_set_version, definition,
                rows, run_id, recorded_at, entry)
            with
            built as (
                select
                    batch_date,
                    count() as rows,
                    {{ model.config.get('version', "''") }} as content_version
                from {{ relation }}
                where {{ _stream_condition(relation, batches) }}
                group by batch_date
            )
            select
                '{{ model.config.stream }}' as stream,
                '{{ model.config.stage }}' as stage,
                toDate(done.1) as batch_date,
                if(
                    ifNull(built.content_version, '') = '',
                    '{{ invocation_id }}', built.content_version
                ) as version,
                done.2 as source_version,
                '{{ rule_set_version() }}' as rule_set_version,
                {{ definition(model) }} as definition,
                ifNull(built.rows, 0) as rows,
                '{{ invocation_id }}' as run_id,
                now64(6, 'UTC') as recorded_at,
                {{ next_entry() }} as entry
            from (
                select arrayJoin([
                    {% for batch in batches %}
                    ('{{ batch.batch_date }}', '{{ batch.source_version }}'){{ ',' if not loop.last }}
                    {% endfor %}
                ]) as done
            ) as batches
            left join built on built.batch_date = toDate(done.1)
        {% endset %}
        {% do run_query(entries) %}
    {% endif %}
{% endmacro %}
