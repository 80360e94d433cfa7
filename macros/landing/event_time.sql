{#
    A text as a time, NULL for any other text:
        ISO 8601  date and time, T (t) or one blank between them; seconds and up to 9 digits of a
                  fraction may be left out. The zone is Z (z), UTC, GMT or an offset (+02, +0200,
                  +02:00), with or without one blank before it; "+0000 UTC" is one, too. Without a
                  zone it is UTC.
        epoch     seconds (10 digits), milliseconds (13), microseconds (16), nanoseconds (19);
                  fractions allowed
    What lies below a millisecond is cut off.

    The usual spelling, 2025-02-23T00:00:01.750Z, is read by the engine's strict parser (which takes
    any characters for digits: the digits are proven first); the others by its best-effort parser.
    That one alone also reads "23:61", "2025-00-10" and "+99:99"; the pattern keeps it to times that
    exist, in the years that DateTime64 is documented to hold (1900 to 2299).

    Arguments: column: SQL of the text
    Returns:   SQL of type Nullable(DateTime64(3, 'UTC'))
    Example:   {{ event_time('raw.timestamp') }} as event_at
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
    {%- set date = '(?:19|2[0-2])[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])' -%}
    {%- set time = '(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?' -%}
    {%- set offset = '[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?|[+-]00(?::?00)? (?:UTC|GMT)' -%}
    {%- set iso = date ~ '[T ]' ~ time ~ '(?: ?(?:Z|UTC|GMT|' ~ offset ~ '))?' -%}
    {%- set epoch = (
        '[0-9]{10}(?:[.][0-9]{1,9})?|[0-9]{13}(?:[.][0-9]{1,6})?|[0-9]{16}(?:[.][0-9]{1,3})?|[0-9]{19}'
    ) -%}
    if(
        match({{ column }}, '^(?i:{{ iso }}|{{ epoch }})$'),
        parseDateTime64BestEffortOrNull(
            -- An epoch of milliseconds or finer has a digit there, any other time has none.
            if(
                ascii(substring({{ column }}, 11, 1)) between 48 and 57,
                substring({{ column }}, 1, 13),
                upper({{ column }})
            ),
            3,
            'UTC'
        ),
        null
    )
{%- endmacro %}

{#
    The one way to write the time that a text says, so that two deliveries of an event compare
    alike: UTC, to the millisecond, which is what event_at holds. A text that is no time stays as it
    is.

    Arguments: column: SQL of the text
    Example:   2025-02-18 11:00:00.123456 +0100 becomes 2025-02-18T10:00:00.123Z
#}
{% macro canonical_time(column) -%}
    if(
        length({{ column }}) = 24
        and endsWith({{ column }}, 'Z')
        and substring({{ column }}, 11, 1) = 'T'
        and substring({{ column }}, 20, 1) = '.',
        {{ column }},
        ifNull(concat(replaceOne(toString({{ event_time(column) }}), ' ', 'T'), 'Z'), {{ column }})
    )
{%- endmacro %}
