"""The monitoring report: what the gate wrote, as one document with a published schema."""

from __future__ import annotations

import datetime
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from sluicegate.engine import rows
from sluicegate.errors import SluicegateError
from sluicegate.pipeline import TestResult

SCHEMA_VERSION = "1.0"

# Tests that fail because of what the gate tables say already: their alerts are made from these.
_TOLD_BY_THE_GATE = ("assert_no_batch_held", "assert_files_readable")

_BATCHES_SQL = """
    select
        metrics.stream as stream,
        toString(metrics.batch_date) as batch_date,
        sumIf(numerator, metric = 'files') as files,
        sumIf(numerator, metric = 'rows_raw') as rows_raw,
        sumIf(numerator, metric = 'rows_clean') as rows_clean,
        sumIf(numerator, metric = 'rows_rejected') as rows_rejected,
        sumIf(numerator, metric = 'revenue_raw') as revenue_raw,
        sumIf(numerator, metric = 'revenue_clean') as revenue_clean,
        sumIf(numerator, metric = 'revenue_rejected') as revenue_rejected,
        groupArrayIf((dimension, numerator), metric = 'reject_rows') as reject_reasons,
        groupArrayIf((dimension, numerator), metric = 'warning_rows') as warnings,
        any(gate.decision) as decision,
        any(gate.hold_reasons) as hold_reasons
    from dq_metrics as metrics
    inner join dq_gate as gate
        on gate.stream = metrics.stream and gate.batch_date = metrics.batch_date
    group by metrics.stream, metrics.batch_date
    order by stream, batch_date
"""

_UNREADABLE_SQL = """
    select stream, toString(batch_date) as batch_date, file_name, error
    from (select * from dq_files order by landed_at desc limit 1 by stream, file_name)
    where status = 'unreadable'
    order by stream, file_name
"""


def _number(value: Any) -> int | float:
    """Rows as whole numbers, money as it is; never a Decimal, which JSON does not have."""
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else float(number)


def read_streams(client: Any) -> list[dict[str, Any]]:
    """Every stream with its batches, oldest first, as the report has them (see the schema)."""
    streams: dict[str, list[dict[str, Any]]] = {}
    for row in rows(client, _BATCHES_SQL):
        batch = {
            "batch_date": row["batch_date"],
            **{
                name: _number(row[name])
                for name in (
                    "files",
                    "rows_raw",
                    "rows_clean",
                    "rows_rejected",
                    "revenue_raw",
                    "revenue_clean",
                    "revenue_rejected",
                )
            },
            "reject_reasons": {
                name: _number(count) for name, count in sorted(row["reject_reasons"])
            },
            "warnings": {name: _number(count) for name, count in sorted(row["warnings"])},
            "decision": "hold" if row["decision"] == "hold" else "publish",
            "hold_reasons": list(row["hold_reasons"]),
        }
        streams.setdefault(row["stream"], []).append(batch)
    return [{"stream": stream, "batches": batches} for stream, batches in streams.items()]


def read_alerts(
    client: Any, streams: list[dict[str, Any]], tests: list[TestResult]
) -> list[dict[str, Any]]:
    """What is wrong now: held batches, files that cannot be read, tests that did not pass."""
    alerts: list[dict[str, Any]] = []
    for stream in streams:
        for batch in stream["batches"]:
            for reason in batch["hold_reasons"] if batch["decision"] == "hold" else []:
                check, _, observed = reason.partition(": ")
                alerts.append(
                    _alert(
                        "CRITICAL",
                        check,
                        stream["stream"],
                        batch["batch_date"],
                        observed,
                        None,
                        f"batch held: {reason} ({batch['rows_raw']} rows, revenue "
                        f"{batch['revenue_raw']} not published; what was published before stays)",
                    )
                )
    for row in rows(client, _UNREADABLE_SQL):
        alerts.append(
            _alert(
                "CRITICAL",
                "file_unreadable",
                row["stream"],
                row["batch_date"],
                row["file_name"],
                None,
                f"{row['file_name']} cannot be read, none of it was landed: "
                f"{row['error'].rstrip('. ')}. Have it delivered again, or remove it.",
            )
        )
    for test in tests:
        if test.name not in _TOLD_BY_THE_GATE:
            alerts.append(
                _alert(
                    "CRITICAL" if test.status == "fail" else "WARN",
                    test.name,
                    None,
                    None,
                    test.failures,
                    0,
                    f"{test.name}={test.failures} (max 0)"
                    f"{' on ' + test.model if test.model else ''}: {test.message}",
                )
            )
    return alerts


def _alert(
    severity: str,
    check: str,
    stream: str | None,
    batch_date: str | None,
    observed: Any,
    limit: Any,
    message: str,
) -> dict[str, Any]:
    return {
        "severity": severity,
        "check": check,
        "stream": stream,
        "batch_date": batch_date,
        "observed": observed,
        "limit": limit,
        "message": message,
    }


def make_report(
    run_id: str,
    target: str,
    streams: list[dict[str, Any]],
    alerts: list[dict[str, Any]],
    errors: list[str],
) -> dict[str, Any]:
    """The report document (docs/monitoring_report.schema.json says what is in it).

    Args:
        run_id: dbt's invocation id.
        target: name of the profile's target.
        streams: what ``read_streams`` gives.
        alerts: what ``read_alerts`` gives.
        errors: what could not be evaluated, one line each.
    """
    severities = {alert["severity"] for alert in alerts}
    status = (
        "ERROR"
        if errors
        else "FAIL"
        if "CRITICAL" in severities
        else "WARN"
        if "WARN" in severities
        else "PASS"
    )
    failures = [_alert("CRITICAL", "run", None, None, None, None, error) for error in errors]
    dates = [batch["batch_date"] for stream in streams for batch in stream["batches"]]
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "generated_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "target": target,
        "date": max(dates, default=None),
        "status": status,
        "streams": streams,
        "alerts": failures + alerts,
    }


def alerts_text(report: dict[str, Any]) -> str:
    """The alerts as text, one line each, after a line with the status."""
    lines = [f"{report['status']} {report['date'] or '-'} run {report['run_id'] or '-'}"]
    for alert in report["alerts"]:
        where = " ".join(part for part in (alert["stream"], alert["batch_date"]) if part)
        lines.append(f"{alert['severity']} {alert['check']} [{where or '-'}] {alert['message']}")
    return "\n".join(lines) + "\n"


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write monitoring_report.json and monitoring_alerts.txt, each whole or not at all.

    Raises:
        SluicegateError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("monitoring_report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n"),
            ("monitoring_alerts.txt", alerts_text(report)),
        ):
            partial = out / f".{name}.{os.getpid()}"
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
            partial.replace(out / name)
    except OSError as error:
        raise SluicegateError(
            f"The report cannot be written to {out} ({error.strerror}): "
            "free the place or give another one with --out."
        ) from error
