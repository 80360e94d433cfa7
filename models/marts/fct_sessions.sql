{{ config(materialized='published', stream='web_events', stage='published_sessions') }}

{{ published_from('int_web_events__sessions') }}
