"""The report as OpenMetrics text, for Prometheus (a textfile collector, say)."""

from __future__ import annotations

import datetime
import re
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

_CHECK_STATUS = {
    "pass": 0,
    "warn": 1,
    "fail": 2,
    "not_computed": 2,
    "low_volume": -1,
    "insufficient_history": -1,
}
_RUN_STATUS = {"PASS": 0, "WARN": 1, "FAIL": 2, "ERROR": 3}
_SEVERITIES = ("CRITICAL", "WARN", "INFO")

# Legal in OpenMetrics as far as UTF-8 goes, but a NUL or a lone surrogate breaks scrapers.
_ODD = re.compile("[\u0000-\u0009\u000b-\u001f\u007f\ud800-\udfff]")


def openmetrics_text(report: dict[str, Any]) -> str:
    """The newest results as gauges, ending with ``# EOF``.

    ============================================== ================================================
    ``sluicegate_check_value``                     what was observed, in the metric's own unit
    ``sluicegate_check_limit``                     the limit violated, or the nearest one
    ``sluicegate_check_status``                    0 pass, 1 warn, 2 fail, -1 not judged (low volume
                                                   or too little history: no pass, no alarm)
    ``sluicegate_batch_rows``                      rows of the newest batch: raw, clean, rejected
    ``sluicegate_batch_timestamp_seconds``         start of the newest batch, midnight UTC
    ``sluicegate_run_duration_seconds``            how long the run took
    ``sluicegate_run_status``                      0 PASS, 1 WARN, 2 FAIL, 3 ERROR
    ``sluicegate_open_incidents``                  by severity, 0 included
    ============================================== ================================================

    Of each check and dimension of a stream only the newest batch's result is told; a value that is
    null has no sample. The newest batch is the newest that is there: an expected one that is
    missing does not make a stream look fresh.

    Args:
        report: the report document (docs/monitoring_report.schema.json).
    """
    registry = CollectorRegistry()
    _checks(report, registry)
    _batches(report, registry)

    duration = Gauge(
        "sluicegate_run_duration", "How long the run took.", unit="seconds", registry=registry
    )
    if report["duration_seconds"] is None:
        registry.unregister(duration)
    else:
        duration.set(report["duration_seconds"])
    Gauge(
        "sluicegate_run_status",
        "Status of the run: 0 PASS, 1 WARN, 2 FAIL, 3 ERROR.",
        registry=registry,
    ).set(_RUN_STATUS[report["status"]])

    incidents = Gauge(
        "sluicegate_open_incidents", "Incidents that are open.", ["severity"], registry=registry
    )
    for severity in _SEVERITIES:
        incidents.labels(severity).set(
            sum(
                incident["severity"] == severity and incident["status"] != "resolved"
                for incident in report["incidents"]
            )
        )
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


def _label(text: Any) -> str:
    return _ODD.sub("\ufffd", str(text))


def _checks(report: dict[str, Any], registry: CollectorRegistry) -> None:
    labels = ["stream", "check", "dimension", "severity"]
    values = Gauge("sluicegate_check_value", "What the check observed.", labels, registry=registry)
    limits = Gauge(
        "sluicegate_check_limit",
        "The limit that was violated, or the nearest one, in the unit of the value.",
        labels,
        registry=registry,
    )
    statuses = Gauge(
        "sluicegate_check_status",
        "Result of the check: 0 pass, 1 warn, 2 fail, -1 not judged.",
        labels,
        registry=registry,
    )
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for check in report["checks"]:
        key = (check["stream"], check["check"], check["dimension"])
        if key not in newest or check["batch_date"] >= newest[key]["batch_date"]:
            newest[key] = check
    for (stream, name, dimension), check in sorted(newest.items()):
        of = [_label(text) for text in (stream, name, dimension, check["severity"])]
        statuses.labels(*of).set(_CHECK_STATUS[check["status"]])
        if check["observed"] is not None:
            values.labels(*of).set(check["observed"])
        if check["limit"] is not None:
            limits.labels(*of).set(check["limit"])


def _batches(report: dict[str, Any], registry: CollectorRegistry) -> None:
    counts = Gauge(
        "sluicegate_batch_rows", "Rows of the newest batch.", ["stream", "kind"], registry=registry
    )
    starts = Gauge(
        "sluicegate_batch_timestamp",
        "Start of the newest batch, midnight UTC.",
        ["stream"],
        unit="seconds",
        registry=registry,
    )
    for stream in report["streams"]:
        there = [batch for batch in stream["batches"] if not batch["is_missing"]]
        if not there:
            continue
        batch = max(there, key=lambda batch: str(batch["batch_date"]))
        name = _label(stream["stream"])
        for kind in ("raw", "clean", "rejected"):
            counts.labels(name, kind).set(batch[f"rows_{kind}"])
        day = datetime.datetime.fromisoformat(batch["batch_date"])
        starts.labels(name).set(day.replace(tzinfo=datetime.UTC).timestamp())
