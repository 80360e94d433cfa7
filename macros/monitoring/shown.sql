{#
    SQL: a text on one line in which nothing is hidden: control, format, bidi and other characters
    without a shape are spelled out (\x1b, \u202e), as scripts/sluicegate/masking.py does.

    Arguments: text: SQL of a String
    Example:   {{ visible_text('file_name') }}
#}
{% macro visible_text(text) -%}
    {%- set unseen = '[\\\\p{C}\\\\p{Zl}\\\\p{Zp}\\\\x{034F}\\\\x{115F}\\\\x{1160}\\\\x{2800}\\\\x{3164}\\\\x{FFA0}]' -%}
    if(
        match({{ text }}, '{{ unseen }}'),
        arrayStringConcat(arrayMap(
            sign -> if(
                match(sign, '{{ unseen }}'),
                replaceRegexpOne(replaceRegexpOne(
                    lower(hex(convertCharset(sign, 'UTF-8', 'UTF-32BE'))),
                    '^000000(..)$', '\\\\x\\1'
                ), '^(?:0000(....)|([^\\\\].{7}))$', '\\\\u\\1\\2'),
                sign
            ),
            extractAll({{ text }}, '(?s).')
        )),
        {{ text }}
    )
{%- endmacro %}

{#
    SQL: a value of an event or file as a label of a metric: as it came when it looks like a name,
    else what it looks like. The labels are stored and told to everybody, and when columns have shifted
    they are addresses and telephone numbers.

    A name has no @, fewer than six digits, no long mixture of letters and digits, no signs of data or
    code, and at most 60 characters. What is told passes scripts/sluicegate/masking.py besides.

    Arguments: text: SQL of a String
    Example:   {{ shown_label('event_name') }}
#}
{% macro shown_label(text) -%}
    multiIf(
        position({{ text }}, '@') > 0 or position({{ text }}, '%40') > 0, '(e-mail)',
        match({{ text }}, '(?:[0-9]+[.]){3}[0-9]') or position({{ text }}, '::') > 0, '(IP address)',
        length(extractAll({{ text }}, '[0-9]')) >= 6
        or match({{ text }}, '[0-9]') and match({{ text }}, '[A-Za-z0-9+/]{20}'), '(id)',
        match({{ text }}, '[{}"<>;=?\\\\]') or lengthUTF8({{ text }}) > 60,
        concat('(text of ', toString(lengthUTF8({{ text }})), ' characters)'),
        {{ visible_text(text) }}
    )
{%- endmacro %}
