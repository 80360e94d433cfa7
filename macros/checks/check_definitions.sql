{#
    The checks of a stream, as seeds/dq_checks.csv states them, typed.

    Arguments: stream: its name
    Returns:   a query: check_name, stream, tier UInt8, severity, is_blocking Bool, metric, unit,
               is_share_of_money, dimension, kind, is_baseline (it needs earlier batches), direction,
               limits (of warn and of fail) Array(Nullable(Float64)), guard and min_volume Float64, min_history UInt16, money, breakdown, column_name, owner, channel,
               remediation
    Errors:    a compile error that names the check and says what to write (see _check_problems)
#}
{% macro check_definitions(stream) %}
    {#- Once a run: where dbt compiles the model, not where it is materialized. -#}
    {%- if execute and model.batch_scope is not defined -%}
        {%- set problems = run_query(_check_problems()).rows if load_relation(ref('dq_checks')) is not none else [] -%}
        {%- if problems -%}
            {{ exceptions.raise_compiler_error(
                'seeds/dq_checks.csv: ' ~ problems[0].problem
                ~ (' (and ' ~ (problems | length - 1) ~ ' more rows)' if problems | length > 1 else '')
            ) }}
        {%- endif -%}
    {%- endif -%}
    {%- set metrics = metric_registry() %}
    select
        check_name,
        stream,
        toUInt8(tier) as tier,
        severity,
        (lower(is_blocking) = 'true')::Bool as is_blocking,
        metric,
        transform(
            metric,
            ['{{ metrics | join("', '") }}'],
            ['{{ metrics.values() | map(attribute='unit') | join("', '") }}'],
            'number'
        ) as unit,
        metric in (
            {%- for name, known in metrics.items() if known.get('of') == 'money' -%}
            '{{ name }}', {# -#}
            {%- endfor %}'') as is_share_of_money,
        dimension,
        kind,
        kind in ({{ _listed(_baseline_kinds()) }}) as is_baseline,
        direction,
        [toFloat64OrNull(warn_limit), toFloat64OrNull(fail_limit)] as limits,
        toFloat64OrZero(guard) as guard,
        toFloat64OrZero(min_volume) as min_volume,
        if(
            min_history = '' and kind in ({{ _listed(_baseline_kinds()) }}),
            3,
            toUInt16OrZero(min_history)
        )::UInt16 as min_history,
        money,
        breakdown,
        column_name,
        owner,
        channel,
        remediation
    from {{ _check_rows() }}
    where stream = '{{ stream }}'
{% endmacro %}

{# The metrics there are, {name: {unit, label, dimension}}, as the YAML of dq_metrics states them. #}
{% macro metric_registry() %}
    {{ return(_node('dq_metrics').config.get('meta', {}).get('metrics', {'none': {'unit': 'number'}})) }}
{% endmacro %}

{% macro _baseline_kinds() %}
    {{ return(['ratio_to_baseline', 'zscore', 'robust_zscore', 'day_over_day']) }}
{% endmacro %}

{% macro _listed(values) -%}
    '{{ values | join("', '") }}'
{%- endmacro %}

{# The seed with blanks cut off; an empty cell is ''. #}
{% macro _check_rows() -%}
    (
        select
            {%- for name in [
                'check_name', 'stream', 'tier', 'severity', 'is_blocking', 'metric', 'dimension', 'kind',
                'direction', 'warn_limit', 'fail_limit', 'guard', 'min_volume', 'min_history', 'money',
                'breakdown', 'column_name', 'owner', 'channel', 'remediation'
            ] %}
            trimBoth(ifNull(toString({{ name }}), '')) as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ ref('dq_checks') }}
    )
{%- endmacro %}

{#
    A query for the rows of the seed that make no sense: problem says which check, what is wrong and
    what to write.
#}
{% macro _check_problems() %}
    {%- set metrics = metric_registry() | list -%}
    {%- set streams = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.get('stream') -%}
        {%- do streams.append(node.config.stream) -%}
    {%- endfor -%}
    {%- set streams = streams | unique | list %}
    with
    seed as (
        select
            *,
            count() over (partition by stream, check_name) as same_name,
            toFloat64OrNull(warn_limit) as warn_number,
            toFloat64OrNull(fail_limit) as fail_number
        from {{ _check_rows() }}
    ),
    judged as (
        select
            check_name,
            multiIf(
                not match(check_name, '^[a-z][a-z0-9_]*$'),
                'has no usable name: write check_name in lower case letters, digits and _',
                stream not in ({{ _listed(streams) }}),
                concat('has the stream "', stream, '": write one of {{ streams | join(", ") }}'),
                same_name > 1,
                'is there twice: rename or remove one of the two',
                tier not in ('1', '2', '3'),
                concat('has the tier "', tier, '": write 1, 2 or 3'),
                severity not in ('CRITICAL', 'WARN', 'INFO'),
                concat('has the severity "', severity, '": write CRITICAL, WARN or INFO'),
                lower(is_blocking) not in ('true', 'false'),
                concat('has is_blocking "', is_blocking, '": write true or false'),
                metric not in ({{ _listed(metrics) }}),
                concat(
                    'has the unknown metric "', metric, '": write one of those that the YAML of dq_metrics',
                    ' lists, or add it there'
                ),
                breakdown != '' and breakdown not in ({{ _listed(metrics) }}),
                concat('has the unknown metric "', breakdown, '" as breakdown: leave it empty or write one of dq_metrics'),
                kind not in ('threshold', 'equality', {{ _listed(_baseline_kinds()) }}),
                concat('has the kind "', kind, '": write threshold, equality, {{ _baseline_kinds() | join(", ") }}'),
                kind = 'threshold' and direction not in ('above', 'at_least', 'below', 'at_most'),
                concat('has the direction "', direction, '": a threshold needs above, at_least, below or at_most'),
                kind = 'equality' and direction != '',
                concat('has the direction "', direction, '": leave it empty for equality'),
                kind in ({{ _listed(_baseline_kinds()) }}) and direction not in ('above', 'below', 'both'),
                concat('has the direction "', direction, '": a ', kind, ' needs above, below or both'),
                warn_limit != '' and not isFinite(ifNull(warn_number, nan)),
                concat('has the warn_limit "', warn_limit, '": write a number or leave it empty'),
                fail_limit != '' and not isFinite(ifNull(fail_number, nan)),
                concat('has the fail_limit "', fail_limit, '": write a number or leave it empty'),
                warn_limit = '' and fail_limit = '',
                'has no limit: write a warn_limit, a fail_limit or both',
                kind in ({{ _listed(_baseline_kinds()) }}) and (ifNull(warn_number, 1) <= 0 or ifNull(fail_number, 1) <= 0),
                concat('has a limit of 0 or less: a ', kind, ' is a distance, write a number above 0'),
                severity = 'CRITICAL' and fail_limit = '',
                'is CRITICAL and has no fail_limit: write one, or make it a WARN',
                severity != 'CRITICAL' and fail_limit != '',
                concat('is ', severity, ' and has a fail_limit: write it as warn_limit, or make it CRITICAL'),
                lower(is_blocking) = 'true' and severity != 'CRITICAL',
                concat('is ', severity, ' and blocking: only CRITICAL checks hold a batch'),
                direction in ('below', 'at_most') and kind = 'threshold' and ifNull(warn_number < fail_number, false),
                concat('warns at ', warn_limit, ' and fails at ', fail_limit, ' already: the warn_limit must not lie beyond the fail_limit'),
                not (direction in ('below', 'at_most') and kind = 'threshold') and ifNull(warn_number > fail_number, false),
                concat('warns at ', warn_limit, ' and fails at ', fail_limit, ' already: the warn_limit must not lie beyond the fail_limit'),
                guard != '' and not ifNull(toFloat64OrNull(guard) >= 0, false),
                concat('has the guard "', guard, '": write a number from 0 on or leave it empty'),
                min_volume != '' and not ifNull(toFloat64OrNull(min_volume) >= 0, false),
                concat('has the min_volume "', min_volume, '": write a number from 0 on or leave it empty'),
                min_history != '' and isNull(toUInt16OrNull(min_history)),
                concat('has the min_history "', min_history, '": write a whole number of batches or leave it empty'),
                min_history != '' and toUInt16OrZero(min_history) > {{ var('baseline_batches') }} and kind in ({{ _listed(_baseline_kinds()) }}),
                concat('has the min_history "', min_history, '": a baseline has {{ var('baseline_batches') }} batches at the most'),
                kind in ('zscore', 'robust_zscore') and min_history != '' and toUInt16OrZero(min_history) < 2,
                concat('has the min_history "', min_history, '": a ', kind, ' needs at least 2 batches'),
                not match(money, '^(|shortfall|rejected(:[a-z_]+)?|orders|batch)$'),
                concat('has money "', money, '": write shortfall, rejected, rejected:reason, orders or batch, or leave it empty'),
                owner = '',
                'has no owner: write who is responsible',
                not match(channel, '^[a-z][a-z0-9_]*$'),
                concat('has the channel "', channel, '": write lower case letters, digits and _'),
                remediation = '',
                'has no remediation: write in a sentence what to do',
                ''
            ) as what
        from seed
    )
    select concat('check ', if(check_name = '', '(without a name)', check_name), ' ', what, '.') as problem
    from judged
    where what != ''
    order by check_name
{% endmacro %}
