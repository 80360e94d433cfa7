{{ config(materialized='published', stream='web_events', stage='published') }}

{{ published_from('stg_web_events__evaluated', where='not is_rejected') }}
