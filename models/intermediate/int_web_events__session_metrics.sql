{{
    config(
        materialized='batches',
        stream='web_events',
        stage='session_metrics',
        insert_settings='max_insert_threads = 2, query_plan_merge_expressions = 0',
        partition_by='batch_date',
        order_by=['metric', 'dimension']
    )
}}

with

batches as (

    select arrayJoin({{ scope_dates() }}) as batch_date

),

-- Bots buy nothing: they are left out of what describes people.
sessions as (

    select
        batch_date,
        count() as sessions,
        uniqExact(client_id) as clients,
        countIf(has_purchase) as buying_sessions,
        sumMap([toString(channel)], [1]) as sessions_by_channel
    from {{ ref('int_web_events__sessions') }}
    where not is_bot and {{ in_scope('batch_date') }}
    group by batch_date

),

orders as (

    select
        batch_date,
        count() as orders,
        countIf(is_orphan) as orphan_orders,
        countIf(is_assisted) as assisted_orders,
        ifNull(sum(revenue), 0) as revenue,
        sumMap([toString(device_class)], [1]) as orders_by_device
    from {{ ref('int_web_events__orders') }}
    where {{ in_scope('batch_date') }}
    group by batch_date

),

together as (

    select
        batch_date,
        sum(sessions) as all_sessions,
        sum(clients) as all_clients,
        sum(buying_sessions) as all_buying_sessions,
        sum(orders) as all_orders,
        sum(orphan_orders) as all_orphan_orders,
        sum(assisted_orders) as all_assisted_orders,
        sum(revenue) as all_revenue,
        sumMap(sessions_by_channel.1, sessions_by_channel.2) as by_channel,
        sumMap(orders_by_device.1, orders_by_device.2) as by_device
    from (
        select
            batch_date,
            sessions,
            clients,
            buying_sessions,
            sessions_by_channel,
            0 as orders,
            0 as orphan_orders,
            0 as assisted_orders,
            toDecimal128(0, 4) as revenue,
            (emptyArrayString(), emptyArrayUInt64()) as orders_by_device
        from sessions

        union all

        select
            batch_date,
            0,
            0,
            0,
            (emptyArrayString(), emptyArrayUInt64()),
            orders,
            orphan_orders,
            assisted_orders,
            revenue,
            orders_by_device
        from orders

        union all

        -- A batch without a session has its metrics too, as zeros.
        select
            batch_date,
            0,
            0,
            0,
            (emptyArrayString(), emptyArrayUInt64()),
            0,
            0,
            0,
            0,
            (emptyArrayString(), emptyArrayUInt64())
        from batches
    )
    group by batch_date

),

-- Each measure: metric, dimension, numerator, denominator (NULL: a total), what it rests on.
measured as (

    select
        batch_date,
        arrayJoin(arrayConcat(
            [
                {%- for metric, numerator, denominator, volume in [
                    ('sessions', 'all_sessions', none, 'all_sessions'),
                    ('clients', 'all_clients', none, 'all_clients'),
                    ('conversion_rate', 'all_buying_sessions', 'all_sessions', 'all_sessions'),
                    (
                        'direct_share',
                        "by_channel.2[indexOf(by_channel.1, 'direct')]",
                        'all_sessions',
                        'all_sessions'
                    ),
                    ('orders', 'all_orders', none, 'all_orders'),
                    ('orphan_orders', 'all_orphan_orders', none, 'all_orders'),
                    ('assisted_share', 'all_assisted_orders', 'all_orders', 'all_orders'),
                    ('average_order_value', 'all_revenue', 'all_orders', 'all_orders'),
                ] %}
                (
                    '{{ metric }}',
                    '',
                    toDecimal128({{ numerator }}, 4),
                    {%- if denominator %}
                    toNullable(toDecimal128({{ denominator }}, 4)),
                    {%- else %}
                    null,
                    {%- endif %}
                    toFloat64({{ volume }})
                ){{ ',' if not loop.last }}
                {%- endfor %}
            ]
            {%- for metric, numbers, total in [
                ('sessions_by_channel', 'by_channel', 'all_sessions'),
                ('orders_by_device', 'by_device', 'all_orders'),
            ] %},
            [(
                '{{ metric }}',
                '',
                toDecimal128({{ total }}, 4),
                toNullable(toDecimal128({{ total }}, 4)),
                toFloat64({{ total }})
            )],
            arrayMap(
                (dimension, number) -> (
                    '{{ metric }}',
                    dimension,
                    toDecimal128(number, 4),
                    toNullable(toDecimal128({{ total }}, 4)),
                    toFloat64(number)
                ),
                {{ numbers }}.1,
                {{ numbers }}.2
            )
            {%- endfor %}
        )) as measure
    from together

),

final as (

    select
        toLowCardinality('web_events') as stream,
        toLowCardinality(measure.1) as metric,
        toLowCardinality(measure.2) as dimension,
        measure.3 as numerator,
        measure.4 as denominator,
        if(
            isNull(denominator), toFloat64(numerator),
            if(denominator = 0, 0, toFloat64(numerator) / toFloat64(denominator))
        )::Float64 as value,
        measure.5 as volume,
        emptyArrayFloat64() as numerator_by_hour,
        emptyArrayFloat64() as denominator_by_hour,
        '' as detail,
        batch_date
    from measured

)

select * from final
