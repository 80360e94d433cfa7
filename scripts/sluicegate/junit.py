"""The report as JUnit XML, for the test page of a CI system."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

# What XML 1.0 cannot hold, not even escaped: https://www.w3.org/TR/xml/#charsets
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NOT_JUDGED = {
    "low_volume": "too little volume to judge",
    "insufficient_history": "too few earlier batches to judge",
}
# Alerts that concern no stream still need a suite.
_NO_STREAM = "sluicegate"


def junit_xml(report: dict[str, Any]) -> str:
    """The results of a run as one JUnit XML document.

    A suite for each stream holds a case for each check result: its class is ``stream.batch_date``,
    its name ``check[dimension]``. What a CI job should stop for, and nothing else, is a failure:

    - ``fail`` and ``not_computed`` with severity CRITICAL are a ``<failure>``;
    - ``warn``, and those with severity WARN or INFO, is a case that passes, with the message in
      ``<system-out>``: JUnit has no warnings;
    - ``low_volume`` and ``insufficient_history`` are ``<skipped>``, as nothing was judged.

    An alert without a check result (a dbt test, an unreadable file) is a case of its own by the
    same rules; what could not be evaluated (check ``run``) is an ``<error>``. Those without a
    stream are in a suite called sluicegate. Characters that XML cannot hold become U+FFFD.

    Args:
        report: the report document (docs/monitoring_report.schema.json).
    """
    suites: dict[str, list[ET.Element]] = {stream["stream"]: [] for stream in report["streams"]}
    judged = set()
    for check in report["checks"]:
        judged.add(_key(check))
        suites.setdefault(check["stream"], []).append(_check_case(check))
    for alert in report["alerts"]:
        if _key(alert) not in judged:
            suites.setdefault(alert["stream"] or _NO_STREAM, []).append(_alert_case(alert))

    root = ET.Element("testsuites", name="sluicegate")
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(name))
        _count(suite, cases)
        suite.set("timestamp", _clean(report["generated_at"]))
        suite.extend(cases)
    _count(root, [case for cases in suites.values() for case in cases])
    if report["duration_seconds"] is not None:
        root.set("time", f"{report['duration_seconds']:.3f}")
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.decode() + "\n"


def _clean(text: Any) -> str:
    return _ILLEGAL.sub("\ufffd", str(text))


def _key(result: dict[str, Any]) -> tuple[Any, ...]:
    return result["stream"], result["batch_date"], result["check"], result["dimension"]


def _case(result: dict[str, Any]) -> ET.Element:
    dimension = result["dimension"]
    parts = [part for part in (result["stream"], result["batch_date"]) if part]
    return ET.Element(
        "testcase",
        classname=_clean(".".join(parts) or _NO_STREAM),
        name=_clean(f"{result['check']}[{dimension}]" if dimension else result["check"]),
    )


def _check_case(check: dict[str, Any]) -> ET.Element:
    case = _case(check)
    status = check["status"]
    if status in _NOT_JUDGED:
        ET.SubElement(case, "skipped", message=_clean(f"{_NOT_JUDGED[status]}: {check['message']}"))
    elif status in ("fail", "not_computed") and check["severity"] == "CRITICAL":
        _unhappy(case, "failure", check)
    elif status != "pass":
        _say(case, f"{check['severity']} {status}: {check['message']}")
    return case


def _alert_case(alert: dict[str, Any]) -> ET.Element:
    case = _case(alert)
    if alert["check"] == "run":
        _unhappy(case, "error", alert)
    elif alert["severity"] == "CRITICAL":
        _unhappy(case, "failure", alert)
    else:
        _say(case, f"{alert['severity']}: {alert['message']}")
    return case


def _unhappy(case: ET.Element, tag: str, result: dict[str, Any]) -> None:
    child = ET.SubElement(
        case, tag, message=_clean(result["message"]), type=_clean(result["severity"])
    )
    facts = [
        f"{name}: {result[name]}"
        for name in ("observed", "expected", "limit", "since", "owner", "remediation", "runbook")
        if result.get(name) not in (None, "")
    ]
    child.text = _clean("\n".join([result["message"], *facts]))


def _say(case: ET.Element, text: str) -> None:
    ET.SubElement(case, "system-out").text = _clean(text)


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(sum(case.find(tag) is not None for case in cases)))
