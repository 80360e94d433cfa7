{#
    Whether dbt was asked to build without rows (--empty).

    Such a run creates the tables that are missing and leaves the rows of the others as they are: it
    lands, publishes and records nothing. Tables and views that every run makes anew are empty until the
    next run.
#}
{% macro is_empty_run() %}
    {{ return(execute and invocation_args_dict.get('empty', false)) }}
{% endmacro %}
