{#
    Nothing is lost or made up on the way: a measure of this relation is the sum of the measures of
    its parts, in all or in each group.

    Equal means equal: exact for integers and Decimals (Floats depend on the order in which they are
    added: cast them, sum(toDecimal64(revenue, 4))). A sum of no values counts as 0, so a part may
    have no rows; but rows here without rows in any part fail, and rows in parts without rows here
    do. All relations without rows fail: nothing shows that anything is conserved. dbt's own config
    where filters this relation only.

    Arguments: parts:       list of the relations that this one's rows go to
               measure:     SQL aggregate that adds up, over columns that all have (default count(*))
               group_by:    list of columns that all have (default: all rows are one group)
               parts_where: SQL condition on the parts' rows, or one of the words of
                            test_condition (default: all)
               allow_empty: true lets relations pass that have no rows at all (default false)
    Gives:     one row a group: the columns of group_by, observed, expected (sum of the parts),
               difference (observed less expected), message
    Example:   data_tests:
                 - conserved:
                     arguments:
                       parts: [ref('stg_web_events__clean'), ref('stg_web_events__rejects')]
                       measure: sum(revenue)
                       group_by: [batch_date]
#}
{% test conserved(
    model, parts=none, measure='count(*)', group_by=[], parts_where=none, allow_empty=false
) %}

    {%- if not parts or parts is string or parts is mapping or parts is not sequence
            or parts | select('string') | list -%}
        {{ exceptions.raise_compiler_error(
            "Test conserved on " ~ model ~ " has the parts " ~ parts
            ~ ": write a list of relations, for example parts: [ref('a_model'), ref('another_model')]."
        ) }}
    {%- elif not measure or measure is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test conserved on " ~ model ~ " has the measure " ~ measure
            ~ ": write an SQL aggregate that adds up, for example measure: sum(revenue)."
        ) }}
    {%- elif group_by is string or group_by is not sequence -%}
        {{ exceptions.raise_compiler_error(
            "Test conserved on " ~ model ~ " has the group_by " ~ group_by
            ~ ": write a list of columns, for example group_by: [batch_date]."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test conserved on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {%- set part_names = parts | map(attribute='identifier') | join(' + ') -%}
    {%- set measure_text = measure | replace('\\', '\\\\') | replace("'", "\\'") -%}
    {%- set texts = [] -%}
    {%- for column in group_by -%}
        {%- do texts.append("'" ~ column ~ "=', ifNull(toString(" ~ column ~ "), 'NULL')") -%}
    {%- endfor %}

with

tested as (

    select * from {{ model }}

),

{% for part in parts -%}
part_{{ loop.index }} as (

    select * from {{ part }}
    {%- if parts_where %}
    where {{ test_condition(parts_where, part) }}
    {%- endif %}

),

{% endfor -%}
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

part_measures as (
    {% for part in parts %}
    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        {{ measure }} as measured
    from part_{{ loop.index }}
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- else %}
    having count() > 0
    {%- endif %}
    {% if not loop.last %}
    union all
    {% endif %}
    {%- endfor %}
),

-- A full join would need join_use_nulls.
both_sides as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        measured as tested_measure,
        null as part_measure,
        1 as in_tested,
        0 as in_parts
    from tested_measures

    union all

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        null as tested_measure,
        measured as part_measure,
        0 as in_tested,
        1 as in_parts
    from part_measures

),

compared as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        ifNull(sum(tested_measure), 0) as observed,
        ifNull(sum(part_measure), 0) as expected,
        sum(in_tested) as sides_tested,
        sum(in_parts) as sides_parts
    from both_sides
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- else %}
    having sides_tested + sides_parts > 0
    {%- endif %}

),

validation_errors as (

    select
        {%- for column in group_by %}
        {{ column }},
        {%- endfor %}
        observed,
        expected,
        observed - expected as difference,
        concat(
            multiIf(
                sides_tested = 0, 'no rows here',
                sides_parts = 0, 'no rows in any part',
                concat('difference=', toString(difference), ' (max 0)')
            ),
            ': {{ measure_text }}=', toString(observed),
            ', in {{ part_names }} ', toString(expected)
            {%- if group_by %},
            ', for ', {{ texts | join(", ', ', ") }}
            {%- endif %}
        ) as message
    from compared
    where not (sides_tested > 0 and sides_parts > 0 and observed = expected)
    {%- if not allow_empty %}

    union all

    select
        {%- for column in group_by %}
        null as {{ column }},
        {%- endfor %}
        0 as observed,
        0 as expected,
        0 as difference,
        'no rows here and none in {{ part_names }}, so nothing to compare' as message
    where
        (select count() from tested) = 0
        {%- for part in parts %}
        and (select count() from part_{{ loop.index }}) = 0
        {%- endfor %}
    {%- endif %}

)

select * from validation_errors

{% endtest %}
