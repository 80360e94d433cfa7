{#
    The spread that Elementary's anomaly tests divide by, mended in two ways.

    Elementary accepts min_training_set_size and does not use it: two days of history are enough for a
    verdict. Here fewer days than that have no spread, which Elementary reports as "not enough data".

    A value that never varied has no spread, and Elementary scores whatever comes next as 0: a column
    that was never empty may become empty unnoticed. Here there is a least spread.

    Arguments: column_expr: the standard deviation over the days of the baseline, a column beside
               training_avg and training_set_size
    Vars:      min_training_set_size (also as an argument of the test), min_relative_spread,
               min_absolute_spread
#}
{% macro clickhouse__edr_normalize_stddev(column_expr) -%}
    {%- set arguments = (model.get('test_metadata') or {}).get('kwargs', {}) -%}
    {%- set days = arguments.get('min_training_set_size', var('min_training_set_size')) -%}
    {%- set spread = 'time_window_aggregation.' ~ column_expr -%}
    if(
        training_set_size < {{ days }},
        null,
        greatest(
            {{ spread }},
            {{ var('min_relative_spread') }} * abs(training_avg),
            {{ var('min_absolute_spread') }}
        )
    )
{%- endmacro %}
