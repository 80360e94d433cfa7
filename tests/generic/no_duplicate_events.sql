{#
    No event is there twice: no two rows agree in all keys. Two NULLs agree.

    The number of failures is the number of rows beyond the first of each event. A relation without
    rows fails: it has no events.

    Arguments: keys:        list of columns, or SQL of them, that make two rows the same event
               allow_empty: true lets a relation without rows pass (default false)
    Gives:     one row an event: event (its keys as text), observed (its rows), max_allowed,
               failed_rows, message
    Example:   data_tests:
                 - no_duplicate_events:
                     arguments: {keys: [client_id, event_name, event_at, event_data]}
#}
{% test no_duplicate_events(model, keys=none, allow_empty=false) %}

    {%- if not keys or keys is string or keys is not sequence -%}
        {{ exceptions.raise_compiler_error(
            "Test no_duplicate_events on " ~ model ~ " has the keys " ~ keys
            ~ ": write the columns that make two rows the same event as a list, for example "
            ~ "keys: [client_id, event_name, event_at]."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test no_duplicate_events on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {{ config(fail_calc='coalesce(sum(failed_rows), 0)') }}

    {%- set texts = [] -%}
    {%- for key in keys -%}
        {%- set name = key | replace('\\', '\\\\') | replace("'", "\\'") -%}
        {%- do texts.append("'" ~ name ~ "=', ifNull(toString(" ~ key ~ "), 'NULL')") -%}
    {%- endfor %}

with

tested as (

    select * from {{ model }}

),

repeated as (

    select
        concat({{ texts | join(", ', ', ") }}) as keys_as_text,
        count() as rows_of_event
    from tested
    group by {{ keys | join(', ') }}
    having count() > 1

),

validation_errors as (

    select
        keys_as_text as event,
        rows_of_event as observed,
        1 as max_allowed,
        rows_of_event - 1 as failed_rows,
        concat('copies=', toString(observed), ' (max 1) of ', event) as message
    from repeated
    {%- if not allow_empty %}

    union all

    select
        '' as event,
        count() as observed,
        1 as max_allowed,
        1 as failed_rows,
        'no rows, so no events' as message
    from tested
    having count() = 0
    {%- endif %}

)

select * from validation_errors

{% endtest %}
