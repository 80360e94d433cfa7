{{ config(materialized='view') }}

with

open_incidents as (

    select * from {{ ref('dq_incidents') }}
    where status != 'resolved'

),

final as (

    select
        incidents.stream as stream,
        incidents.check_name as check_name,
        incidents.dimension as dimension,
        ifNull(results.tier, 1)::UInt8 as tier,
        incidents.severity as severity,
        incidents.status as status,
        incidents.is_changed as is_changed,
        results.observed as observed,
        results.expected as expected,
        results.limit_value as limit_value,
        incidents.message as message,
        incidents.money_at_stake as money_at_stake,
        incidents.owner as owner,
        incidents.channel as channel,
        incidents.remediation as remediation,
        incidents.runbook as runbook,
        incidents.incident_id as incident_id,
        incidents.held_batches as held_batches,
        incidents.since as since,
        incidents.first_batch as first_batch,
        incidents.told_batch as batch_date
    from open_incidents as incidents
    left join {{ ref('dq_check_results') }} as results
        on results.stream = incidents.stream
        and results.check_name = incidents.check_name
        and results.dimension = incidents.dimension
        and results.batch_date = incidents.told_batch

)

select * from final
