{{ config(materialized='ledger', order_by='started_at') }}

select
    '' as run_id,
    '' as command,
    toDateTime64(0, 6, 'UTC') as started_at,
    toDateTime64(0, 6, 'UTC') as ended_at,
    toUInt32(0) as nodes,
    toUInt32(0) as errors,
    toUInt64(0) as entry
where false
