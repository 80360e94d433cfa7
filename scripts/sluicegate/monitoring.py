"""What the monitoring tables say, as the parts of a report (docs/monitoring_report.schema.json)."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from sluicegate.engine import rows
from sluicegate.masking import Contract, mask_row

# What the page plots, in this order, and how many batches of it.
TRENDS = (
    "rows_raw",
    "reject_rate",
    "revenue_clean",
    "purchases_clean",
    "sessions",
    "conversion_rate",
)
TREND_BATCHES = 92

_BATCHES_SQL = """
    with
    measured as (
        select
            stream,
            batch_date,
            sumIf(numerator, metric = 'files') as files,
            if(
                countIf(metric = 'rows_landed') > 0,
                sumIf(numerator, metric = 'rows_landed'),
                -- Measured by a version that did not tell copies apart.
                sumIf(numerator, metric = 'rows_raw')
            ) as rows_raw,
            sumIf(numerator, metric = 'rows_clean') as rows_clean,
            sumIf(numerator, metric = 'rows_rejected') as rows_rejected,
            sumIf(numerator, metric = 'revenue_raw') as revenue_raw,
            sumIf(numerator, metric = 'revenue_clean') as revenue_clean,
            sumIf(numerator, metric = 'revenue_rejected') as revenue_rejected,
            countIf(metric = 'rows_raw') = 0 as is_missing,
            groupArrayIf(
                (if(metric = 'reject_rows', dimension, 'duplicate_event'), numerator),
                (metric = 'reject_rows' and dimension != '')
                or (metric = 'duplicate_rate' and numerator > 0)
            ) as reject_reasons,
            groupArrayIf((dimension, numerator), metric = 'warning_rows' and dimension != '')
                as warnings
        from dq_metrics
        group by stream, batch_date
    ),
    judged as (
        select
            stream,
            batch_date,
            max(multiIf(
                status in ('fail', 'not_computed') and severity = 'CRITICAL', 3,
                status in ('warn', 'fail') and severity != 'INFO' or status = 'not_computed', 2,
                status in ('warn', 'fail'), 1,
                0
            )) as gravity
        from dq_check_results
        group by stream, batch_date
    )
    select
        measured.stream as stream,
        measured.* except (stream, batch_date),
        toString(measured.batch_date) as batch_date,
        gravity,
        gate.decision as decision,
        gate.hold_reasons as hold_reasons,
        gate.released_by as released_by
    from measured
    left join judged on judged.stream = measured.stream and judged.batch_date = measured.batch_date
    left join dq_gate as gate
        on gate.stream = measured.stream and gate.batch_date = measured.batch_date
    order by measured.stream, measured.batch_date
    settings join_use_nulls = 0
"""

# Whether the published rows of a batch were taken after what they are taken from (the evaluated
# rows and the decision) became what it is now: the rule of the materialization `published`.
_PUBLISHED_SQL = """
    select
        stream,
        toString(batch_date) as batch_date,
        maxIf(current_since, stage != 'published') > maxIf(newest, stage = 'published') as waits
    from (
        select
            stream,
            batch_date,
            stage,
            arraySort(groupArray((entry, recorded_at, version))) as built,
            arrayLastIndex(other -> other.3 != built[-1].3, built) as last_other,
            (built[last_other + 1].1, built[last_other + 1].2) as current_since,
            (built[-1].1, built[-1].2) as newest
        from dq_batches
        where stage in ('evaluated', 'gate', 'published')
        group by stream, batch_date, stage
    )
    group by stream, batch_date
"""

_PUBLISHED_ROWS_SQL = """
    select toString(batch_date) as batch_date, count() as rows
    from stg_{stream}__clean
    group by batch_date
"""

# The tightest band of all checks of a metric: what lies in it raises no alert.
_TRENDS_SQL = """
    select
        results.stream as stream,
        results.metric as metric,
        any(results.unit) as unit,
        toString(results.batch_date) as batch_date,
        any(results.observed) as value,
        anyIf(results.expected, kind in ('zscore', 'ratio_to_baseline')) as expected,
        max(results.lower) as lower,
        min(results.upper) as upper,
        max(indexOf(
            ['insufficient_history', 'low_volume', 'pass', 'warn', 'not_computed', 'fail'], status
        ))
            as gravity
    from dq_check_results as results
    where
        dimension = '' and severity != 'INFO' and metric in {metrics}
        and (stream, batch_date) in (
            select stream, batch_date from dq_gate
            order by batch_date desc
            limit {batches} by stream
        )
    group by stream, metric, results.batch_date
    order by stream, metric, results.batch_date
"""

_CLEAN_TRENDS_SQL = """
    select stream, metric, toString(batch_date) as batch_date, value
    from dq_metrics
    where
        dimension = '' and metric in {metrics}
        and (stream, batch_date) in (
            select stream, batch_date from dq_gate
            order by batch_date desc
            limit {batches} by stream
        )
    order by stream, metric, batch_date
"""

_CHECKS_SQL = """
    select
        check_name as check, stream, toString(batch_date) as batch_date, metric, dimension, kind,
        tier, severity, is_blocking as blocking, status, observed, expected,
        limit_value as limit, baseline_batches, volume, message
    from dq_check_results
    where
        (stream, batch_date) in (
            select stream, max(batch_date) from dq_check_results
            group by stream
        )
        or (stream, check_name, dimension, batch_date) in (
            select stream, check_name, dimension, batch_date from dq_alerts
        )
    order by stream, batch_date desc, tier, check, dimension
"""

_INCIDENTS_SQL = """
    select
        incident_id, stream, check_name as check, dimension, severity, status,
        is_changed as changed, first_batch, last_batch, batches, held_batches, since,
        opened_at, resolved_at, money_at_stake, owner, channel, message, remediation,
        runbook, acknowledged_by
    from dq_incidents
    where status != 'resolved' or is_changed
    order by
        status = 'resolved', indexOf(['CRITICAL', 'WARN', 'INFO'], severity),
        empty(held_batches), first_batch desc, check, dimension
"""

_ALERTS_SQL = """
    select
        severity, check_name as check, stream, batch_date, dimension, observed, expected,
        limit_value as limit, message, since, money_at_stake, owner, channel, remediation, runbook,
        incident_id, is_changed as changed, held_batches
    from dq_alerts
    order by
        indexOf(['CRITICAL', 'WARN', 'INFO'], severity), empty(held_batches), tier,
        batch_date desc, check, dimension
"""

# Whatever is not INFO, and every metric that was not computed. What holds a batch comes first.
_FAILED_SQL = """
    select
        results.stream as stream,
        toString(results.batch_date) as batch_date,
        any(gate.decision) as decision,
        any(gate.released_by) as released_by,
        arrayMap(
            found -> tupleElement(found, 2),
            arraySort(groupArray((
                (
                    severity != 'CRITICAL', status = 'warn', not is_blocking,
                    tier, check_name, dimension
                ),
                (check_name, dimension, toString(severity), toString(status), message)
            )))
        ) as checks
    from dq_check_results as results
    left join dq_gate as gate
        on gate.stream = results.stream and gate.batch_date = results.batch_date
    where
        results.run_id = '{run_id}'
        and (status in ('warn', 'fail') and severity != 'INFO' or status = 'not_computed')
    group by stream, results.batch_date
    order by stream, results.batch_date
    settings join_use_nulls = 0
"""

_JUDGED_SQL = """
    select uniqExact(stream, batch_date) as batches
    from dq_check_results
    where run_id = '{run_id}'
"""

_SAMPLES_SQL = """
    with chosen as (
        select batch_date, file_name, row_number
        from {table}
        where batch_date = (
            select max(batch_date) from {table}
            where batch_date <= (select max(batch_date) from dq_gate where stream = '{stream}')
        )
        order by file_name, row_number
        limit 2 by reject_reasons
        limit 10
    )
    select
        '{stream}' as stream, toString(batch_date) as batch_date, reject_reasons, error_text,
        file_name, row_number,
        if(raw_line = '', left(original_row, 4000), left(raw_line, 1000)) as original_row
    from {table}
    where
        batch_date in (select batch_date from chosen)
        and (file_name, row_number) in (select file_name, row_number from chosen)
    order by file_name, row_number
"""

_STATUSES = ("pass", "info", "warn", "fail")
_TREND_STATUSES = (
    None,
    "insufficient_history",
    "low_volume",
    "pass",
    "warn",
    "not_computed",
    "fail",
)
_COUNTS = (
    "files",
    "rows_raw",
    "rows_clean",
    "rows_rejected",
    "revenue_raw",
    "revenue_clean",
    "revenue_rejected",
)


def number(value: Any) -> int | float | None:
    """Whole numbers as such, others as float, never a Decimal; None for what is not finite."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    exact = Decimal(value)
    return int(exact) if exact == exact.to_integral_value() else float(value)


def _counts(pairs: list[tuple[str, Any]]) -> dict[str, int | float | None]:
    return {name: number(count) for name, count in sorted(pairs)}


def _moment(value: datetime.datetime | None) -> str | None:
    """A time in UTC as ISO 8601."""
    if value is None:
        return None
    return value.replace(tzinfo=datetime.UTC).isoformat(timespec="seconds")


def read_streams(client: Any, labels: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Every stream with its batches and trends, oldest first.

    Args:
        client: what ``engine.connect`` gives.
        labels: per metric its unit and label, as the YAML of dq_metrics states them.
    """
    streams: dict[str, list[dict[str, Any]]] = {}
    waiting = {
        (row["stream"], row["batch_date"]) for row in rows(client, _PUBLISHED_SQL) if row["waits"]
    }
    published: dict[str, set[str]] = {}
    for row in rows(client, _BATCHES_SQL):
        decision = row["decision"] or None
        stream, day = row["stream"], row["batch_date"]
        if stream not in published:
            published[stream] = _published_batches(client, stream)
        held = decision == "hold"
        batch = {
            "batch_date": row["batch_date"],
            **{name: number(row[name]) for name in _COUNTS},
            "reject_reasons": _counts(row["reject_reasons"]),
            "warnings": _counts(row["warnings"]),
            "decision": decision,
            "hold_reasons": list(row["hold_reasons"]) if held else [],
            "status": "hold" if held else _STATUSES[row["gravity"]],
            "released_by": row["released_by"] or None,
            "published": (
                "as_judged"
                if decision and not held and (stream, day) not in waiting
                else "earlier"
                if day in published[stream]
                else "nothing"
            ),
            "is_missing": bool(row["is_missing"]),
        }
        streams.setdefault(row["stream"], []).append(batch)
    trends = _read_trends(client, labels)
    return [
        {"stream": stream, "batches": batches, "trends": trends.get(stream, [])}
        for stream, batches in streams.items()
    ]


def waits(batch: dict[str, Any]) -> bool:
    """Whether the gate lets a batch of the report through and it is not published as judged."""
    return batch["decision"] in ("publish", "released") and batch["published"] != "as_judged"


def _published_batches(client: Any, stream: str) -> set[str]:
    """The batches of which there are published rows; none where nothing was ever published."""
    table = f"stg_{stream}__clean"
    if not rows(client, f"exists table {table}")[0]["result"]:
        return set()
    return {row["batch_date"] for row in rows(client, _PUBLISHED_ROWS_SQL.format(stream=stream))}


def _read_trends(client: Any, labels: dict[str, dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    values = {"metrics": TRENDS, "batches": TREND_BATCHES}
    judged = {
        (row["stream"], row["metric"], row["batch_date"]): row
        for row in rows(client, _TRENDS_SQL.format(**values))
    }
    trends: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows(client, _CLEAN_TRENDS_SQL.format(**values)):
        result = judged.get((row["stream"], row["metric"], row["batch_date"]), {})
        point = {
            "batch_date": row["batch_date"],
            "value": number(row["value"]),
            **{name: number(result.get(name)) for name in ("expected", "lower", "upper")},
            "status": _TREND_STATUSES[result.get("gravity", 0)],
        }
        trends.setdefault(row["stream"], {}).setdefault(row["metric"], []).append(point)
    return {
        stream: [
            {
                "metric": metric,
                "label": labels.get(metric, {}).get("label", metric),
                "unit": labels.get(metric, {}).get("unit", "number"),
                "points": points[metric],
            }
            for metric in TRENDS
            if metric in points
        ]
        for stream, points in trends.items()
    }


def read_checks(client: Any) -> list[dict[str, Any]]:
    """The results for the newest batch of each stream, and those that open incidents speak of."""
    return [
        {
            **row,
            "blocking": bool(row["blocking"]),
            **{name: number(row[name]) for name in ("observed", "expected", "limit", "volume")},
        }
        for row in rows(client, _CHECKS_SQL)
    ]


def read_incidents(client: Any) -> list[dict[str, Any]]:
    """Open incidents, and those that this run has seen resolved; the worst first."""
    return [
        {
            **row,
            "changed": bool(row["changed"]),
            "first_batch": str(row["first_batch"]),
            "last_batch": str(row["last_batch"]),
            "held_batches": [str(date) for date in row["held_batches"]],
            "since": _moment(row["since"]),
            "opened_at": _moment(row["opened_at"]),
            "resolved_at": _moment(row["resolved_at"]),
            "money_at_stake": number(row["money_at_stake"]),
            "acknowledged_by": row["acknowledged_by"] or None,
        }
        for row in rows(client, _INCIDENTS_SQL)
    ]


def _held(batches: int) -> str:
    return "" if not batches else "batch held: " if batches == 1 else f"{batches} batches held: "


def read_alerts(client: Any) -> list[dict[str, Any]]:
    """What is wrong now, one alert for each open incident, the worst first."""
    alerts = []
    for row in rows(client, _ALERTS_SQL):
        held = [str(date) for date in row.pop("held_batches")]
        alerts.append(
            {
                **row,
                "batch_date": str(row["batch_date"]),
                **{
                    name: number(row[name])
                    for name in ("observed", "expected", "limit", "money_at_stake")
                },
                "since": _moment(row["since"]),
                "changed": bool(row["changed"]),
                "message": _held(len(held)) + row["message"],
            }
        )
    return alerts


def read_judged(client: Any, run_id: str) -> dict[str, Any]:
    """What a run judged: how many batches, and each that broke a limit and what was done with it.

    Unlike the alerts, which say what is wrong now, this has also what was over before the run
    ended: in a first load or a backfill a bad day is followed by good ones.

    Args:
        client: what ``engine.connect`` gives.
        run_id: dbt's invocation id of the run.
    """
    (judged,) = rows(client, _JUDGED_SQL.format(run_id=run_id))
    return {
        "batches": int(judged["batches"]),
        "failed": [
            {
                "stream": row["stream"],
                "batch_date": row["batch_date"],
                "decision": row["decision"] or None,
                "released_by": row["released_by"] or None,
                "checks": [
                    dict(
                        zip(
                            ("check", "dimension", "severity", "status", "message"),
                            found,
                            strict=True,
                        )
                    )
                    for found in row["checks"]
                ],
            }
            for row in rows(client, _FAILED_SQL.format(run_id=run_id))
        ],
    }


def read_samples(client: Any, contracts: dict[str, Contract]) -> list[dict[str, Any]]:
    """Some rejects of the newest batch of each stream, shown as their contracts allow.

    Args:
        client: what ``engine.connect`` gives.
        contracts: per stream that has batches what its contract says.
    """
    return [
        {
            **row,
            "reject_reasons": list(row["reject_reasons"]),
            "row_number": int(row["row_number"]),
            "original_row": mask_row(row["original_row"], contract),
        }
        for stream, contract in contracts.items()
        for row in rows(client, _SAMPLES_SQL.format(stream=stream, table=f"stg_{stream}__rejects"))
    ]
