{#
    Materialization `landed`: the raw table of a stream, filled from its files.

    A file that is in the ledger dq_files with the same size and time of change is left alone; the
    others are read into tables beside, and once all changed files of a batch are there, the batch's
    partition is replaced in one step: by their rows and the rows of the batch's unchanged files.
    Then the ledger is written. A run killed at any point leaves the raw table as it was or with
    whole batches replaced, and the next run does the rest.

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
    {% if not is_empty_run() %}{% do _land_changed(target_relation, is_new) %}{% endif %}

    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# Land the files that the ledger does not know as they are now. #}
{% macro _land_changed(target_relation, is_new) %}
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
            order by entry desc, landed_at desc
            limit 1 by file_name
        {% endset %}
        {% for row in run_query(newest_query).rows %}{% do known.update({row.file_name: row}) %}{% endfor %}
    {% endif %}

    {% set batches = {} %}
    {% set there = landing_files(stream, model.config.files) %}
    {% set files = there.files %}
    {% do _forget_removed(ledger, stream, files, there.left_alone) %}
    {% do tell_left_alone(there.left_alone) %}
    {% do _enter_left_alone(ledger, stream, there.left_alone) %}
    {% for file in files %}
        {% set before = known.get(file.file_name) %}
        {% if (
            before is none or should_full_refresh()
            or before.file_size != file.file_size or before.file_mtime != file.file_mtime
        ) %}
            {% do file.update({
                'batch_date': before.batch_date if before else file.batch_date,
                'refusal': _refusal(file),
            }) %}
            {% do batches.setdefault(file.batch_date, []).append(file) %}
        {% endif %}
    {% endfor %}

    {% set together_relation = helper_relation(target_relation, 'together') %}
    {% set sizes = [] %}
    {% for batch_date in batches | sort %}
        {% do sizes.append({
            'batch_date': batch_date, 'bytes': batches[batch_date] | sum(attribute='file_size')
        }) %}
    {% endfor %}
    {% for step in in_chunks(sizes, 'bytes', var('max_bytes_per_landing')) %}
        {% set dates = step | map(attribute='batch_date') | list %}
        {% do clone_empty(together_relation, target_relation) %}
        {% set together = _land_together(together_relation, dates, batches) %}
        {% for batch_date in dates %}
            {% do _land_batch(
                target_relation, together_relation, together, ledger, stream, batch_date, batches[batch_date]
            ) %}
        {% endfor %}
        {% do run_query('drop table ' ~ together_relation ~ ' ' ~ on_cluster_clause(together_relation)) %}
    {% endfor %}
{% endmacro %}

{#
    A file that was unreadable or left alone and is no longer there is nothing to complain of: the
    ledger says removed.
#}
{% macro _forget_removed(ledger, stream, files, left_alone) %}
    {% set removed %}
        insert into {{ ledger }}
        select * replace (
            'removed' as status,
            '' as error,
            '{{ invocation_id }}' as run_id,
            now64(6, 'UTC') as landed_at,
            {{ next_entry() }} as entry
        )
        from (
            -- Filtered in here: a where beside the replace would see the new status.
            select * from (
                select * from {{ ledger }}
                where stream = '{{ stream }}'
                order by entry desc, landed_at desc
                limit 1 by file_name
            )
            where
                (
                    status = 'unreadable' and file_name not in (
                        {% for file in files %}{{ sql_string(file.file_name) }}{{ ', ' if not loop.last }}{% endfor %}
                    )
                )
                or (
                    status = 'left_alone' and file_name not in (
                        {% for file in left_alone %}{{ sql_string(file.file_name) }}, {% endfor %}''
                    )
                )
        )
    {% endset %}
    {% do run_query(removed) %}
{% endmacro %}

{# Enter into the ledger, once, the files of a known kind that are in the location and not read. #}
{% macro _enter_left_alone(ledger, stream, left_alone) %}
    {% set names = [] %}
    {% for row in run_query(
        'select file_name from ' ~ ledger ~ " where stream = '" ~ stream
        ~ "' group by file_name having argMax(status, (entry, landed_at)) = 'left_alone'"
    ).rows if left_alone %}
        {% do names.append(row.file_name) %}
    {% endfor %}
    {% set entries = [] %}
    {% for file in left_alone if file.is_data and file.file_name not in names %}
        {% do entries.append([file, {'error': 'left alone, ' ~ file.reason, 'columns': []}]) %}
    {% endfor %}
    {% if entries %}
        {% do _insert_entries(ledger, stream, entries, {}) %}
    {% endif %}
{% endmacro %}

{# Why a file is not to be read at all; '' when it is. #}
{% macro _refusal(file) %}
    {% set ending = file.file_name.rpartition('.')[2] | lower %}
    {% if not file.path %}
        {{ return('its name is not UTF-8, so it cannot be asked for: rename it') }}
    {% elif file.date_error %}
        {{ return(file.date_error) }}
    {% elif modules.re.search('[*?{}]', file.file_name) %}
        {{ return('its name has one of * ? { }, which would be read as a pattern: rename it') }}
    {% elif ending == 'bz2' %}
        {{ return('bzip2 is not read, as its end cannot be proven: deliver it as gz, zst, xz or lz4') }}
    {% elif ending in ['gz', 'zst', 'xz', 'lz4'] and file.file_size == 0 %}
        {{ return('it is empty, which no compressed file is') }}
    {% elif ending in ['zst', 'lz4'] %}
        {{ return(adapter.frames_error(
            file.location,
            ending,
            'select content from '
            ~ read_location(file.location, 'RawBLOB', 'content String', compression='none')
        )) }}
    {% endif %}
    {{ return('') }}
{% endmacro %}

{# Land what can be landed together; returns the answers of land_csv_together. #}
{% macro _land_together(relation, dates, batches) %}
    {% set folders = {} %}
    {% for batch_date in dates %}
        {% for file in batches[batch_date] %}
            {% if (
                file.format == 'csv' and not file.refusal
                and not modules.re.search('[*?{},]', file.location)
            ) %}
                {% do folders.setdefault(file.location.rpartition('/')[0], []).append(file) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% set answers = {} %}
    {% for files in folders.values() %}
        {% do answers.update(land_csv_together(relation, files)) %}
    {% endfor %}
    {{ return(answers) }}
{% endmacro %}

{% macro _land_batch(target_relation, together_relation, together, ledger, stream, batch_date, files) %}
    {% set file_relation = helper_relation(target_relation, 'file') %}
    {% set batch_relation = helper_relation(target_relation, 'batch') %}
    {% do clone_empty(batch_relation, target_relation) %}
    {% if files | rejectattr('file_name', 'in', together) | list %}
        {% do clone_empty(file_relation, target_relation) %}
    {% endif %}
    {% set entries = [] %}
    {% set landed = [] %}
    {% set in_batch = "batch_date = '" ~ batch_date ~ "'" %}
    {% if files | selectattr('file_name', 'in', together) | list %}
        {% do attach_partitions(batch_relation, together_relation, in_batch) %}
    {% endif %}
    {% for file in files %}
        {% if file.file_name in together %}
            {% set answer = together[file.file_name] %}
        {% elif file.refusal %}
            {% set answer = {'error': file.refusal, 'columns': []} %}
        {% else %}
            {% do run_query('truncate table ' ~ file_relation) %}
            {% set land = {'csv': land_csv, 'jsonl': land_jsonl}.get(file.format, land_typed) %}
            {% set answer = land(file_relation, file) %}
        {% endif %}
        {% if answer.error %}
            {{ log(adapter.shown_text('Not readable: ' ~ file.file_name ~ ': ' ~ answer.error), info=true) }}
        {% else %}
            {% do landed.append(file.file_name) %}
            {% if file.file_name not in together %}
                {% do attach_partitions(batch_relation, file_relation, in_batch) %}
            {% endif %}
        {% endif %}
        {% do entries.append([file, answer]) %}
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
        {% do replace_partitions(target_relation, batch_relation, in_batch) %}
    {% endif %}
    {% do _write_ledger(ledger, stream, entries, batch_relation) %}
    {% for relation in [file_relation, batch_relation] %}
        {% do run_query('drop table if exists ' ~ relation ~ ' ' ~ on_cluster_clause(relation)) %}
    {% endfor %}
{% endmacro %}

{# One entry a file: how many rows of it the batch has now, or why it has none. #}
{% macro _write_ledger(ledger, stream, entries, batch_relation) %}
    {% set counts = {} %}
    {% for row in run_query(
        "select toString(file_name) as file_name, count() as landed, countIf(landing_error != '') as malformed, "
        ~ rows_checksum() ~ ' as checksum from ' ~ batch_relation ~ ' group by file_name'
    ).rows %}
        {% do counts.update({row.file_name: row}) %}
    {% endfor %}
    {% do _insert_entries(ledger, stream, entries, counts) %}
{% endmacro %}

{# Arguments: entries: list of [file, answer]; counts: {file_name: row of the counts} #}
{% macro _insert_entries(ledger, stream, entries, counts) %}
    {% set selects = [] %}
    {% for file, answer in entries %}
        {% set count = counts.get(file.file_name) if not answer.error else none %}
        {% do selects.append(_ledger_entry(stream, file, answer, count or {'landed': 0, 'malformed': 0, 'checksum': ''})) %}
    {% endfor %}
    {% set names = [
        'stream', 'file_name', 'location', 'batch_date', 'format', 'file_size', 'file_mtime', 'status',
        'error', 'columns', 'columns_missing', 'mandatory_missing', 'columns_renamed',
        'columns_unknown', 'columns_respelled', 'delimiter', 'is_undated', 'rows_landed', 'rows_malformed', 'checksum', 'run_id', 'landed_at'
    ] | join(', ') %}
    {% do run_query(
        'insert into ' ~ ledger ~ ' (' ~ names ~ ', entry) select ' ~ names ~ ', ' ~ next_entry()
        ~ ' from (' ~ selects | join(' union all ') ~ ')'
    ) %}
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
        '{{ 'left_alone' if file.reason else 'unreadable' if answer.error else 'landed' }}' as status,
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
        cast(map(
            {%- for spelling, name in match.respelled.items() %}
            {{ sql_string(spelling) }}, {{ sql_string(name) }}{{ ',' if not loop.last }}
            {%- endfor %}), 'Map(String, String)') as columns_respelled,
        {{ sql_string(answer.delimiter or '') }} as delimiter,
        {{ file.is_undated | lower }} as is_undated,
        toUInt64({{ counts.landed }}) as rows_landed,
        toUInt64({{ counts.malformed }}) as rows_malformed,
        '{{ counts.checksum }}' as checksum,
        '{{ invocation_id }}' as run_id,
        now64(6, 'UTC') as landed_at
{% endmacro %}

{% macro _string_array(values) -%}
    cast([{% for value in values %}{{ sql_string(value) }}{{ ', ' if not loop.last }}{% endfor %}], 'Array(String)')
{%- endmacro %}
