{{ config(materialized='ledger', order_by=['incident_id', 'change_number']) }}

select
    '' as change_id,
    '' as incident_id,
    toUInt32(0) as change_number,
    cast('', 'LowCardinality(String)') as kind,
    cast('', 'LowCardinality(String)') as severity,
    cast('', 'LowCardinality(String)') as stream,
    '' as check_name,
    '' as dimension,
    '' as message,
    '' as owner,
    '' as channel,
    '' as remediation,
    '' as runbook,
    '' as acknowledged_by,
    toUInt32(0) as batches,
    cast(null, 'Nullable(Float64)') as money_at_stake,
    toDate(0) as first_batch,
    toDate(0) as last_batch,
    cast([], 'Array(Date)') as held_batches,
    cast(null, 'Nullable(DateTime(\'UTC\'))') as since,
    toBool(false) as is_from_before,
    '' as run_id,
    toDateTime64(0, 6, 'UTC') as recorded_at,
    toUInt64(0) as entry
where false
