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
    page's campaign parameters and the referrer's host.

    Arguments: page_url, utm_medium, referrer_host: SQL of each
    Returns:   email, affiliate, paid_social, paid_search, campaign, internal, organic_search,
               social, referral or direct
#}
{% macro channel(page_url, utm_medium, referrer_host) -%}
    multiIf(
        {{ utm_medium }} in ('email', 'e-mail', 'newsletter') or position({{ page_url }}, '_kx=') > 0, 'email',
        {{ utm_medium }} in ('affiliate', 'affiliates') or multiSearchAny({{ page_url }}, ['irclickid=', 'affid=']), 'affiliate',
        {{ utm_medium }} in ('paid_social', 'paidsocial', 'social_paid') or multiSearchAny({{ page_url }}, ['fbclid=', 'ttclid=']), 'paid_social',
        {{ utm_medium }} in ('cpc', 'ppc', 'paid_search', 'paidsearch') or multiSearchAny({{ page_url }}, ['gclid=', 'msclkid=', 'gbraid=', 'wbraid=']), 'paid_search',
        {{ utm_medium }} != '', 'campaign',
        {{ referrer_host }} = '', 'direct',
        {{ referrer_host }} = domain({{ page_url }}) or endsWith({{ referrer_host }}, concat('.', cutToFirstSignificantSubdomain({{ page_url }}))) or {{ referrer_host }} = cutToFirstSignificantSubdomain({{ page_url }}), 'internal',
        match({{ referrer_host }}, '(^|[.])(google|bing|duckduckgo|yahoo|ecosia|baidu|yandex)[.]'), 'organic_search',
        match({{ referrer_host }}, '(^|[.])(facebook|instagram|pinterest|tiktok|twitter|x|reddit|youtube|linkedin)[.]com$|^t[.]co$'), 'social',
        'referral'
    )
{%- endmacro %}
