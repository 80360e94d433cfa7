{{ config(materialized='ledger', order_by=['stream', 'stage', 'batch_date', 'recorded_at']) }}

select
    cast('', 'LowCardinality(String)') as stream,
    cast('', 'LowCardinality(String)') as stage,
    toDate(0) as batch_date,
    '' as version,
    '' as source_version,
    '' as rule_set_version,
    toUInt64(0) as "rows",
    '' as run_id,
    toDateTime64(0, 6, 'UTC') as recorded_at,
    toUInt64(0) as entry,
    '' as definition
where false
