{#
    The rows of the scope's batches that repeat an earlier event, with the first copy.

    Two rows are the same event when all of the raw model's event_key columns are equal (times
    compared as times). The first copy is the first by (batch_date, file_name, row_number) within the
    batch and the lookback's batches before it, so a re-run decides alike. Lines that are no record,
    and copies that say they happened after their file arrived, are nobody's first copy.

    Arguments: raw: the raw relation
    Returns:   SQL giving event_key, row_number, file_key (cityHash64 of file_name; the join is on
               numbers only, which is what makes it cheap) and first_copy ('batch_date
               file_name:row_number')
#}
{% macro duplicates(raw) %}
    with
    repeated as (
        select event_key
        from {{ raw }}
        where {{ in_scope('batch_date', lookback=true) }} and landing_error = ''
        group by event_key
        having count() > 1
    ),
    copies as (
        select
            batch_date,
            event_key,
            file_name,
            row_number,
            (batch_date, file_name, row_number) as position,
            sipHash128(client_id, event_name, page_url, {{ canonical_time('timestamp') }}, event_data)
                as event_hash,
            {{ batch_sequence('batch_date') }} as sequence,
            not {{ is_in_future(event_time('timestamp')) }} as is_plausible
        from {{ raw }}
        where
            {{ in_scope('batch_date', lookback=true) }}
            and landing_error = ''
            and event_key in (select event_key from repeated)
    ),
    ordered as (
        select
            *,
            countIf(is_plausible) over lookback as plausible_copies,
            minIf(position, is_plausible) over lookback as first_position
        from copies
        window lookback as (
            partition by event_hash
            order by sequence
            range between {{ model_under_build().config.lookback_batches }} preceding and current row
        )
    )
    select
        event_key,
        row_number,
        cityHash64(file_name) as file_key,
        concat(
            toString(first_position.1), ' ', first_position.2, ':', toString(first_position.3)
        ) as first_copy
    from ordered
    where plausible_copies > 0 and first_position < position and {{ in_scope('batch_date') }}
{% endmacro %}

{#
    SQL: the number of a batch in the order of batches, for the batches that the scope looks at.

    Arguments: column: the batch date
#}
{% macro batch_sequence(column) -%}
    {%- set scope = batch_scope() -%}
    {%- set dates = [] -%}
    {%- set numbers = [] -%}
    {%- for batch in scope -%}
        {%- set window = batch.window.split(',') -%}
        {%- for batch_date in window -%}
            {%- if batch_date not in dates -%}
                {%- do dates.append(batch_date) -%}
                {%- do numbers.append(batch.sequence - loop.length + loop.index) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if dates -%}
    transform(toString({{ column }}), ['{{ dates | join("', '") }}'], [{{ numbers | join(', ') }}], 0)
    {%- else -%}
    0
    {%- endif -%}
{%- endmacro %}

{#
    SQL: whether a row says that it happened after its file arrived.

    Arguments: event_at: SQL of its time
#}
{% macro is_in_future(event_at) -%}
    ifNull(toUnixTimestamp64Milli({{ event_at }}) > {{ latest_plausible_milliseconds() }}, false)
{%- endmacro %}

{#
    SQL: the latest time that a row of a file can speak of, in epoch milliseconds: when the file arrived, and some
    seconds' grace for clocks that differ (variable future_tolerance_seconds). A file whose time of
    change lies before its own batch says nothing of its arrival; then it is when it was landed.
#}
{% macro latest_plausible_milliseconds() -%}
    if(
        toDate(file_mtime) >= batch_date,
        toUnixTimestamp(file_mtime) * 1000,
        toUnixTimestamp64Milli(landed_at)
    ) + {{ var('future_tolerance_seconds') }} * 1000
{%- endmacro %}

{#
    SQL: whether a row's day (UTC) is another than its batch's.

    Arguments: event_at: SQL of its time
#}
{% macro is_outside_batch(event_at) -%}
    ifNull(
        intDiv(toUnixTimestamp64Milli({{ event_at }}), 86400000) != toUInt16(batch_date)
        or toUnixTimestamp64Milli({{ event_at }}) < 0,
        false
    )
{%- endmacro %}

{#
    The completed checkouts of the scope's batches whose transaction_id a different purchase within
    the batch or the lookback bears too.

    Arguments: raw: the raw relation
    Returns:   SQL giving batch_date, transaction_id
#}
{% macro transaction_collisions(raw) %}
    with
    purchases as (
        select
            batch_date,
            event_key,
            {{ json_text('event_data', 'transaction_id') }} as transaction_id,
            {{ batch_sequence('batch_date') }} as sequence
        from {{ raw }}
        where
            {{ in_scope('batch_date', lookback=true) }}
            and event_name = 'checkout_completed'
            and landing_error = ''
    ),
    shared as (
        select
            batch_date,
            transaction_id,
            uniqExact(event_key) over (
                partition by transaction_id
                order by sequence
                range between {{ model_under_build().config.lookback_batches }} preceding and current row
            ) as purchases
        from purchases
        where transaction_id != ''
    )
    select distinct batch_date, transaction_id
    from shared
    where purchases > 1 and {{ in_scope('batch_date') }}
{% endmacro %}
