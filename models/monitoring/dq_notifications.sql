{{ config(materialized='ledger', order_by=['message_id', 'entry']) }}

select
    '' as message_id,
    '' as destination,
    cast('', 'LowCardinality(String)') as status,
    emptyArrayString() as change_ids,
    toDateTime64(0, 6, 'UTC') as recorded_at,
    toUInt64(0) as entry
where false
