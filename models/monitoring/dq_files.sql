{{ config(materialized='ledger', order_by=['stream', 'file_name', 'landed_at']) }}

select
    cast('', 'LowCardinality(String)') as stream,
    '' as file_name,
    '' as location,
    toDate(0) as batch_date,
    cast('', 'LowCardinality(String)') as "format",
    toUInt64(0) as file_size,
    toDateTime(0, 'UTC') as file_mtime,
    cast('', 'LowCardinality(String)') as status,
    '' as error,
    emptyArrayString() as columns,
    emptyArrayString() as columns_missing,
    emptyArrayString() as mandatory_missing,
    cast(map(), 'Map(String, String)') as columns_renamed,
    emptyArrayString() as columns_unknown,
    cast(map(), 'Map(String, String)') as columns_respelled,
    '' as delimiter,
    false as is_undated,
    toUInt64(0) as rows_landed,
    toUInt64(0) as rows_malformed,
    '' as checksum,
    '' as run_id,
    toDateTime64(0, 6, 'UTC') as landed_at,
    toUInt64(0) as entry
where false
