with

orders as (

    select * from {{ ref('sluicegate', 'fct_orders') }}

),

-- All columns, so that a change of the published table's columns is seen.
final as (

    select
        * except (items, revenue, ordered_at),
        toFloat64(length(items)) as items,
        ifNull(toFloat64(revenue), 0.) as revenue,
        100. * is_assisted as assisted_percent,
        toDateTime(ordered_at, 'UTC') as ordered_at,
        toDateTime(batch_date, 'UTC') as batch_at
    from orders

)

select * from final
