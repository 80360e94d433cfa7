{#
    dbt's own hook for a data test's `where`, with two words more (see test_condition):
    `where: newest_batches` restricts a test to the batches that the newest run evaluated, so that its
    cost does not grow with history.

    Arguments: relation: the model under test, which has a batch_date
#}
{% macro default__get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ sluicegate.test_condition(where, relation) }}) dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#
    SQL condition that a test's `where` or `..._where` stands for. Two words in it stand for a
    condition of their own: newest_batches, those that the newest run evaluated, and
    published_batches, those that the gate let through.

    Arguments: where: SQL with these words; relation: a table with batch_date, beside which dq_batches
               and dq_gate are
    Example:   {{ test_condition('newest_batches and is_rejected', relation) }}
#}
{% macro test_condition(where, relation) -%}
    {%- set newest -%}
        batch_date in (
            {{ sluicegate.newest_batches(relation.incorporate(path={'identifier': 'dq_batches'})) }}
        )
    {%- endset -%}
    {%- set published -%}
        batch_date in (
            select batch_date from {{ relation.incorporate(path={'identifier': 'dq_gate'}) }}
            where decision in ('publish', 'released')
        )
    {%- endset -%}
    {%- set condition = modules.re.split('\\bnewest_batches\\b', where) | join(newest) -%}
    {{ modules.re.split('\\bpublished_batches\\b', condition) | join(published) }}
{%- endmacro %}
