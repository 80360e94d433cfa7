{{ config(materialized='ledger', order_by=['stream', 'batch_date', 'acknowledged_at']) }}

select
    cast('', 'LowCardinality(String)') as stream,
    toDate(0) as batch_date,
    '' as check_name,
    '' as acknowledged_by,
    '' as reason,
    toDateTime64(0, 6, 'UTC') as acknowledged_at,
    toUInt64(0) as entry
where false
