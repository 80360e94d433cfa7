{#
    SQL: where a row stands in its batch's order of (file_name, row_number), as one UInt64: numbers
    are sorted and joined several times faster than file names.

    Arguments: relation: the evaluated rows, which the model being built reads; the number of a file
               counts the files of the scope
    Example:   {{ event_position(ref('stg_web_events__evaluated')) }} as position
#}
{% macro event_position(relation) -%}
    {%- set files -%}
    (select arraySort(groupUniqArray(toString(file_name))) from {{ relation }} where {{ in_scope('batch_date') }})
    {%- endset -%}
    bitShiftLeft(
        toUInt64(transform(toString(file_name), {{ files }}, arrayEnumerate({{ files }}), toUInt32(0))), 40
    ) + row_number
{%- endmacro %}
