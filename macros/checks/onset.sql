{#
    SQL: the hour of the day (1 for the first) in which it began that a limit is broken; 0 when it was so
    from the first hour on, or when no hour stands out from the others.

    It is the most likely single change of rate: of all hours before which the day was within the limit
    and from which on it is not, the one that splits it best, by the likelihood of two Poisson rates
    against one (Raftery and Akman, Biometrika 73, 1986). A single hour that is low by chance is none.

    Arguments: amounts, against: arrays by hour: what was counted, and what it is held against; limit:
               their ratio that is still right; is_upper: whether it is a maximum; scale: how many
               things were counted per unit of amounts (1, or below for sums of money)
    Example:   {{ onset_hour('amounts', 'against', '0.65', 'false', '1') }} as first_hour
#}
{% macro onset_hour(amounts, against, limit, is_upper, scale) -%}
    arraySum({{ amounts }}) as amounts_of_day,
    arraySum({{ against }}) as against_of_day,
    arrayMap(
        (before, usual_before) -> if(
            usual_before > 0 and usual_before < against_of_day
            and if(
                {{ is_upper }},
                before <= {{ limit }} * usual_before
                and amounts_of_day - before > {{ limit }} * (against_of_day - usual_before),
                before >= {{ limit }} * usual_before
                and amounts_of_day - before < {{ limit }} * (against_of_day - usual_before)
            ),
            {{ scale }} * (
                {{ _log_likelihood('before', 'usual_before') }}
                + {{ _log_likelihood('(amounts_of_day - before)', '(against_of_day - usual_before)') }}
                - {{ _log_likelihood('amounts_of_day', 'against_of_day') }}
            ),
            0.
        ),
        arrayPopBack(arrayConcat([0.], arrayCumSum({{ amounts }}))),
        arrayPopBack(arrayConcat([0.], arrayCumSum({{ against }})))
    ) as onset_gains,
    -- 5: with 23 hours to choose from, about one day in a hundred reaches it by chance.
    if(arrayMax(onset_gains) > 5, indexOf(onset_gains, arrayMax(onset_gains)), 0)
{%- endmacro %}

{# SQL: the log-likelihood of a rate, without what all splits of the same day have in common. #}
{% macro _log_likelihood(amount, usual) -%}
    if({{ amount }} > 0, {{ amount }} * log({{ amount }} / {{ usual }}), 0)
{%- endmacro %}
