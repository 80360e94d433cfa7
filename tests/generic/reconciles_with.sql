{#
    A measure of this relation is the measure of another one, in all or in each group.

    A group that only one of the two has fails, and so does a measure that is NULL (write
    sum(ifNull(revenue, 0)) where no value at all is right). Two relations without rows fail: there
    is nothing to compare. dbt's own config where filters this relation only.

    Arguments: relation:       the other relation
               measure:        SQL aggregate over columns that both have (default count(*))
               tolerance:      largest difference, as a share of the other's measure, from 0 to
                               below 1 (default 0: equal, exact for integers and Decimals)
               group_by:       list of columns that both have (default: all rows are one group)
               relation_where: SQL condition on the other relation's rows, or one of the words
                               of test_condition (default: all)
               allow_empty:    true lets two relations without rows pass (default false)
    Gives:     one row a group: the columns of group_by, observed, expected, message
    Example:   data_tests:
                 - reconciles_with:
                     arguments:
                       relation: source('shop', 'orders')
                       measure: sum(revenue)
                       tolerance: 0.01
                       group_by: [batch_date]
#}
{% test reconciles_with(
    model,
    relation=none,
    measure='count(*)',
    tolerance=0,
    group_by=[],
    relation_where=none,
    allow_empty=false
) %}

    {%- if not relation or relation is string -%}
        {{ exceptions.raise_compiler_error(
            "Test reconciles_with on " ~ model ~ " has the relation " ~ relation
            ~ ": write relation: ref('a_model') or relation: source('a_source', 'a_table')."
        ) }}
    {%- elif not measure or measure is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test reconciles_with on " ~ model ~ " has the measure " ~ measure
            ~ ": write an SQL aggregate, for example measure: sum(revenue)."
        ) }}
    {%- elif tolerance is not number or tolerance is boolean or not 0 <= tolerance < 1 -%}
        {{ exceptions.raise_compiler_error(
            "Test reconciles_with on " ~ model ~ " has the tolerance " ~ tolerance
            ~ ": write a share from 0 to below 1, for example tolerance: 0.01 for one percent."
        ) }}
    {%- elif group_by is string or group_by is not sequence -%}
        {{ exceptions.raise_compiler_error(
            "Test reconciles_with on " ~ model ~ " has the group_by " ~ group_by
            ~ ": write a list of columns, for example group_by: [batch_date]."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test reconciles_with on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {%- set other = relation.identifier -%}
    {%- set measure_text = measure | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set texts = [] -%}
    {%- for column in group_by -%}
        {%- do texts.append("'" ~ column ~ "=', ifNull(toString(" ~ column ~ "), 'NULL')") -%}
    {%- endfor %}

with

tested as (

    select * from {{ model }}

),

reference as (

    select * from {{ relation }}
    {%- if relation_where %}
    where {{ test_condition(relation_where, relation) }}
    {%- endif %}

),

tested_measures as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        {{ measure }} as measured
    from tested
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- else %}
    having count() > 0
    {%- endif %}

),

reference_measures as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        {{ measure }} as measured
    from reference
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- else %}
    having count() > 0
    {%- endif %}

),

-- A full join would need join_use_nulls.
both_sides as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        measured as tested_measure,
        null as reference_measure,
        1 as in_tested,
        0 as in_reference
    from tested_measures

    union all

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        null as tested_measure,
        measured as reference_measure,
        0 as in_tested,
        1 as in_reference
    from reference_measures

),

compared as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        any(tested_measure) as observed,
        any(reference_measure) as expected,
        sum(in_tested) as sides_tested,
        sum(in_reference) as sides_reference
    from both_sides
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- else %}
    having sides_tested + sides_reference > 0
    {%- endif %}

),

validation_errors as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        observed,
        expected,
        concat(
            multiIf(
                sides_tested = 0, 'no rows here',
                sides_reference = 0, 'no rows in {{ other }}',
                {%- if tolerance > 0 %}
                concat(
                    'difference=', ifNull(toString(
                        round(abs(toFloat64(observed) - toFloat64(expected)) / abs(toFloat64(expected)), 6)
                    ), 'NULL'),
                    ' (max {{ tolerance }})'
                )
                {%- else %}
                'not equal'
                {%- endif %}
            ),
            ': {{ measure_text }}=', ifNull(toString(observed), 'NULL'),
            ', in {{ other }} ', ifNull(toString(expected), 'NULL')
            {%- if group_by %},
            ', for ', {{ texts | join(", ', ', ") }}
            {%- endif %}
        ) as message
    from compared
    where not (
        ifNull(observed = expected, false)
        {%- if tolerance > 0 %}
        or ifNull(
            abs(toFloat64(observed) - toFloat64(expected)) / abs(toFloat64(expected)) <= {{ tolerance }},
            false
        )
        {%- endif %}
    )
    {%- if not allow_empty %}

    union all

    select
        {%- for column in group_by %}
        null as {{ column }},
        {%- endfor %}
        null as observed,
        null as expected,
        'no rows here and no rows in {{ other }}, so nothing to compare' as message
    where (select count() from tested) = 0 and (select count() from reference) = 0
    {%- endif %}

)

select * from validation_errors

{% endtest %}
