{#
    The arithmetic of baselines, for dq_check_results and for the generic tests alike.

    A baseline is the values of earlier batches, never that of the batch under judgement: a z-score
    over n values that include its own cannot exceed (n - 1) / sqrt(n), 2.27 for seven, so that a
    limit of 3 would never be reached.
#}

{#
    SQL: how far values usually lie from the expected one; what a z-score is counted in.

    At least var('min_relative_spread') of the expected value, because seven values that happen to lie
    close together say little of the next one, and at least the noise of counting.

    Arguments: deviation: SQL of the baseline's standard deviation, or of 1.4826 times its median
                          absolute deviation (Rousseeuw and Croux 1993: consistent with the standard
                          deviation for normal values);
               expected:  SQL of its mean or median; noise: see counting_noise
#}
{% macro baseline_spread(deviation, expected, noise='0') -%}
    greatest(ifNotFinite({{ deviation }}, 0), {{ var('min_relative_spread', 0.05) }} * abs({{ expected }}), {{ noise }})
{%- endmacro %}

{#
    SQL: the standard deviation that chance alone gives: of a share, sqrt(p (1 - p) / n) with at
    least one in n, of a number of things, its square root (binomial and Poisson), of money, the
    amount times var('amount_noise') / sqrt(n) for n amounts: a sum of n amounts whose own standard
    deviation is c times their mean varies by sqrt(1 + c^2) / sqrt(n) when their number is Poisson's.

    Arguments: expected: SQL of the mean; denominator: SQL of n for a share, NULL for a number;
               is_count: SQL, whether a value without denominator counts things (money does not);
               amounts: SQL of the number of amounts that the value is a sum or a mean of, 0 when it
               is not of money
#}
{% macro counting_noise(expected, denominator, is_count='true', amounts='0') -%}
    multiIf(
        {{ amounts }} > 0, {{ var('amount_noise', 1.3) }} * abs({{ expected }}) / sqrt({{ amounts }}),
        ifNull({{ denominator }}, 0) > 0,
        sqrt(
            least(greatest({{ expected }}, 1 / {{ denominator }}), 0.5)
            * (1 - least(greatest({{ expected }}, 1 / {{ denominator }}), 0.5)) / {{ denominator }}
        ),
        {{ is_count }}, sqrt(abs({{ expected }})),
        0
    )
{%- endmacro %}

{#
    SQL: how far a value may lie from the expected one.

    A relative change is also asked to be unusual and a z-score also to be a change that matters:
    the guard says how much of the other there must be at least.

    Arguments: kind: SQL of the kind: ratio_to_baseline and day_over_day take limit as a share of the
                     expected value and guard as z-score; zscore and robust_zscore take limit as
                     z-score and guard as a share of the expected value;
               limit, guard, expected, spread: SQL; a guard of 0 asks for nothing
#}
{% macro allowed_deviation(kind, limit, guard, expected, spread) -%}
    if(
        isNull({{ limit }}), null,
        if(
            {{ kind }} in ('zscore', 'robust_zscore'),
            greatest(ifNull({{ limit }}, 0) * {{ spread }}, {{ guard }} * abs({{ expected }})),
            greatest(ifNull({{ limit }}, 0) * abs({{ expected }}), {{ guard }} * {{ spread }})
        )
    )
{%- endmacro %}
