{#
    No more than a given share of the rows is rejected, in all or in each group.

    A row counts as rejected when the column is true or NULL: a row that nobody judged is not good.
    A relation without rows fails: nothing was judged.

    Arguments: max_rate:        share of the rows that may be rejected, from 0 to 1
               rejected_column: the column that is true for a rejected row (default is_rejected)
               per:             column; each of its values has a rate of its own (default: one rate
                                for all rows)
               unless:          SQL condition; rows that it is true for are not counted (default: none)
               allow_empty:     true lets a relation without rows pass (default false)
    Gives:     one row a group: the column of per, observed (the share; NULL when there are no
               rows), max_allowed, message
    Example:   data_tests:
                 - reject_rate_below:
                     arguments: {max_rate: 0.05, per: batch_date}
#}
{% test reject_rate_below(
    model, max_rate=none, rejected_column='is_rejected', per=none, unless=none, allow_empty=false
) %}

    {%- if max_rate is not number or max_rate is boolean or not 0 <= max_rate <= 1 -%}
        {{ exceptions.raise_compiler_error(
            "Test reject_rate_below on " ~ model ~ " has the max_rate " ~ max_rate
            ~ ": write a share of the rows from 0 to 1, for example max_rate: 0.05."
        ) }}
    {%- elif not rejected_column or rejected_column is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test reject_rate_below on " ~ model ~ " has the rejected_column " ~ rejected_column
            ~ ": write one column's name, for example rejected_column: is_rejected."
        ) }}
    {%- elif per is not none and per is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test reject_rate_below on " ~ model ~ " has the per " ~ per
            ~ ": write one column's name, for example per: batch_date."
        ) }}
    {%- elif unless is not none and unless is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test reject_rate_below on " ~ model ~ " has the unless " ~ unless
            ~ ": write a condition in SQL, for example unless: is_test_order."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test reject_rate_below on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

with

tested as (

    select * from {{ model }}
    {%- if unless %}
    where not ifNull({{ unless }}, false)
    {%- endif %}

),

counted as (

    select
        {%- if per %}
        {{ per }},
        {%- endif %}
        count() as rows_total,
        countIf(ifNull({{ rejected_column }} != 0, true)) as rows_rejected
    from tested
    {%- if per %}
    group by {{ per }}
    {%- else %}
    having count() > 0
    {%- endif %}

),

validation_errors as (

    select
        {%- if per %}
        {{ per }},
        {%- endif %}
        rows_rejected / rows_total as observed,
        {{ max_rate }} as max_allowed,
        concat(
            'reject_rate=', toString(round(observed, 6)), ' (max {{ max_rate }}): ',
            toString(rows_rejected), ' of ', toString(rows_total), ' rows'
            {%- if per %},
            ' with {{ per }}=', ifNull(toString({{ per }}), 'NULL')
            {%- endif %}
        ) as message
    from counted
    where observed > {{ max_rate }}
    {%- if not allow_empty %}

    union all

    select
        {%- if per %}
        null as {{ per }},
        {%- endif %}
        null as observed,
        {{ max_rate }} as max_allowed,
        'no rows, so nothing was judged' as message
    from tested
    having count() = 0
    {%- endif %}

)

select * from validation_errors

{% endtest %}
