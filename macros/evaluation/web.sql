{#
    SQL: what a user agent runs on: bot, tablet, mobile, desktop or unknown.

    Arguments: column: SQL of the user agent
#}
{% macro device_class(column) -%}
    multiIf(
        {{ column }} = '', 'unknown',
        {{ is_bot(column) }}, 'bot',
        multiSearchAny({{ column }}, ['iPad', 'Tablet', 'Kindle', 'Silk/']), 'tablet',
        multiSearchAny({{ column }}, ['iPhone', 'iPod', 'Mobile', 'Windows Phone']), 'mobile',
        position({{ column }}, 'Android') > 0, 'tablet',
        multiSearchAny({{ column }}, ['Windows', 'Macintosh', 'X11', 'CrOS', 'Linux']), 'desktop',
        'unknown'
    )
{%- endmacro %}

{#
    SQL: whether a user agent says that it is a program and no person's browser.

    Arguments: column: SQL of the user agent
#}
{% macro is_bot(column) -%}
    multiSearchAnyCaseInsensitive({{ column }}, [
        'bot', 'crawl', 'spider', 'slurp', 'headless', 'lighthouse', 'facebookexternalhit', 'python-',
        'curl/', 'wget/', 'phantomjs', 'pingdom', 'scrapy'
    ])
{%- endmacro %}

{#
    SQL: how a visit came: the marketing channel of a page view, by the first that holds of the
    page's campaign parameters, then of the referrer's host.

    Arguments: page_url, utm_medium, referrer_host, page_host: SQL of each; the last three as
               LowCardinality, so that what is asked of them is asked once a value, not once a row
    Returns:   email, affiliate, paid_social, paid_search, campaign, direct, internal,
               organic_search, social or referral
#}
{% macro channel(page_url, utm_medium, referrer_host, page_host) -%}
    {#- One search for all of them: the number of the first in this list that is there, else 0. -#}
    {%- set clicks = [
        '_kx=', 'irclickid=', 'affid=', 'fbclid=', 'ttclid=', 'gclid=', 'msclkid=', 'gbraid=', 'wbraid='
    ] -%}
    {%- set click -%}
    multiSearchFirstIndex({{ page_url }}, ['{{ clicks | join("', '") }}'])
    {%- endset -%}
    multiIf(
        {{ utm_medium }} in ('email', 'e-mail', 'newsletter') or {{ click }} = 1, 'email',
        {{ utm_medium }} in ('affiliate', 'affiliates') or {{ click }} in (2, 3), 'affiliate',
        {{ utm_medium }} in ('paid_social', 'paidsocial', 'social_paid') or {{ click }} in (4, 5), 'paid_social',
        {{ utm_medium }} in ('cpc', 'ppc', 'paid_search', 'paidsearch') or {{ click }} > 5, 'paid_search',
        {{ utm_medium }} != '', 'campaign',
        {{ referrer_host }} = '', 'direct',
        {{ _site_hash(referrer_host) }} = {{ _site_hash(page_host) }}, 'internal',
        match({{ referrer_host }}, '(^|[.])(google|bing|duckduckgo|yahoo|ecosia|baidu|yandex)[.]'), 'organic_search',
        match({{ referrer_host }}, '(^|[.])(facebook|instagram|pinterest|tiktok|twitter|x|reddit|youtube|linkedin)[.]com$|^t[.]co$'), 'social',
        'referral'
    )
{%- endmacro %}

{# SQL: hash of the registrable part of a host (shop.example of www.shop.example). #}
{% macro _site_hash(host) -%}
    cityHash64(cutToFirstSignificantSubdomain(concat('https://', {{ host }})))
{%- endmacro %}

{#
    SQL: a campaign parameter of an address, as LowCardinality(String).

    Arguments: page_url: SQL of the address; name: of the parameter, it begins with utm_
#}
{% macro campaign_parameter(page_url, name) -%}
    toLowCardinality(if(position({{ page_url }}, 'utm_') > 0, extractURLParameter({{ page_url }}, '{{ name }}'), ''))
{%- endmacro %}
