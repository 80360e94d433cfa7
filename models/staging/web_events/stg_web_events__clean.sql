{{
    config(
        materialized='published',
        stream='web_events',
        stage='published',
        after=['evaluated', 'gate'],
        candidate='stg_web_events__evaluated',
        gate='dq_gate',
        publish_where='not is_rejected'
    )
}}

-- depends_on: {{ ref('dq_gate') }}, {{ ledgers() | join(', ') }}

select * from {{ ref('stg_web_events__evaluated') }}
where not is_rejected
