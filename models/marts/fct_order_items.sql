{{ config(materialized='view') }}

with

orders as (

    select * from {{ ref('fct_orders') }}

),

final as (

    select
        order_id,
        transaction_id,
        client_id,
        tupleElement(item, 1) as item_id,
        tupleElement(item, 2) as item_name,
        tupleElement(item, 3) as item_variant,
        line_number,
        tupleElement(item, 4) as quantity,
        tupleElement(item, 5) as item_price,
        ordered_at,
        batch_date
    from orders
    array join
        items as item,
        arrayEnumerate(items) as line_number

)

select * from final
