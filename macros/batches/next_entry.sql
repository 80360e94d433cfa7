{#
    SQL: the number of the next write to a ledger (dq_files, dq_batches, dq_acknowledgements). All rows
    of one write have it.

    What is newer is decided by these numbers and never by a clock, which may be wrong and put right
    again; the times beside them are for people. Rows from before there were numbers have 0, so the
    order is (entry, time).

    Example:   insert into dq_batches select ..., {{ next_entry() }} as entry
#}
{% macro next_entry() -%}
    (
        select max(newest_entry) + 1
        from (
            {%- for ledger in ledgers() %}
            select max(entry) as newest_entry from {{ ledger }}
            {{- ' union all' if not loop.last }}
            {%- endfor %}
        )
    )
{%- endmacro %}

{#
    The ledgers whose entries have one sequence of numbers, as relations.

    A macro that is part of a model's SQL calls this while dbt parses, too, so that the model comes
    after the ledgers in the graph without naming them.
#}
{% macro ledgers() %}
    {{ return([ref('dq_files'), ref('dq_batches'), ref('dq_acknowledgements')]) }}
{% endmacro %}
