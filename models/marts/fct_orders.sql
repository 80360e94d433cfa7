{{ config(materialized='published', stream='web_events', stage='published_orders') }}

{{ published_from('int_web_events__orders') }}
