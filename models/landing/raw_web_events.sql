{{
    config(
        materialized='landed',
        stream='web_events',
        files='events_*',
        event_key=['client_id', 'event_name', 'page_url', 'timestamp', 'event_data'],
        time_column='timestamp',
        partition_by='batch_date',
        order_by=['file_name', 'row_number']
    )
}}

{{ landed_columns() }}
