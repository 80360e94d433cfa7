{{ config(materialized='ledger', order_by=['message_id', 'number']) }}

select
    toUInt64(0) as number,
    '' as message_id,
    '' as destination,
    cast('', 'LowCardinality(String)') as status,
    emptyArrayString() as change_ids,
    toDateTime64(0, 6, 'UTC') as recorded_at
where false
