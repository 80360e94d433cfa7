{%- set columns = [
    'client_id', 'page_url', 'referrer', 'timestamp', 'event_name', 'event_data', 'user_agent'
] %}

with

{{ asked_batch('web_events') }},

newest_dates as (

    select distinct batch_date
    from {{ ref('dq_files') }}
    where
        stream = 'web_events'
        and status = 'landed'
        and batch_date <= (select asked_date from asked)
    order by batch_date desc
    limit 2

),

raw as (

    select * from {{ ref('raw_web_events') }}
    where batch_date in (select batch_date from newest_dates) and landing_error = ''

),

of_contract as (

    select
        batch_date,
        file_name,
        count() as row_count,
        arrayJoin([
            {%- for name in columns %}
            (
                '{{ name }}',
                countIf({{ name }} != ''),
                anyIf(toString({{ name }}), {{ name }} != '')
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ]) as found
    from raw
    group by batch_date, file_name

),

others as (

    select
        batch_date,
        file_name,
        count() as row_count,
        column_name,
        countIf(column_value != '') as filled,
        anyIf(column_value, column_value != '') as example
    from raw
    array join
        mapKeys(extra_columns) as column_name,
        mapValues(extra_columns) as column_value
    group by batch_date, file_name, column_name

),

together as (

    select
        batch_date,
        file_name,
        row_count,
        found.1 as column_name,
        found.2 as filled,
        found.3 as example,
        true as is_of_contract
    from of_contract

    union all

    select
        batch_date,
        file_name,
        row_count,
        column_name,
        filled,
        example,
        false
    from others

),

headers as (

    select
        file_name,
        argMax(columns_missing, (entry, landed_at)) as missing,
        argMax(columns_renamed, (entry, landed_at)) as renamed
    from {{ ref('dq_files') }}
    where stream = 'web_events' and status = 'landed'
    group by file_name

),

final as (

    select
        together.batch_date as batch_date,
        together.file_name as file_name,
        together.column_name as column_name,
        multiIf(
            not is_of_contract, 'unknown',
            has(headers.missing, column_name), 'missing',
            has(mapValues(headers.renamed), column_name),
            concat('came as ', mapKeys(headers.renamed)[
                indexOf(mapValues(headers.renamed), column_name)
            ]),
            'there'
        ) as state,
        round(filled / row_count, 4) as filled_share,
        left(example, 200) as example
    from together
    inner join headers on headers.file_name = together.file_name

)

select
    column_name,
    file_name,
    state,
    filled_share,
    example,
    batch_date
from final
order by state = 'there' asc, column_name asc, batch_date desc, file_name asc
