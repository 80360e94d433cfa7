{#
    SQL for the argument anomaly_exclude_metrics of Elementary's tests: which days neither are judged
    nor count in a baseline. Join them with "or".
#}

{#
    Days before the feed began. Elementary counts them as days with 0 rows.

    Arguments: relation: a relation with batch_at that begins with the feed
    Example:   anomaly_exclude_metrics: "{{ days_before_feed(ref('obs_web_events__clean')) }}"
#}
{% macro days_before_feed(relation) -%}
    metric_date < (select toDate(min(batch_at)) from {{ relation }})
{%- endmacro %}

{#
    Days whose batch the gate holds: nothing of them is published, which must not become usual.

    Arguments: gate: the relation dq_gate
               but_judged: true leaves the judged day in, for the test that is to say that it is empty
    Example:   anomaly_exclude_metrics: "{{ held_days(ref('sluicegate', 'dq_gate')) }}"
#}
{% macro held_days(gate, but_judged=false) -%}
    (
        metric_date in (
            select batch_date from {{ gate }}
            where stream = 'web_events' and decision = 'hold'
        )
        {%- if but_judged %}
        and metric_date != '{{ _judged_day().strftime("%Y-%m-%d") }}'
        {%- endif %}
    )
{%- endmacro %}

{#
    Days on which the relation has no rows, held or not delivered.

    Arguments: relation: a relation with batch_at
    Example:   anomaly_exclude_metrics: "{{ days_without_rows(ref('obs_sessions')) }}"
#}
{% macro days_without_rows(relation) -%}
    metric_date not in (select toDate(batch_at) from {{ relation }})
{%- endmacro %}

{#
    Days of another weekday than the judged one.

    Elementary's own seasonality: day_of_week gives the same verdict, but the message of a failing test
    tells of another day: it takes the last row of a result that is sorted by weekday.
#}
{% macro other_weekdays() -%}
    toDayOfWeek(metric_date) != {{ _judged_day().isoweekday() }}
{%- endmacro %}

{# The last whole day (UTC) before the run; the only one with backfill_days: 1. #}
{% macro _judged_day() %}
    {{ return(elementary.get_run_started_at() - modules.datetime.timedelta(days=1)) }}
{% endmacro %}
