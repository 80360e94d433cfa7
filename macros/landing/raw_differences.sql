{#
    SQL: the files of which a raw table no longer holds what the ledger says was landed, of all streams
    and batches, also of those that nobody touched. What was lost, or added by hand, would else be
    missing from both sides of every later balance. It reads two narrow columns of the raw tables.

    Arguments: ledger: dq_files
    Returns:   a query: stream, batch_date, files_differing Array((file, how they differ))
#}
{% macro raw_differences(ledger) %}
    with
    landed as (
        select
            toString(stream) as stream,
            file_name,
            argMax(batch_date, (entry, landed_at)) as batch_date,
            argMax(rows_landed, (entry, landed_at)) as rows_landed,
            argMax(checksum, (entry, landed_at)) as checksum_landed
        from {{ ledger }}
        where status = 'landed'
        group by stream, file_name
    ),
    present as (
        select '' as stream, '' as file_name, toDate(0) as batch_date, toUInt64(0) as rows_present, '' as checksum_present
        where false
        {%- for node in (graph.nodes.values() if execute else []) if node.config.get('materialized') == 'landed' %}
        {%- set relation = this.create(database=none, schema=node.schema, identifier=node.alias) %}
        {%- if load_cached_relation(relation) is not none %}
        union all
        select '{{ node.config.stream }}', toString(file_name), batch_date, count(), {{ rows_checksum() }}
        from {{ relation }}
        group by file_name, batch_date
        {%- endif %}
        {%- endfor %}
    )
    select
        stream,
        batch_date,
        arraySort(groupArray((
            file_name,
            if(
                rows_landed = rows_present,
                'as many rows as were landed, and not the same ones',
                concat(toString(rows_landed), ' rows were landed, ', toString(rows_present), ' are there')
            )
        ))) as files_differing
    from landed
    full outer join present using (stream, file_name, batch_date)
    where
        rows_landed != rows_present
        -- Files that earlier versions landed have no checksum, and those without rows need none.
        or (rows_present > 0 and checksum_landed not in ('', checksum_present))
    group by stream, batch_date
{% endmacro %}

{# SQL, an aggregate over raw rows: the same for the same records, in whatever order they are. #}
{% macro rows_checksum() -%}
    concat('sum of event_key: ', lower(hex(sum(event_key))))
{%- endmacro %}
