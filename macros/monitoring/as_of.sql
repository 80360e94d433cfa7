{#
    SQL: the time against which lateness is measured, DateTime in UTC: the clock, or the variable as_of
    (ISO 8601, UTC).

    Errors: a compile error when the variable is no time
#}
{% macro as_of() -%}
    {%- set value = var('as_of', 'now') | string -%}
    {%- if value == 'now' -%}
        now('UTC')
    {%- elif modules.re.fullmatch('20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?Z?)?', value) -%}
        parseDateTimeBestEffort('{{ value }}', 'UTC')
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            'The variable as_of is ' ~ value ~ ': write now, or a time in UTC such as 2026-07-14T12:00:00.'
        ) }}
    {%- endif -%}
{%- endmacro %}
