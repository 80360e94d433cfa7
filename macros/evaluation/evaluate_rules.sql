{#
    All rules as columns: bit masks in which bit i of mask m stands for rule 64 m + i.

    Every predicate stands here once and is evaluated once a row; a bit costs next to nothing, names
    are only looked up for the bits that are set (see rule_names). A predicate that is NULL counts as
    violated.

    Returns:   SQL of the columns reject_mask_0, ... and warn_mask_0, ...
    Example:   select *, {{ evaluate_rules() }} from typed
#}
{% macro evaluate_rules() -%}
    {%- set columns = [] -%}
    {%- for action in ['reject', 'warn'] -%}
        {%- for chunk in rules(action) | batch(64) -%}
            {#- The narrowest mask that holds them: memory traffic is what a rule costs. -#}
            {%- set width = [8, 16, 32, 64] | select('ge', chunk | length) | first -%}
            {%- set state = namespace(mask='toUInt' ~ width ~ '(0)') -%}
            {%- for rule in chunk -%}
                {%- set bit -%}
    bitShiftLeft(toUInt{{ width }}(ifNull(({{ rule.predicate | trim }}) != 0, true)), {{ loop.index0 }})
                {%- endset -%}
                {%- set state.mask = bit if loop.first else 'bitOr(' ~ state.mask ~ ',\n        ' ~ bit ~ ')' -%}
            {%- endfor -%}
            {%- do columns.append(state.mask ~ ' as ' ~ action ~ '_mask_' ~ loop.index0) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ columns | join(',\n    ') or '1 as no_rules' }}
{%- endmacro %}

{#
    The names of the violated rules of one action, from the masks of evaluate_rules.

    Where a final rule holds, it alone is named.

    Arguments: action: reject or warn
    Returns:   SQL of type Array(String): arrays of LowCardinality take three times as long to write
#}
{% macro rule_names(action) -%}
    {%- set arrays = [] -%}
    {%- for chunk in rules(action) | batch(64) -%}
        {%- do arrays.append(
            "arrayMap(bit -> ['" ~ chunk | map(attribute='name') | join("', '") ~ "'][bit + 1], "
            ~ 'bitPositionsToArray(' ~ _final_only(action, loop.index0) ~ '))'
        ) -%}
    {%- endfor -%}
    {{ arrays[0] if arrays | length == 1 else 'arrayConcat(' ~ arrays | join(', ') ~ ')' if arrays else 'emptyArrayString()' }}
{%- endmacro %}

{# SQL: a mask; where a final rule holds, only the final rules' bits of it. #}
{% macro _final_only(action, number) -%}
    {%- set mask = action ~ '_mask_' ~ number -%}
    {%- set final_bits = {} -%}
    {%- for rule in rules('reject') -%}
        {%- if rule.get('final') -%}
            {%- set chunk = loop.index0 // 64 -%}
            {%- do final_bits.update({chunk: final_bits.get(chunk, 0) + 2 ** (loop.index0 % 64)}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set conditions = [] -%}
    {%- for chunk, bits in final_bits.items() -%}
        {%- do conditions.append('bitAnd(reject_mask_' ~ chunk ~ ', ' ~ bits ~ ') != 0') -%}
    {%- endfor -%}
    {%- if not conditions -%}
        {{ mask }}
    {%- else -%}
        if({{ conditions | join(' or ') }}, bitAnd({{ mask }}, {{ final_bits.get(number, 0) if action == 'reject' else 0 }}), {{ mask }})
    {%- endif -%}
{%- endmacro %}

{# SQL: whether any reject rule holds. #}
{% macro any_rejected() -%}
    {%- set masks = [] -%}
    {%- for chunk in rules('reject') | batch(64) -%}
        {%- do masks.append('reject_mask_' ~ loop.index0 ~ ' != 0') -%}
    {%- endfor -%}
    {{ masks | join(' or ') or 'false' }}
{%- endmacro %}
