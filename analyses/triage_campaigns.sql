with

{{ usual_batches('web_events') }},

campaigns as (

    select
        if(
            utm_source = '' and utm_medium = '' and utm_campaign = '',
            '(none)',
            concat(utm_source, ' / ', utm_medium)
        ) as campaign,
        countIf(batch_date = (select asked_date from asked)) as views_now,
        countIf(batch_date < (select asked_date from asked)) as views_before,
        anyIf(toString(channel), batch_date = (select asked_date from asked)) as example_channel,
        anyIf(path(page_url), batch_date = (select asked_date from asked)) as example_page
    from {{ ref('stg_web_events__evaluated') }}
    where
        event_name = 'page_viewed'
        and (
            batch_date = (select asked_date from asked)
            or batch_date in (select batch_date from usual_batches)
        )
    group by campaign

)

select
    campaign,
    views_now as page_views,
    round(ifNotFinite(views_now / sum(views_now) over (), 0), 4) as share,
    round(ifNotFinite(views_before / sum(views_before) over (), 0), 4) as usual_share,
    example_channel,
    example_page
from campaigns
order by abs(share - usual_share) desc, campaign asc
