"""The monitoring report: what a run found, one document with a published schema, and its files."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import yaml

from sluicegate import monitoring
from sluicegate.errors import SluicegateError
from sluicegate.files import write_whole
from sluicegate.junit import junit_xml
from sluicegate.masking import Contract, read_contract, shown_document
from sluicegate.openmetrics import openmetrics_text
from sluicegate.page import render_page
from sluicegate.pipeline import BuildResult, TestResult

SCHEMA_VERSION = "1.2"
REPORT_FILE = "monitoring_report.json"

# Tests that fail because of what the alerts say already.
_TOLD_BY_ALERTS = ("assert_no_batch_held", "assert_no_critical_alerts", "assert_no_warn_alerts")


def read_report(
    client: Any, project: Path, built: BuildResult, target: str, seconds: float | None
) -> dict[str, Any]:
    """The report document of a run (docs/monitoring_report.schema.json says what is in it).

    Args:
        client: what ``engine.connect`` gives.
        project: folder of dbt_project.yml.
        built: what ``pipeline.build`` gave.
        target: name of the profile's target.
        seconds: how long the run took; None when it is not known.
    """
    streams = monitoring.read_streams(client, metric_labels(project))
    return make_report(
        built.run_id,
        target,
        seconds,
        built.errors,
        streams=streams,
        judged=monitoring.read_judged(client, built.run_id),
        checks=monitoring.read_checks(client),
        incidents=monitoring.read_incidents(client),
        alerts=(
            monitoring.read_alerts(client)
            + waiting_alerts(streams, built.errors, built.tests)
            + _test_alerts(built.tests)
        ),
        samples=monitoring.read_samples(
            client,
            {stream["stream"]: stream_contract(project, stream["stream"]) for stream in streams},
        ),
    )


def metric_labels(project: Path) -> dict[str, dict[str, str]]:
    """Unit and label of each metric, as the YAML of dq_metrics states them; none if it has none."""
    path = project / "models" / "monitoring" / "dq_metrics.yml"
    try:
        (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
        return dict(model["config"]["meta"]["metrics"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def stream_contract(project: Path, stream: str) -> Contract:
    """The contract of a stream as the YAML of its raw model states it; an empty one without it."""
    for path in sorted((project / "models").rglob(f"raw_{stream}.yml")):
        try:
            (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
            return read_contract(model["columns"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            continue
    return Contract()


def _alert(severity: str, check: str, message: str, **known: Any) -> dict[str, Any]:
    """An alert of which nothing is known but what is given."""
    unknown = dict.fromkeys(
        (
            "stream",
            "batch_date",
            "observed",
            "expected",
            "limit",
            "since",
            "money_at_stake",
            "owner",
            "channel",
            "remediation",
            "runbook",
            "incident_id",
        )
    )
    return {
        "severity": severity,
        "check": check,
        "message": message,
        "dimension": "",
        "changed": True,
        **unknown,
        **known,
    }


def waiting_alerts(
    streams: list[dict[str, Any]], errors: list[str], tests: list[TestResult]
) -> list[dict[str, Any]]:
    """Per stream one alert of the batches that may be published and are not, and why.

    Args:
        streams: as ``monitoring.read_streams`` gives them.
        errors, tests: what failed in the run: dbt skips what is built after that.
    """
    failed = [f"test {test.name} failed" for test in tests if test.status == "fail"]
    failed = [name for name in failed if name.split()[1] not in _TOLD_BY_ALERTS]
    failed += [error.partition(":")[0] for error in errors]
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    why = ", ".join(failed[:3]) + more if failed else "this run did not build the published tables"
    alerts = []
    for stream in streams:
        waiting = [batch for batch in stream["batches"] if monitoring.waits(batch)]
        if not waiting:
            continue
        days = [batch["batch_date"] for batch in waiting]
        which = ", ".join(days) if len(days) <= 3 else f"{days[0]} to {days[-1]}"
        kept = sum(batch["published"] == "earlier" for batch in waiting)
        now = (
            "nothing of them is in the published tables"
            if not kept
            else "the published tables have what was published before"
            + ("" if kept == len(waiting) else f" of {kept} of them")
        )
        count = "1 batch waits" if len(days) == 1 else f"{len(days)} batches wait"
        alerts.append(
            _alert(
                "CRITICAL",
                "not_published",
                f"{count} to be published ({which}): {why}; {now}",
                stream=stream["stream"],
                batch_date=days[-1],
                observed=len(days),
                limit=0,
                runbook="docs/runbook.md#dbt-tests",
            )
        )
    return alerts


def _test_alerts(tests: list[TestResult]) -> list[dict[str, Any]]:
    return [
        _alert(
            "CRITICAL" if test.status == "fail" else "WARN",
            test.name,
            f"{test.name}={test.failures} (max 0)"
            f"{' on ' + test.model if test.model else ''}: {test.message}",
            observed=test.failures,
            limit=0,
            runbook="docs/runbook.md#dbt-tests",
        )
        for test in tests
        if test.name not in _TOLD_BY_ALERTS
    ]


def make_report(
    run_id: str,
    target: str,
    seconds: float | None,
    errors: list[str],
    *,
    streams: list[dict[str, Any]] | None = None,
    judged: dict[str, Any] | None = None,
    checks: list[dict[str, Any]] | None = None,
    incidents: list[dict[str, Any]] | None = None,
    alerts: list[dict[str, Any]] | None = None,
    samples: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The report document from its parts, every text of it as it may be shown.

    All that people and machines are told is made from this document, so it is here that texts pass
    ``masking.shown_document``.

    Args:
        run_id: dbt's invocation id.
        target: name of the profile's target.
        seconds: how long the run took; None when it is not known.
        errors: what could not be evaluated, one line each.
        streams, judged, checks, incidents, alerts, samples: what ``monitoring`` reads.
    """
    streams, alerts = streams or [], alerts or []
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
    failures = [_alert("CRITICAL", "run", error, runbook="docs/runbook.md#run") for error in errors]
    dates = [batch["batch_date"] for stream in streams for batch in stream["batches"]]
    document = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "generated_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "target": target,
        "date": max(dates, default=None),
        "status": status,
        "duration_seconds": None if seconds is None else round(seconds, 3),
        "streams": streams,
        "judged": judged or {"batches": 0, "failed": []},
        "checks": checks or [],
        "incidents": incidents or [],
        "alerts": failures + alerts,
        "samples": samples or [],
    }
    masked: dict[str, Any] = shown_document(document)
    return masked


def alerts_text(report: dict[str, Any]) -> str:
    """The alerts as text after a line with the status: what, who, and what to do about it."""
    lines = [f"{report['status']} {report['date'] or '-'} run {report['run_id'] or '-'}"]
    for alert in report["alerts"]:
        where = " ".join(part for part in (alert["stream"], alert["batch_date"]) if part)
        lines.append(f"{alert['severity']} {alert['check']} [{where or '-'}] {alert['message']}")
        if alert["remediation"]:
            lines.append(f"    {alert['owner']}: {alert['remediation']} See {alert['runbook']}")
    if report["judged"]["failed"]:
        lines += judged_lines(report)
    return "\n".join(lines) + "\n"


def judged_lines(report: dict[str, Any]) -> list[str]:
    """What a run of several batches did with those that failed a check, a line a batch.

    Nothing for a run that judged one batch, of which the alerts say all, or none. Batches with
    warnings only are counted; they are in the report, too.
    """
    judged = report["judged"]
    if judged["batches"] < 2:
        return []
    lines, warned = [], 0
    waiting = {
        (stream["stream"], batch["batch_date"])
        for stream in report["streams"]
        for batch in stream["batches"]
        if monitoring.waits(batch)
    }
    for batch in judged["failed"]:
        severe = [check for check in batch["checks"] if check["severity"] == "CRITICAL"]
        severe = [check for check in severe if check["status"] != "warn"]
        if not severe:
            warned += 1
            continue
        done = {
            "publish": "published",
            "hold": "held",
            "released": f"published, released by {batch['released_by']}",
        }.get(batch["decision"], "missing")
        if (batch["stream"], batch["batch_date"]) in waiting:
            done = "not published, it waits"
        more = f" (and {len(severe) - 1} more)" if len(severe) > 1 else ""
        lines.append(
            f"  {batch['stream']} {batch['batch_date']} {done}: {severe[0]['message']}{more}"
        )
    failed = f"{len(lines)} failed a check" if lines else "none failed a check"
    warnings = f", {warned} had warnings only" if warned else ""
    return [f"{judged['batches']} batches were judged in this run: {failed}{warnings}", *lines]


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write the report's files, each whole or not at all.

    monitoring_report.json, monitoring_alerts.txt, monitoring_junit.xml, monitoring_metrics.prom
    (OpenMetrics) and index.html.

    Raises:
        SluicegateError: the folder cannot be written.
    """
    files = {
        REPORT_FILE: json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        "monitoring_alerts.txt": alerts_text(report),
        "monitoring_junit.xml": junit_xml(report),
        "monitoring_metrics.prom": openmetrics_text(report),
        "index.html": render_page(report),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(out / name, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise SluicegateError(
            f"The report cannot be written to {out} ({error.strerror}): "
            "free the place or give another one with --out."
        ) from error
