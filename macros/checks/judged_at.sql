{#
    SQL: the time, DateTime in UTC, against which a generic test measures age.

    Arguments: test_name: the test, for its error
               model:     the relation under test
               moment:    ISO 8601 in UTC, as a text or as what YAML makes of an unquoted one; none
                          is what the macro as_of gives: the variable as_of, else the clock
    Example:   judged_at('fresh_within', model, '2025-03-08T12:00:00Z')
#}
{% macro judged_at(test_name, model, moment=none) -%}
    {%- set found = modules.re.fullmatch(
        '(20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
        ~ '([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(Z|[+]00:00)?)?',
        moment | string
    ) -%}
    {%- set is_time = false -%}
    {%- if found -%}
        {#- What the calendar lacks, the 30th of February, would lie in the next month. -#}
        {%- set year, month = found.group(1) | int, found.group(2) | int -%}
        {%- set days = modules.datetime.timedelta(days=found.group(3) | int - 1) -%}
        {%- set is_time = (modules.datetime.date(year, month, 1) + days).month == month -%}
    {%- endif -%}
    {%- if moment is none -%}
        {{ as_of() }}
    {%- elif is_time -%}
        parseDateTimeBestEffort('{{ moment }}', 'UTC')
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "Test " ~ test_name ~ " on " ~ model ~ " has the as_of " ~ moment
            ~ ": write a time in UTC, for example as_of: '2025-03-08T12:00:00Z', or leave it out "
            ~ "for the clock."
        ) }}
    {%- endif -%}
{%- endmacro %}
