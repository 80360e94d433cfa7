{#
    A batch has neither far fewer nor far more rows than the batches before it: the z-score of its
    number of rows is not beyond a limit, in both directions.

    within_baseline of count() with kind zscore, where counting itself gives a spread, and where
    days without a row can count. Baseline, missing history, rows whose batch is NULL and relations
    without rows are treated as there. The newest batch is the newest with rows: that a whole day is
    still missing is for fresh_within to see.

    Arguments: max_zscore:   largest z-score (default 3)
               batch_column: the batch, a column or SQL of it (default batch_date)
               cadence:      daily: each day is a batch, and days between the first and the newest
                             batch without rows have 0 of them, in the baseline too (default:
                             batches without rows are unknown)
               guard:        least share of the expected rows that a deviation must be (default 0)
               batches, min_history, on_insufficient_history, same_weekday, allow_empty:
                             see within_baseline
    Gives:     as within_baseline
    Example:   data_tests:
                 - volume_zscore_below:
                     arguments: {max_zscore: 3, cadence: daily, guard: 0.2}
#}
{% test volume_zscore_below(
    model,
    max_zscore=3,
    batch_column='batch_date',
    cadence=none,
    guard=0,
    batches=1,
    min_history=3,
    on_insufficient_history='fail',
    same_weekday=true,
    allow_empty=false
) %}

    {%- if max_zscore is not number or max_zscore is boolean or not 0 < max_zscore < 1000000 -%}
        {{ exceptions.raise_compiler_error(
            "Test volume_zscore_below on " ~ model ~ " has the max_zscore " ~ max_zscore
            ~ ": write a number above 0, for example max_zscore: 3."
        ) }}
    {%- elif cadence not in [none, 'daily'] -%}
        {{ exceptions.raise_compiler_error(
            "Test volume_zscore_below on " ~ model ~ " has the cadence " ~ cadence
            ~ ": write cadence: daily, or leave it out."
        ) }}
    {%- endif -%}

    {{ judged_series(
        'volume_zscore_below',
        model,
        'count()',
        batch_column=batch_column,
        kind='zscore',
        max_deviation=max_zscore,
        guard=guard,
        is_count=true,
        cadence=cadence,
        batches=batches,
        min_history=min_history,
        on_insufficient_history=on_insufficient_history,
        same_weekday=same_weekday,
        allow_empty=allow_empty
    ) }}

{% endtest %}
