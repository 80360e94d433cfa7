{#
    What is measured in a batch is no further from its baseline than allowed.

    A batch's baseline is the newest var('baseline_batches') batches before it that have a value;
    its own value never enters. Spreads are counted as macros/checks/baseline.sql says: a z-score
    has at least var('min_relative_spread') of the expected value as its unit. Where the expected
    value is 0, every other value is too far, unless a denominator says how much is chance.

    A measure that is NULL, NaN or infinite fails, and so do rows whose batch is NULL. A batch with
    too few batches before it has no baseline and fails with insufficient_history: nothing shows
    that it is right. While history is still to grow, on_insufficient_history: pass lets it through;
    config: {severity: warn} would keep it in sight. A relation without rows fails.

    Days without any row are no batches here; volume_zscore_below counts them, and fresh_within sees
    that the newest one is late. `limit` is no argument, but dbt's own, for the failures to fetch.

    Arguments: measure:       SQL aggregate over a batch's rows
               max_deviation: largest deviation: a share of the expected value for ratio_to_baseline
                              and day_over_day, a z-score for the others
               batch_column:  the batch, a column or SQL of it (default batch_date)
               kind:          what the value is held against: ratio_to_baseline (default) or zscore:
                              the baseline's mean; robust_zscore: its median, with the median
                              absolute deviation as spread; day_over_day: the batch before
               guard:         how much of the other unit there must be as well: a z-score for
                              ratio_to_baseline and day_over_day, a share of the expected value for
                              the others (default 0)
               direction:     above, below or both (default): which deviations fail
               denominator:   SQL aggregate, for a measure that is a share: what it is a share of.
                              The spread then is at least what counting so many gives by chance
                              (default: none)
               batches:       how many of the newest batches are judged, each by what came before it
                              (default 1)
               min_history:   least number of batches in a baseline (default 3)
               on_insufficient_history: fail (default) or pass
               same_weekday:  true (default) compares with batches of the same weekday where there
                              are var('weekday_baseline_min') of them, and looks back no further
                              than var('baseline_days') days; batches must be dates or times. false
                              takes the newest batches, which may be anything that has an order
               allow_empty:   true lets a relation without rows pass (default false)
    Gives:     one row a batch: batch (as text), observed_value, expected_value, min_allowed,
               max_allowed, baseline_batches, message
    Example:   data_tests:
                 - within_baseline:
                     arguments:
                       measure: countIf(event_name = 'checkout_completed') / count()
                       denominator: count()
                       kind: zscore
                       max_deviation: 4
                       guard: 0.2
                       direction: below
#}
{% test within_baseline(
    model,
    measure=none,
    max_deviation=none,
    batch_column='batch_date',
    kind='ratio_to_baseline',
    guard=0,
    direction='both',
    denominator=none,
    batches=1,
    min_history=3,
    on_insufficient_history='fail',
    same_weekday=true,
    allow_empty=false
) %}

    {%- if not measure or measure is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test within_baseline on " ~ model ~ " has the measure " ~ measure
            ~ ": write an SQL aggregate over a batch's rows, for example measure: sum(revenue)."
        ) }}
    {%- elif kind not in ['ratio_to_baseline', 'zscore', 'robust_zscore', 'day_over_day'] -%}
        {{ exceptions.raise_compiler_error(
            "Test within_baseline on " ~ model ~ " has the kind " ~ kind
            ~ ": write kind: ratio_to_baseline, zscore, robust_zscore or day_over_day."
        ) }}
    {%- elif max_deviation is not number or max_deviation is boolean
            or not 0 <= max_deviation < 1000000 -%}
        {{ exceptions.raise_compiler_error(
            "Test within_baseline on " ~ model ~ " has the max_deviation " ~ max_deviation
            ~ ": write a number, for example max_deviation: "
            ~ ("3 for a z-score of three." if kind in ['zscore', 'robust_zscore']
                else "0.4 for forty percent.")
        ) }}
    {%- elif direction not in ['above', 'below', 'both'] -%}
        {{ exceptions.raise_compiler_error(
            "Test within_baseline on " ~ model ~ " has the direction " ~ direction
            ~ ": write direction: above, below or both."
        ) }}
    {%- elif denominator is not none and (not denominator or denominator is not string) -%}
        {{ exceptions.raise_compiler_error(
            "Test within_baseline on " ~ model ~ " has the denominator " ~ denominator
            ~ ": write an SQL aggregate, for example denominator: count()."
        ) }}
    {%- endif -%}

    {{ judged_series(
        'within_baseline',
        model,
        measure,
        batch_column=batch_column,
        kind=kind,
        max_deviation=max_deviation,
        guard=guard,
        direction=direction,
        denominator=denominator,
        batches=batches,
        min_history=min_history,
        on_insufficient_history=on_insufficient_history,
        same_weekday=same_weekday,
        allow_empty=allow_empty
    ) }}

{% endtest %}
