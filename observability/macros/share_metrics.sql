{# SQL: the names of the metrics that are shares, as dq_metrics.yml says, for an "in". #}
{% macro share_metrics() -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- set metrics = graph.nodes['model.sluicegate.dq_metrics'].config.meta.metrics -%}
        {%- for name in metrics if metrics[name].unit == 'share' -%}
            {%- do names.append("'" ~ name ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {{ names | join(', ') or "''" }}
{%- endmacro %}
