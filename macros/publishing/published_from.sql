{#
    The SQL of a model that is materialized as `published`: what of a candidate people read, once the
    gate has let its batch through.

    Arguments: candidate: name of the model to publish from; where: SQL condition on its partition
               columns; gate: name of the model with stream, batch_date and decision
    Example:   {{ published_from('stg_web_events__evaluated', where='not is_rejected') }}
#}
{% macro published_from(candidate, where='true', gate='dq_gate') %}
{% do config(candidate=candidate, publish_where=where, gate=gate) %}
{% if not execute %}{% do ledgers() %}{% do ref(gate) %}{% endif %}
select * from {{ ref(candidate) }}
where {{ where }}
{% endmacro %}
