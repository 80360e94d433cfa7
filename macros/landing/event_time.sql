{#
    A text as a time: ISO 8601 (date and time, with or without zone, then UTC) or epoch seconds (10
    digits, fractions allowed) or epoch milliseconds (13 digits); NULL for any other text.

    The engine's best-effort parser alone also reads "23:61" and "24:00"; the pattern keeps it to
    times that exist.

    Arguments: column: SQL of the text
    Returns:   SQL of type Nullable(DateTime64(3, 'UTC'))
#}
{% macro event_time(column) -%}
    if(
        match({{ column }}, '^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?|[0-9]{10}(?:[.][0-9]{1,9})?|[0-9]{13})$'),
        parseDateTime64BestEffortOrNull({{ column }}, 3, 'UTC'),
        null
    )
{%- endmacro %}

{#
    The one way to write the time that a text says, so that two deliveries of an event compare
    alike; a text that is no time stays as it is.

    Arguments: column: SQL of the text
#}
{% macro canonical_time(column) -%}
    if(
        length({{ column }}) = 24 and endsWith({{ column }}, 'Z'),
        {{ column }},
        ifNull(concat(replaceOne(toString({{ event_time(column) }}), ' ', 'T'), 'Z'), {{ column }})
    )
{%- endmacro %}
