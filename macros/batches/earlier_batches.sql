{#
    SQL: what the model being built, which takes its batches one by one, holds for other batches: for
    those before in this very run, and for those that stay as they are.

    Arguments: columns: {name: type} of the columns wanted; where: SQL condition on them
    Returns:   a query; it gives no rows while the table is not there yet
#}
{% macro earlier_batches(columns, where) %}
    {%- set rebuilding = model.get('rebuilding') -%}
    {%- set names = columns | join(', ') -%}
    {%- if rebuilding %}
    select {{ names }} from {{ rebuilding.staging_relation }}
    where {{ where }}
    union all
    select {{ names }} from {{ this }}
    where
        {{ where }}
        and batch_date not in ('{{ rebuilding.batches | map(attribute='batch_date') | join("', '") }}')
    {%- else %}
    select
        {%- for name, type in columns.items() %}
        defaultValueOfTypeName('{{ type }}') as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    where false
    {%- endif %}
{% endmacro %}
