{#
    Every row has a parent: its value is among the values of the parent's column.

    A value that is NULL, '' or nothing but blanks has no parent. Rows that need none are left out
    with dbt's own config where. The number of failures is the number of rows without a parent. A
    relation without rows fails: it shows nothing.

    Arguments: column_name:   the column that names the parent; dbt fills it in when the test stands
                              under a column
               parent:        the parent relation
               parent_column: the column in it
               allow_empty:   true lets a relation without rows pass (default false)
    Gives:     one row a value: orphan (the value as text), observed (its rows), max_allowed,
               failed_rows, message
    Example:   - name: session_id
                 data_tests:
                   - no_orphans:
                       arguments: {parent: ref('int_web_events__sessions'), parent_column: session_id}
                       config: {where: "event_name = 'checkout_completed'"}
#}
{% test no_orphans(model, column_name=none, parent=none, parent_column=none, allow_empty=false) %}

    {%- if not column_name -%}
        {{ exceptions.raise_compiler_error(
            "Test no_orphans on " ~ model ~ " has no column to look at: put the test under a "
            ~ "column, or write column_name: and the column's name under arguments."
        ) }}
    {%- elif not parent or parent is string -%}
        {{ exceptions.raise_compiler_error(
            "Test no_orphans on " ~ model ~ " has the parent " ~ parent
            ~ ": write parent: ref('a_model') or parent: source('a_source', 'a_table')."
        ) }}
    {%- elif not parent_column or parent_column is not string -%}
        {{ exceptions.raise_compiler_error(
            "Test no_orphans on " ~ model ~ " has the parent_column " ~ parent_column
            ~ ": write one column's name, for example parent_column: " ~ column_name ~ "."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test no_orphans on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

    {{ config(fail_calc='coalesce(sum(failed_rows), 0)') }}

with

children as (

    select * from {{ model }}

),

parents as (

    select * from {{ parent }}

),

-- A join would need join_use_nulls, IN would need transform_null_in, and GLOBAL on a cluster.
both_sides as (

    select
        {{ column_name }} as link,
        1 as is_child,
        0 as is_parent
    from children

    union all

    select
        {{ parent_column }} as link,
        0 as is_child,
        1 as is_parent
    from parents

),

linked as (

    select
        link,
        sum(is_child) as rows_of_children,
        max(is_parent) as has_parent
    from both_sides
    group by link

),

validation_errors as (

    select
        ifNull(toString(link), 'NULL') as orphan,
        rows_of_children as observed,
        0 as max_allowed,
        rows_of_children as failed_rows,
        concat(
            'orphans=', toString(observed),
            ' (max 0): no {{ parent.identifier }}.{{ parent_column }} for {{ column_name }}=', orphan
        ) as message
    from linked
    where
        rows_of_children > 0
        and (has_parent = 0 or ifNull(trim(both ' \t\r\n' from toString(link)) = '', true))
    {%- if not allow_empty %}

    union all

    select
        '' as orphan,
        count() as observed,
        0 as max_allowed,
        1 as failed_rows,
        'no rows, so nothing shows that parents are there' as message
    from children
    having count() = 0
    {%- endif %}

)

select * from validation_errors

{% endtest %}
