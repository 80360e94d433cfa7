{{
    config(
        materialized='published',
        stream='web_events',
        stage='published_orders',
        after=['orders', 'gate'],
        candidate='int_web_events__orders',
        gate='dq_gate',
        publish_where='true'
    )
}}

-- depends_on: {{ ref('dq_gate') }}, {{ ledgers() | join(', ') }}

select * from {{ ref('int_web_events__orders') }}
