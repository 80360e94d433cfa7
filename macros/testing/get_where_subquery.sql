{#
    dbt's own hook for a data test's `where`, with one word more: in `where: newest_batches`, the test
    looks at the batches that the newest run evaluated, so that its cost does not grow with history.

    Arguments: relation: the model under test, which has a batch_date
#}
{% macro default__get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ test_condition(where, relation) }}) dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#
    SQL condition that a test's `where` or `..._where` stands for.

    Arguments: where: SQL, or the word newest_batches; relation: a table with batch_date, beside which
               the ledger dq_batches is
    Example:   where {{ test_condition(parts_where, part) }}
#}
{% macro test_condition(where, relation) -%}
    {%- if where == 'newest_batches' -%}
        batch_date in (
            {{ newest_batches(relation.incorporate(path={'identifier': 'dq_batches'})) }}
        )
    {%- else -%}
        {{ where }}
    {%- endif -%}
{%- endmacro %}
