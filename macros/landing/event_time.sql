{#
    A text as a time: ISO 8601 (date and time, with or without zone, then UTC) or epoch seconds (10
    digits, fractions allowed) or epoch milliseconds (13 digits); NULL for any other text.

    The usual spelling, 2025-02-23T00:00:01.750Z, is read by the engine's strict parser (which takes
    any characters for digits: the digits are proven first); the others by its best-effort parser.
    That one alone also reads "23:61", "2025-00-10" and "+99:99"; the pattern keeps it to times that
    exist, in the years that DateTime64 is documented to hold (1900 to 2299).

    Arguments: column: SQL of the text
    Returns:   SQL of type Nullable(DateTime64(3, 'UTC'))
#}
{% macro event_time(column) -%}
    if(
        translate({{ column }}, '0123456789', '0000000000') = '0000-00-00T00:00:00.000Z'
        and (startsWith({{ column }}, '20') or startsWith({{ column }}, '19')),
        toDateTime64(parseDateTime64OrNull({{ column }}, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC'), 3, 'UTC'),
        {{ _unusual_time(column) }}
    )
{%- endmacro %}

{% macro _unusual_time(column) -%}
    if(
        match({{ column }}, '^(?:(?:19|2[0-2])[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?|[0-9]{10}(?:[.][0-9]{1,9})?|[0-9]{13})$'),
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
        length({{ column }}) = 24 and endsWith({{ column }}, 'Z') and substring({{ column }}, 11, 1) = 'T',
        {{ column }},
        ifNull(concat(replaceOne(toString({{ event_time(column) }}), ' ', 'T'), 'Z'), {{ column }})
    )
{%- endmacro %}
