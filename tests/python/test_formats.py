"""The report's other forms, read back by readers that are not ours."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import math
import random
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from conftest import ROOT
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sluicegate.junit import junit_xml
from sluicegate.openmetrics import openmetrics_text

Report = dict[str, Any]

SCHEMA: Report = json.loads((ROOT / "docs" / "monitoring_report.schema.json").read_text())


# --- A report of thirty days that could be a shop's ---------------------------------------------

NEWEST = datetime.date(2025, 12, 4)


def made_batch(day: str, rejected: dict[str, int], rows: int, revenue: float) -> Report:
    """A published batch; every rejected row has one reason."""
    lost = sum(rejected.values())
    share = lost / rows if rows else 0.0
    return {
        "batch_date": day,
        "files": 1,
        "rows_raw": rows,
        "rows_clean": rows - lost,
        "rows_rejected": lost,
        "revenue_raw": round(revenue, 2),
        "revenue_clean": round(revenue - round(revenue * share, 2), 2),
        "revenue_rejected": round(revenue * share, 2),
        "reject_reasons": rejected,
        "warnings": {"missing_referrer": rows // 11},
        "decision": "publish",
        "hold_reasons": [],
        "status": "pass",
        "released_by": None,
        "published": "as_judged",
        "is_missing": False,
    }


def made_trend(
    metric: str, label: str, unit: str, values: list[tuple[str, float | None]]
) -> Report:
    """A trend with a band of three standard deviations of the seven values before."""
    points: list[Report] = []
    for place, (day, value) in enumerate(values):
        before = [v for _, v in values[max(0, place - 7) : place] if v is not None]
        point: Report = {"batch_date": day, "value": value, "expected": None, "lower": None}
        point |= {"upper": None, "status": "insufficient_history" if value is not None else None}
        if len(before) >= 3 and value is not None:
            mean = sum(before) / len(before)
            sd = max((sum((v - mean) ** 2 for v in before) / len(before)) ** 0.5, mean * 0.04)
            point |= {"expected": mean, "lower": mean - 3 * sd, "upper": mean + 3 * sd}
            point["status"] = "pass" if abs(value - mean) <= 3 * sd else "warn"
        points.append(point)
    return {"metric": metric, "label": label, "unit": unit, "points": points}


def made_check(check: str, status: str = "pass", **fields: Any) -> Report:
    return {
        "check": check,
        "stream": "web_events",
        "batch_date": NEWEST.isoformat(),
        "metric": check,
        "dimension": "",
        "kind": "threshold",
        "tier": 2,
        "severity": "CRITICAL",
        "blocking": False,
        "status": status,
        "observed": 0.0052,
        "expected": None,
        "limit": 0.05,
        "baseline_batches": 7,
        "volume": 3300.0,
        "message": f"{check}=0.0052 (max 0.05)",
        **fields,
    }


def example_report(days: int = 30) -> Report:
    """Two streams, 21 days or more: the newest batch held, a warning, an incident resolved."""
    dice = random.Random(4)
    batches, ingest = [], []
    for number in range(days):
        day = (NEWEST - datetime.timedelta(days=days - 1 - number)).isoformat()
        weekly = 1 + 0.14 * math.sin(number * 2 * math.pi / 7)
        rows = round(3240 * weekly + dice.gauss(0, 70))
        revenue = 15_400 * weekly + dice.gauss(0, 700)
        rejected = {
            "missing_client_id": dice.randint(8, 17),
            "duplicate_event": dice.randint(0, 4),
            "malformed_line": dice.randint(0, 3),
            "unknown_event_name": dice.randint(0, 2),
        }
        batch = made_batch(day, rejected, rows, revenue)
        if number == days - 1:
            batch = made_batch(day, {**rejected, "missing_client_id": 612}, rows, revenue)
            batch |= {"decision": "hold", "status": "hold"}
            batch["hold_reasons"] = ["reject_rate: 0.19 (max 0.05)"]
        elif number in (days - 2, days - 3):
            batch["status"] = "warn"
        elif number == days - 9:
            batch = made_batch(day, {}, 0, 0.0)
            batch |= {"decision": None, "status": "fail", "is_missing": True, "files": 0}
        elif number == days - 12:
            batch |= {"decision": "released", "status": "fail", "released_by": "data-platform"}
        elif number == days - 20:
            batch["status"] = "info"
        batches.append(batch)
        ingest.append(made_batch(day, {"schema_mismatch": dice.randint(0, 40)}, rows * 37, 0.0))

    def series(of: str) -> list[tuple[str, float | None]]:
        return [
            (batch["batch_date"], None if batch["is_missing"] else float(batch[of]))
            for batch in batches
        ]

    rate = made_trend("reject_rate", "Reject rate", "share", [])
    rate["points"] = [
        {
            "batch_date": batch["batch_date"],
            "value": batch["rows_rejected"] / batch["rows_raw"] if batch["rows_raw"] else None,
            "expected": None,
            "lower": None,
            "upper": 0.05,
            "status": "fail" if batch["decision"] == "hold" else "pass",
        }
        for batch in batches
    ]
    delay = [(day, 11 + dice.random() * 6) for day, _ in series("rows_raw")]
    delay[-3:] = [(delay[-3][0], 29.0), (delay[-2][0], 38.5), (delay[-1][0], 61.0)]
    conversion = [(day, 0.021 + dice.gauss(0, 0.0011)) for day, _ in series("rows_raw")]
    newest, before = batches[-1]["batch_date"], batches[-3]["batch_date"]

    incident = {
        "incident_id": "5f0c9d1e",
        "stream": "web_events",
        "check": "reject_rate",
        "dimension": "",
        "severity": "CRITICAL",
        "status": "opened",
        "changed": True,
        "first_batch": newest,
        "last_batch": newest,
        "batches": 1,
        "held_batches": [newest],
        "since": f"{newest}T14:00:00+00:00",
        "opened_at": "2025-12-05T06:12:44+00:00",
        "resolved_at": None,
        "money_at_stake": 12483.5,
        "owner": "data-platform",
        "channel": "#data-alerts",
        "message": "reject_rate=0.1893 (max 0.05): 612 of 3 270 rows have no client_id, all of "
        "them after 14:00. The batch is held.",
        "remediation": "Ask the web team whether the tag was changed at 14:00. Have the file "
        "delivered again, then run the gate; or release the batch with sluicegate ack.",
        "runbook": "docs/runbook.md#reject_rate",
        "acknowledged_by": None,
    }
    ongoing = {
        **incident,
        "incident_id": "77ab01c3",
        "check": "ingestion_delay",
        "dimension": "checkout_completed",
        "severity": "WARN",
        "status": "ongoing",
        "changed": False,
        "first_batch": before,
        "batches": 3,
        "held_batches": [],
        "since": None,
        "opened_at": "2025-12-03T06:10:02+00:00",
        "money_at_stake": 2140.0,
        "owner": "checkout",
        "channel": "#checkout",
        "message": "ingestion_delay[checkout_completed]=61 min (expected 14 min, max 24 min), "
        "three batches in a row.",
        "remediation": "Look at the queue of the checkout service and at its retries.",
        "runbook": "docs/runbook.md#ingestion_delay",
        "acknowledged_by": "on-call of checkout",
    }
    resolved = {
        **ongoing,
        "incident_id": "0d41c6aa",
        "check": "missing_partition",
        "dimension": "",
        "severity": "CRITICAL",
        "status": "resolved",
        "changed": True,
        "first_batch": batches[-9]["batch_date"],
        "last_batch": batches[-9]["batch_date"],
        "batches": 1,
        "resolved_at": "2025-12-05T06:12:44+00:00",
        "money_at_stake": None,
        "message": "The file is there again.",
        "acknowledged_by": None,
    }
    alert = {
        "severity": "CRITICAL",
        "check": "reject_rate",
        "stream": "web_events",
        "batch_date": newest,
        "dimension": "",
        "observed": 0.1893,
        "expected": None,
        "limit": 0.05,
        "message": incident["message"],
        "since": incident["since"],
        "money_at_stake": 12483.5,
        "owner": "data-platform",
        "channel": "#data-alerts",
        "remediation": incident["remediation"],
        "runbook": incident["runbook"],
        "incident_id": incident["incident_id"],
        "changed": True,
    }
    late = {
        **alert,
        **{name: ongoing[name] for name in ("severity", "check", "dimension", "message", "since")},
        **{name: ongoing[name] for name in ("owner", "channel", "remediation", "runbook")},
        "observed": 61,
        "expected": 14,
        "limit": 24,
        "money_at_stake": 2140.0,
        "incident_id": ongoing["incident_id"],
        "changed": False,
    }
    of_dbt = {
        **alert,
        "severity": "WARN",
        "check": "assert_no_gap_in_sequence",
        "stream": None,
        "batch_date": None,
        "observed": 3,
        "limit": 0,
        "changed": False,
        "message": "assert_no_gap_in_sequence=3 (max 0): got 3 results, configured to warn if != 0",
        **dict.fromkeys(
            ("since", "money_at_stake", "owner", "channel", "remediation", "runbook", "incident_id")
        ),
    }
    return {
        "schema_version": "1.2",
        "run_id": "df31dc14-363f-4596-86b0-c2d7de0fd329",
        "generated_at": "2025-12-05T06:12:44+00:00",
        "target": "embedded",
        "date": newest,
        "status": "FAIL",
        "duration_seconds": 21.482,
        "streams": [
            {
                "stream": "ingest_events",
                "batches": ingest,
                "trends": [
                    made_trend(
                        "rows_raw",
                        "Rows landed",
                        "rows",
                        [(batch["batch_date"], float(batch["rows_raw"])) for batch in ingest],
                    )
                ],
            },
            {
                "stream": "web_events",
                "batches": batches,
                "trends": [
                    made_trend("rows_raw", "Rows landed", "rows", series("rows_raw")),
                    made_trend("revenue_raw", "Revenue", "money", series("revenue_raw")),
                    rate,
                    made_trend("ingestion_delay_p95", "Ingestion delay, p95", "minutes", [*delay]),
                    made_trend("conversion", "Conversion rate", "share", [*conversion]),
                ],
            },
        ],
        "judged": {
            "batches": 2,
            "failed": [
                {
                    "stream": "web_events",
                    "batch_date": newest,
                    "decision": "hold",
                    "released_by": None,
                    "checks": [
                        {
                            "check": "reject_rate",
                            "dimension": "",
                            "severity": "CRITICAL",
                            "status": "fail",
                            "message": incident["message"],
                        }
                    ],
                }
            ],
        },
        "checks": [
            made_check(
                "reject_rate",
                "fail",
                observed=0.1893,
                tier=2,
                blocking=True,
                message=incident["message"],
            ),
            made_check(
                "ingestion_delay",
                "warn",
                severity="WARN",
                dimension="checkout_completed",
                kind="ratio_to_baseline",
                tier=1,
                observed=61.0,
                expected=14.0,
                limit=24.0,
                message=ongoing["message"],
            ),
            made_check("rows_conserved", kind="equality", tier=1, observed=0, limit=0),
            made_check("duplicate_rate", severity="WARN"),
            made_check(
                "revenue_drift", "insufficient_history", tier=3, limit=None, severity="INFO"
            ),
            made_check("bot_share", "low_volume", tier=2, observed=None, severity="WARN"),
            made_check("volume", kind="zscore", tier=1, observed=121_040, stream="ingest_events"),
        ],
        "incidents": [incident, ongoing, resolved],
        "alerts": [alert, late, of_dbt],
        "samples": [
            {
                "stream": "web_events",
                "batch_date": newest,
                "reject_reasons": ["missing_client_id"],
                "error_text": "client_id is empty",
                "file_name": f"events_{newest.replace('-', '')}.csv",
                "row_number": 1877 + number,
                "original_row": json.dumps(
                    {
                        "client_id": "",
                        "page_url": "https://shop.example/products/linen-sheets?variant=queen",
                        "referrer": "https://search.example/",
                        "timestamp": f"{newest}T14:0{number}:31.204Z",
                        "event_name": "page_viewed",
                        "event_data": "",
                        "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)",
                    }
                ),
            }
            for number in range(4)
        ]
        + [
            {
                "stream": "web_events",
                "batch_date": newest,
                "reject_reasons": ["malformed_line"],
                "error_text": "the line is no record of 7 columns",
                "file_name": f"events_{newest.replace('-', '')}.csv",
                "row_number": 2012,
                "original_row": '4f1c***,"https://shop.example/cart,2025-12-04T15:20:11Z',
            }
        ],
    }


def empty_report(status: str = "PASS") -> Report:
    return {
        **example_report(21),
        "status": status,
        "date": None,
        "duration_seconds": None,
        **{name: [] for name in ("streams", "checks", "incidents", "alerts", "samples")},
    }


def error_report() -> Report:
    alert = {
        **example_report(21)["alerts"][2],
        "severity": "CRITICAL",
        "check": "run",
        "observed": None,
        "limit": None,
        "message": "The server cannot be reached (connection refused): start it, or choose another "
        "target.",
    }
    return {**empty_report("ERROR"), "alerts": [alert]}


# --- Schema -------------------------------------------------------------------------------------


def validate(report: Report) -> None:
    jsonschema.Draft202012Validator(
        SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(json.loads(json.dumps(report)))


def objects(node: Any) -> Iterator[Report]:
    """Every part of the schema that describes an object with fields."""
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for child in node.values():
            yield from objects(child)


def test_the_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_field_of_the_schema_is_described_and_required_and_no_other_is_allowed() -> None:
    found = list(objects(SCHEMA))
    assert len(found) == 12
    for part in found:
        assert part["additionalProperties"] is False
        assert sorted(part["required"]) == sorted(part["properties"])
        for name, of in part["properties"].items():
            assert of.get("description", "").endswith("."), name


@pytest.mark.parametrize("report", [example_report(), empty_report(), error_report()])
def test_a_full_an_empty_and_an_error_report_keep_to_the_schema(report: Report) -> None:
    validate(report)


def wrong_reports() -> list[Any]:
    """The example with one thing wrong in each."""

    def changed(*path: Any, to: Any) -> Report:
        report = copy.deepcopy(example_report(21))
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        if to is KeyError:
            del place[path[-1]]
        else:
            place[path[-1]] = to
        return report

    batch = ("streams", 1, "batches", 0)
    return [
        pytest.param(changed("schema_version", to="1.0"), id="older version"),
        pytest.param(changed("incidents", to=KeyError), id="no incidents"),
        pytest.param(changed("more", to=1), id="unknown field"),
        pytest.param(changed("duration_seconds", to="21"), id="duration as text"),
        pytest.param(changed(*batch, "decision", to="maybe"), id="unknown decision"),
        pytest.param(changed(*batch, "rows_raw", to=1.5), id="half a row"),
        pytest.param(changed(*batch, "is_missing", to=KeyError), id="batch without is_missing"),
        pytest.param(changed(*batch, "batch_date", to="4 Dec"), id="no date"),
        pytest.param(
            changed("streams", 1, "trends", 0, "points", 0, "status", to="ok"), id="point status"
        ),
        pytest.param(changed("streams", 1, "trends", 0, "unit", to="EUR"), id="unknown unit"),
        pytest.param(changed("checks", 0, "tier", to=4), id="tier 4"),
        pytest.param(changed("incidents", 0, "opened_at", to=None), id="never opened"),
        pytest.param(changed("alerts", 0, "changed", to="yes"), id="changed as text"),
        pytest.param(changed("samples", 0, "row_number", to="12"), id="row number as text"),
    ]


@pytest.mark.parametrize("report", wrong_reports())
def test_a_wrong_report_does_not_keep_to_the_schema(report: Report) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(report)


# --- JUnit --------------------------------------------------------------------------------------


def junit(report: Report) -> ET.Element:
    return ET.fromstring(junit_xml(report).encode())


def case(report: Report, name: str) -> ET.Element:
    found = [case for case in junit(report).iter("testcase") if case.get("name") == name]
    assert len(found) == 1
    return found[0]


def test_junit_has_a_suite_a_stream_and_a_case_a_check() -> None:
    suites = {
        suite.get("name"): [case.get("name") for case in suite.iter("testcase")]
        for suite in junit(example_report()).iter("testsuite")
    }
    assert suites == {
        "ingest_events": ["volume"],
        "web_events": [
            "reject_rate",
            "ingestion_delay[checkout_completed]",
            "rows_conserved",
            "duplicate_rate",
            "revenue_drift",
            "bot_share",
        ],
        "sluicegate": ["assert_no_gap_in_sequence"],
    }


def test_a_junit_case_belongs_to_its_stream_and_batch() -> None:
    assert case(example_report(), "reject_rate").get("classname") == "web_events.2025-12-04"


def test_junit_counts_what_is_in_it() -> None:
    """Counted by hand from the example: one failure, two skipped, eight cases."""
    root = junit(example_report())
    names = ("tests", "failures", "errors", "skipped")
    assert [root.get(name) for name in names] == ["8", "1", "0", "2"]
    counts = {s.get("name"): [s.get(name) for name in names] for s in root.iter("testsuite")}
    assert counts == {
        "ingest_events": ["1", "0", "0", "0"],
        "web_events": ["6", "1", "0", "2"],
        "sluicegate": ["1", "0", "0", "0"],
    }
    assert root.get("time") == "21.482"


def test_a_critical_failure_is_a_junit_failure_that_says_what_to_do() -> None:
    failure = case(example_report(), "reject_rate").find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("reject_rate=0.1893 (max 0.05)")
    assert failure.get("type") == "CRITICAL"


@pytest.mark.parametrize(
    ("status", "severity"), [("warn", "CRITICAL"), ("warn", "WARN"), ("fail", "WARN")]
)
def test_a_warning_is_a_junit_case_that_passes_and_tells(status: str, severity: str) -> None:
    report = {**empty_report(), "checks": [made_check("delay", status, severity=severity)]}
    told = case(report, "delay")
    assert [child.tag for child in told] == ["system-out"]
    assert told[0].text == f"{severity} {status}: delay=0.0052 (max 0.05)"


@pytest.mark.parametrize("status", ["low_volume", "insufficient_history"])
def test_what_was_not_judged_is_skipped_in_junit(status: str) -> None:
    told = case({**empty_report(), "checks": [made_check("delay", status)]}, "delay")
    assert [child.tag for child in told] == ["skipped"]
    assert "delay=0.0052" in told[0].get("message", "")


def test_what_could_not_be_evaluated_is_a_junit_error() -> None:
    root = junit(error_report())
    error = case(error_report(), "run").find("error")
    assert error is not None
    assert "connection refused" in error.get("message", "")
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["1", "0", "1"]


def test_an_alert_that_no_check_raised_is_a_junit_case_of_its_own() -> None:
    alert = {
        **example_report(21)["alerts"][0],
        "check": "file_unreadable",
        "observed": "events_20251204.csv.gz",
        "limit": None,
    }
    failed = case({**empty_report(), "alerts": [alert]}, "file_unreadable")
    assert [child.tag for child in failed] == ["failure"]


def test_an_alert_of_another_batch_than_the_check_is_a_junit_case_of_its_own() -> None:
    report = example_report()
    report["alerts"].append({**report["alerts"][0], "batch_date": "2025-12-01"})
    cases = [c for c in junit(report).iter("testcase") if c.get("name") == "reject_rate"]
    assert [c.get("classname") for c in cases] == ["web_events.2025-12-04", "web_events.2025-12-01"]


def test_an_empty_report_is_junit_without_cases() -> None:
    root = junit(empty_report())
    assert (root.get("tests"), len(root)) == ("0", 0)


HOSTILE = "]]></failure><x y='\"&amp; \x00\x08\x1b\x85\u202e\ud800\ufffe\uffff 😀 \r\n end"


def test_junit_survives_text_that_xml_cannot_hold() -> None:
    check = made_check(HOSTILE, "fail", dimension=HOSTILE, message=HOSTILE, stream=HOSTILE)
    sane = "]]></failure><x y='\"&amp; ���\x85\u202e��� 😀"
    [failure] = junit({**empty_report(), "checks": [check]}).iter("failure")
    assert failure.get("message", "").startswith(sane)
    assert (failure.text or "").startswith(sane)


# --- OpenMetrics --------------------------------------------------------------------------------


def samples(report: Report) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    found = {}
    for family in text_string_to_metric_families(  # type: ignore[no-untyped-call]
        openmetrics_text(report)
    ):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = float(sample.value)
    return found


def sample(report: Report, metric: str, **labels: str) -> float | None:
    return samples(report).get((metric, tuple(sorted(labels.items()))))


def test_openmetrics_end_with_eof() -> None:
    assert openmetrics_text(empty_report()).endswith("\n# EOF\n")


def test_openmetrics_tell_a_check_with_its_value_limit_and_status() -> None:
    labels = {"stream": "web_events", "check": "ingestion_delay", "severity": "WARN"}
    labels["dimension"] = "checkout_completed"
    report = example_report()
    assert sample(report, "sluicegate_check_value", **labels) == 61
    assert sample(report, "sluicegate_check_limit", **labels) == 24
    assert sample(report, "sluicegate_check_status", **labels) == 1


@pytest.mark.parametrize(
    ("status", "number"),
    [("pass", 0), ("warn", 1), ("fail", 2), ("low_volume", -1), ("insufficient_history", -1)],
)
def test_openmetrics_number_the_status_of_a_check(status: str, number: int) -> None:
    report = {**empty_report(), "checks": [made_check("delay", status)]}
    labels = {"stream": "web_events", "check": "delay", "dimension": "", "severity": "CRITICAL"}
    assert sample(report, "sluicegate_check_status", **labels) == number


def test_openmetrics_leave_out_what_is_null() -> None:
    check = made_check("delay", "low_volume", observed=None, limit=None)
    names = {name for name, _ in samples({**empty_report(), "checks": [check]})}
    assert "sluicegate_check_status" in names
    assert not names & {"sluicegate_check_value", "sluicegate_check_limit"}
    assert "sluicegate_run_duration_seconds" not in names


@pytest.mark.parametrize("order", list(itertools.permutations(("12-02", "12-04", "12-03"))))
def test_openmetrics_tell_the_newest_result_of_a_check_only(order: tuple[str, ...]) -> None:
    checks = [
        made_check(
            "delay",
            batch_date=f"2025-{day}",
            observed=float(day[-2:]),
            severity="WARN" if day == "12-04" else "CRITICAL",
        )
        for day in order
    ]
    found = samples({**empty_report(), "checks": checks})
    values = [value for (name, _), value in found.items() if name == "sluicegate_check_value"]
    assert values == [4]


def test_openmetrics_tell_the_newest_batch_that_is_there() -> None:
    report = example_report()
    there = report["streams"][1]["batches"][-1]
    missing = {**made_batch("2025-12-05", {}, 0, 0.0), "decision": None, "is_missing": True}
    report["streams"][1]["batches"].append(missing)
    for kind in ("raw", "clean", "rejected"):
        told = sample(report, "sluicegate_batch_rows", stream="web_events", kind=kind)
        assert told == there[f"rows_{kind}"] > 0
    # date -u -d 2025-12-04 +%s
    start = sample(report, "sluicegate_batch_timestamp_seconds", stream="web_events")
    assert start == 1764806400


@pytest.mark.parametrize(
    ("status", "number"), [("PASS", 0), ("WARN", 1), ("FAIL", 2), ("ERROR", 3)]
)
def test_openmetrics_tell_the_status_of_the_run(status: str, number: int) -> None:
    assert sample(empty_report(status), "sluicegate_run_status") == number


def test_openmetrics_tell_how_long_the_run_took() -> None:
    assert sample(example_report(), "sluicegate_run_duration_seconds") == 21.482


def test_openmetrics_count_open_incidents_and_say_zero() -> None:
    told = {
        severity: sample(example_report(), "sluicegate_open_incidents", severity=severity)
        for severity in ("CRITICAL", "WARN", "INFO")
    }
    assert told == {"CRITICAL": 1, "WARN": 1, "INFO": 0}


def test_openmetrics_survive_hostile_labels() -> None:
    check = made_check(HOSTILE, dimension='"} 1\n# EOF\n', stream="back\\slash\n")
    found = samples({**empty_report(), "checks": [check]})
    [labels] = [dict(labels) for name, labels in found if name == "sluicegate_check_value"]
    assert labels["dimension"] == '"} 1\n# EOF\n'
    assert labels["stream"] == "back\\slash\n"
    assert labels["check"].startswith("]]></failure><x y='\"&amp; ���")
