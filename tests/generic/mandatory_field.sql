{#
    A field is there: no more than an allowed share of the rows are without it.

    A row is without it when the value is NULL, '' or nothing but blanks. A relation without rows
    fails: it shows nothing about the field.

    Arguments: column_name:  the field; dbt fills it in when the test stands under a column
               allowed_rate: share of the rows that may be without it, from 0 to 1 (default 0)
               allow_empty:  true lets a relation without rows pass (default false)
    Gives:     one row: observed (the share; NULL when there are no rows), max_allowed, message
    Example:   - name: client_id
                 data_tests:
                   - mandatory_field:
                       arguments: {allowed_rate: 0.02}
                       config: {where: "event_name = 'checkout_completed'"}
#}
{% test mandatory_field(model, column_name=none, allowed_rate=0, allow_empty=false) %}

    {%- if not column_name -%}
        {{ exceptions.raise_compiler_error(
            "Test mandatory_field on " ~ model ~ " has no field to look at: put the test under a "
            ~ "column, or write column_name: and the column's name under arguments."
        ) }}
    {%- elif allowed_rate is not number or allowed_rate is boolean or not 0 <= allowed_rate <= 1 -%}
        {{ exceptions.raise_compiler_error(
            "Test mandatory_field on " ~ model ~ " has the allowed_rate " ~ allowed_rate
            ~ ": write a share of the rows from 0 to 1, for example allowed_rate: 0.05."
        ) }}
    {%- elif allow_empty is not boolean -%}
        {{ exceptions.raise_compiler_error(
            "Test mandatory_field on " ~ model ~ " has the allow_empty " ~ allow_empty
            ~ ": write allow_empty: true or allow_empty: false."
        ) }}
    {%- endif -%}

with

tested as (

    select * from {{ model }}

),

fields as (

    select ifNull(trim(both ' \t\r\n' from toString({{ column_name }})) = '', true) as is_missing
    from tested

),

counted as (

    select
        count() as rows_total,
        countIf(is_missing) as rows_missing,
        if(rows_total = 0, null, rows_missing / rows_total) as missing_rate
    from fields

),

validation_errors as (

    select
        missing_rate as observed,
        {{ allowed_rate }} as max_allowed,
        if(
            rows_total = 0,
            'no rows, so nothing shows that the field is there',
            concat(
                'missing_rate=', ifNull(toString(round(missing_rate, 6)), ''),
                ' (max {{ allowed_rate }}): ',
                toString(rows_missing), ' of ', toString(rows_total), ' rows'
            )
        ) as message
    from counted
    where ifNull(missing_rate > {{ allowed_rate }}, {{ 'false' if allow_empty else 'true' }})

)

select * from validation_errors

{% endtest %}
