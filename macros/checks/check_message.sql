{#
    SQL: what a check found, in one line: what, how much, against which limit, what is usual, since
    which hour, how much money, and what contributed most.

    Reads the columns of dq_check_results' last steps.
    Example: reject_rate=0.0582 (max 0.05, usually 0.0061) since 09:00; revenue 1240.5 at stake;
             mostly missing_client_id (1204, usually 14)
#}
{% macro check_message() -%}
    concat(
        check_name,
        if(ifNull(dimension, '') = '', '', concat('[', {{ _plain('dimension') }}, ']')),
        if(status = 'not_computed', '', concat('=', {{ _readable('newest.2') }})),
        multiIf(
            status = 'not_computed',
            concat(' not judged: its metric ', metric, ' was not computed'),
            status = 'insufficient_history',
            concat(' not judged: ', toString(ifNull(baseline_batches, 0)), ' of ', toString(min_history), ' earlier batches that it needs'),
            status = 'low_volume',
            concat(' not judged: it rests on ', {{ _readable('judged_volume', "'number'") }}, ', ', {{ _readable('greatest(min_volume, 1)', "'number'") }}, ' are needed'),
            concat(
                ' (',
                multiIf(
                    kind = 'equality', 'must be ',
                    direction = 'at_least', 'must be below ',
                    direction = 'at_most', 'must be above ',
                    is_upper, 'max ',
                    'min '
                ),
                {{ _readable('ifNull(limit_value, 0)') }},
                if(
                    isNull(expected) or kind = 'equality', '',
                    concat(', ', if(kind = 'day_over_day', 'before ', 'usually '), {{ _readable('ifNull(expected, 0)') }})
                ),
                ')'
            )
        ),
        if(not is_alert, '', concat(
            if(isNull(since), '', concat(' since ', formatDateTime(ifNull(since, toDateTime(0)), '%H:%i'))),
            if(newest.8 = '', '', concat(', ', {{ _plain('newest.8') }})),
            if(ifNull(money_at_stake, 0) = 0, '', concat('; revenue ', {{ _readable('ifNull(money_at_stake, 0)', "'money'") }}, ' at stake')),
            if(missing_column.2 = '', '', concat('; column ', {{ _plain('missing_column.2') }}, ' ', {{ _plain('missing_column.5') }})),
            if(
                top_part.2 = '' or abs(top_part.3 - top_part.4) < 0.5, '',
                concat(
                    '; mostly ', {{ _plain('top_part.2') }}, ' (', {{ _readable('top_part.3', "'number'") }},
                    ', usually ', {{ _readable('top_part.4', "'number'") }}, ')'
                )
            )
        ))
    )
{%- endmacro %}

{# SQL: a number as people write it: shares with four digits that count, others with two decimals. #}
{% macro _readable(number, unit='unit') -%}
    toString(if({{ unit }} = 'share', round({{ number }}, 4), if(abs({{ number }}) >= 100, round({{ number }}, 1), round({{ number }}, 2))))
{%- endmacro %}

{# SQL: a text of dq_metrics (see shown_label), on one line also where a metric of a user gave it as it came. #}
{% macro _plain(text) -%}
    leftUTF8(replaceRegexpAll({{ text }}, '[\\x00-\\x1F\\x7F]+', ' '), 200)
{%- endmacro %}
