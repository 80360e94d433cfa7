{{ config(materialized='view') }}

with

-- Names of files and columns as they may be shown.
named as (

    select
        *,
        arrayMap(file -> {{ visible_text('file') }}, files_changed) as changed_shown,
        arrayMap(file -> {{ visible_text('file') }}, files_undated) as undated_shown,
        arrayMap(file -> {{ visible_text('file') }}, files_left_alone) as left_alone_shown,
        arrayMap(
            file -> ({{ visible_text('file.1') }}, {{ visible_text('file.2') }}), files_unreadable
        ) as unreadable_shown,
        arrayMap(
            file -> ({{ visible_text('file.1') }}, {{ visible_text('file.2') }}), files_differing
        ) as differing_shown,
        arrayMap(
            pair -> ({{ shown_label('pair.1') }}, {{ visible_text('pair.2') }}), columns_missing
        ) as columns_missing_shown,
        arrayMap(
            pair -> ({{ shown_label('pair.1') }}, {{ visible_text('pair.2') }}), mandatory_missing
        ) as mandatory_missing_shown,
        arrayMap(
            pair -> ({{ shown_label('pair.1') }}, {{ visible_text('pair.2') }}), columns_renamed
        ) as columns_renamed_shown,
        arrayMap(
            pair -> ({{ shown_label('pair.1') }}, {{ visible_text('pair.2') }}), columns_added
        ) as columns_added_shown
    from {{ ref('dq_manifest') }}

),

manifest as (

    select
        stream,
        batch_date,
        arrayJoin(arrayConcat(
            [
                ('files', '', toFloat64(files), ''),
                ('file_missing', '', toFloat64(status = 'missing'), ''),
                ('file_late_hours', '', if(status = 'missing', 0., toFloat64(hours_late)), ''),
                (
                    'files_changed',
                    '',
                    toFloat64(length(files_changed)),
                    arrayStringConcat(changed_shown, ', ')
                ),
                (
                    'files_undated',
                    '',
                    toFloat64(length(files_undated)),
                    arrayStringConcat(undated_shown, ', ')
                ),
                (
                    'files_left_alone',
                    '',
                    toFloat64(length(files_left_alone)),
                    arrayStringConcat(left_alone_shown, ', ')
                ),
                ('columns_reordered', '', toFloat64(is_reordered), ''),
                ('freshness_hours', '', toFloat64(freshness_hours), ''),
                ('run_gap_hours', '', toFloat64(run_gap_hours), ''),
                ('ledger_ahead_minutes', '', toFloat64(ledger_ahead_minutes), ''),
                ('files_unreadable', '', toFloat64(length(files_unreadable)), ''),
                ('files_differing', '', toFloat64(length(files_differing)), '')
            ],
            arrayMap(
                file -> (
                    'files_unreadable',
                    file.1,
                    1.,
                    concat('it cannot be read, none of it was landed: ', file.2)
                ),
                unreadable_shown
            ),
            arrayMap(file -> ('files_differing', file.1, 1., file.2), differing_shown)
            {%- for metric, columns, said in [
                ('columns_mandatory_missing', 'mandatory_missing_shown', 'absent from '),
                (
                    'columns_missing',
                    'arrayFilter(pair -> not has(mandatory_missing_shown, pair), columns_missing_shown)',
                    'absent from '
                ),
                ('columns_added', 'columns_added_shown', 'in '),
                ('columns_renamed', 'columns_renamed_shown', 'in '),
            ] %},
            [('{{ metric }}', '', toFloat64(length({{ columns }})), '')],
            arrayMap(
                name -> (
                    '{{ metric }}',
                    name,
                    toFloat64(length(arrayFilter(pair -> pair.1 = name, {{ columns }}))),
                    concat('{{ said }}', arrayStringConcat(
                        arrayMap(
                            pair -> pair.2, arrayFilter(pair -> pair.1 = name, {{ columns }})
                        ),
                        ', '
                    ))
                ),
                arrayDistinct(arrayMap(pair -> pair.1, {{ columns }}))
            )
            {%- endfor %}
        )) as measure
    from named

),

final as (

    select * from {{ ref('int_web_events__event_metrics') }}

    union all

    select * from {{ ref('int_web_events__session_metrics') }}

    union all

    select
        stream,
        toLowCardinality(measure.1) as metric,
        toLowCardinality(measure.2) as dimension,
        toDecimal128(measure.3, 4) as numerator,
        cast(null, 'Nullable(Decimal(38, 4))') as denominator,
        measure.3 as value,
        1. as volume,
        emptyArrayFloat64() as numerator_by_hour,
        emptyArrayFloat64() as denominator_by_hour,
        measure.4 as detail,
        batch_date
    from manifest

)

select * from final
