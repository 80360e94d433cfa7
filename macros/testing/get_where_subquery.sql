{#
    dbt's own hook for a data test's `where`, with one word more: in `where: newest_batches`, the test
    looks at the batches that the newest run evaluated, so that its cost does not grow with history.

    Arguments: relation: the model under test, which has a batch_date
#}
{% macro default__get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where == 'newest_batches' -%}
        {%- set ledger = relation.incorporate(path={'identifier': 'dq_batches'}) -%}
        (
            select * from {{ relation }}
            where batch_date in (
                {{ newest_batches(ledger) }}
            )
        ) dbt_subquery
    {%- elif where -%}
        (select * from {{ relation }} where {{ where }}) dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
