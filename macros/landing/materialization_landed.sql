{#
    Materialization `landed`: the raw table of a stream, filled from its files.

    A file that is in the ledger dq_files with the same size and time of change is left alone; any
    other one is read into a table of its own, and once all changed files of a batch are there, the
    batch's partition is replaced in one step: by their rows and the rows of the batch's unchanged
    files. Then the ledger is written. A run killed at any point leaves the raw table as it was or
    with whole batches replaced, and the next run does the rest.

    A file that cannot be read is written to the ledger with its error; the others go on. A file
    that is no longer there changes nothing. --full-refresh reads every file again.

    Config: stream, files (glob of its file names), event_key, time_column, partition_by (must be
    batch_date), order_by. The model's SQL is {{ '{{ landed_columns() }}' }}.
#}
{% materialization landed, adapter='clickhouse' %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set is_new = load_cached_relation(this) is none %}
    {{ run_hooks(pre_hooks) }}
    {% do create_missing_table(target_relation, sql) %}
    {% call statement('main') %}select 1{% endcall %}
    {% do drop_leftovers(target_relation) %}

    {% set ledger = ref('dq_files') %}
    {% set stream = model.config.stream %}
    {% set known = {} %}
    {% if not is_new %}
        {% set newest_query %}
            select
                file_name,
                toString(batch_date) as batch_date,
                toUInt64(file_size) as file_size,
                toString(file_mtime, 'UTC') as file_mtime
            from {{ ledger }}
            where stream = '{{ stream }}' and status = 'landed'
            order by landed_at desc
            limit 1 by file_name
        {% endset %}
        {% for row in run_query(newest_query).rows %}{% do known.update({row.file_name: row}) %}{% endfor %}
    {% endif %}

    {% set batches = {} %}
    {% for file in landing_files(stream, model.config.files) %}
        {% set before = known.get(file.file_name) %}
        {% if (
            before is none or should_full_refresh()
            or before.file_size != file.file_size or before.file_mtime != file.file_mtime
        ) %}
            {% do file.update({
                'batch_date': before.batch_date if before else file.batch_date
            }) %}
            {% do batches.setdefault(file.batch_date, []).append(file) %}
        {% endif %}
    {% endfor %}

    {% for batch_date in batches | sort %}
        {% do _land_batch(target_relation, ledger, stream, batch_date, batches[batch_date]) %}
    {% endfor %}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro _land_batch(target_relation, ledger, stream, batch_date, files) %}
    {% set file_relation = helper_relation(target_relation, 'file') %}
    {% set batch_relation = helper_relation(target_relation, 'batch') %}
    {% for relation in [file_relation, batch_relation] %}
        {% do run_query('create or replace table ' ~ relation ~ ' ' ~ on_cluster_clause(relation) ~ ' as ' ~ target_relation) %}
    {% endfor %}
    {% set entries = [] %}
    {% set landed = [] %}
    {% for file in files %}
        {% do run_query('truncate table ' ~ file_relation) %}
        {% if modules.re.search('[*?{}]', file.file_name) %}
            {% set answer = {'error': 'its name has one of * ? { }, which would be read as a pattern: rename it', 'columns': []} %}
        {% elif file.format == 'csv' %}
            {% set answer = land_csv(file_relation, file) %}
        {% elif file.format == 'jsonl' %}
            {% set answer = land_jsonl(file_relation, file) %}
        {% else %}
            {% set answer = land_typed(file_relation, file) %}
        {% endif %}
        {% set counts = {'landed': 0, 'malformed': 0} %}
        {% if not answer.error %}
            {% set counts = run_query(
                "select count() as landed, countIf(landing_error != '') as malformed from " ~ file_relation
            ).rows[0] %}
            {% if counts.landed > 0 %}
                {% do run_query(
                    "alter table " ~ batch_relation ~ " attach partition '" ~ batch_date ~ "' from " ~ file_relation
                ) %}
            {% endif %}
            {% do landed.append(file.file_name) %}
        {% else %}
            {{ log('Not readable: ' ~ file.file_name ~ ': ' ~ answer.error, info=true) }}
        {% endif %}
        {% do entries.append(_ledger_entry(stream, file, answer, counts)) %}
    {% endfor %}

    {% if landed %}
        {% set unchanged %}
            insert into {{ batch_relation }}
            select * from {{ target_relation }}
            where batch_date = '{{ batch_date }}' and file_name not in (
                {% for name in landed %}{{ sql_string(name) }}{{ ', ' if not loop.last }}{% endfor %}
            )
        {% endset %}
        {% do run_query(unchanged) %}
        {% do replace_partitions(target_relation, batch_relation, "batch_date = '" ~ batch_date ~ "'") %}
    {% endif %}
    {% do run_query('insert into ' ~ ledger ~ ' ' ~ entries | join(' union all ')) %}
    {% for relation in [file_relation, batch_relation] %}
        {% do run_query('drop table if exists ' ~ relation ~ ' ' ~ on_cluster_clause(relation)) %}
    {% endfor %}
{% endmacro %}

{% macro _ledger_entry(stream, file, answer, counts) %}
    {% set match = match_contract(answer.columns, file.format) %}
    {% set mandatory = contract() | selectattr('mandatory') | map(attribute='name') | list %}
    {% set has_header = answer.columns | length > 0 %}
    select
        '{{ stream }}' as stream,
        {{ sql_string(file.file_name) }} as file_name,
        {{ sql_string(file.location) }} as location,
        toDate('{{ file.batch_date }}') as batch_date,
        '{{ file.format }}' as format,
        toUInt64({{ file.file_size }}) as file_size,
        toDateTime('{{ file.file_mtime }}', 'UTC') as file_mtime,
        '{{ 'unreadable' if answer.error else 'landed' }}' as status,
        {{ sql_string(answer.error) }} as error,
        {{ _string_array(answer.columns) }} as columns,
        {{ _string_array(match.missing if has_header else []) }} as columns_missing,
        {{ _string_array(match.missing | select('in', mandatory) if has_header else []) }}
            as mandatory_missing,
        cast(map(
            {%- for alias, name in match.renamed.items() %}
            {{ sql_string(alias) }}, {{ sql_string(name) }}{{ ',' if not loop.last }}
            {%- endfor %}), 'Map(String, String)') as columns_renamed,
        {{ _string_array(match.unknown | map(attribute='name')) }} as columns_unknown,
        toUInt64({{ counts.landed }}) as rows_landed,
        toUInt64({{ counts.malformed }}) as rows_malformed,
        '{{ invocation_id }}' as run_id,
        now64(6, 'UTC') as landed_at
{% endmacro %}

{% macro _string_array(values) -%}
    cast([{% for value in values %}{{ sql_string(value) }}{{ ', ' if not loop.last }}{% endfor %}], 'Array(String)')
{%- endmacro %}
