{#
    SQL: the checks that a person has declared right for a batch, as an Array(Tuple(String, Date,
    String)) of stream, batch and check. Their word holds for the files that were there when they gave
    it: a newer delivery needs a new one.
#}
{% macro acknowledged_checks() -%}
    (
        select groupUniqArray((
            acknowledgements.stream::String, acknowledgements.batch_date, concerned.check_name::String
        ))
        from {{ ref('dq_acknowledgements') }} as acknowledgements
        left join (
            select
                stream,
                batch_date,
                max((entry, landed_at)) as last_landing
            from {{ ref('dq_files') }}
            where status = 'landed'
            group by stream, batch_date
        ) as deliveries
            on deliveries.stream = acknowledgements.stream
            and deliveries.batch_date = acknowledgements.batch_date
        cross join (select check_name from {{ ref('dq_checks') }}) as concerned
        where
            acknowledgements.check_name in ('', concerned.check_name)
            and (acknowledgements.entry, acknowledgements.acknowledged_at)
            >= ifNull(deliveries.last_landing, (toUInt64(0), toDateTime64(0, 6, 'UTC')))
    )
{%- endmacro %}
