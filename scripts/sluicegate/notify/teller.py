"""What the command sluicegate does to tell people, at each point of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluicegate.errors import one_line
from sluicegate.masking import shown
from sluicegate.notify import (
    GATE,
    Delivery,
    Failure,
    GateStore,
    Retry,
    Situation,
    failure_lines,
    read_situation,
    runbook_url,
    send,
    send_incidents,
    targets,
)


class Teller:
    """Tells what changed; what cannot be delivered is said on standard error and never raised.

    Args:
        environ: names the destinations.
        folder: where the report is; None when that is not known.
        retry: how stubbornly to send.

    Raises:
        SluicegateError: nobody is configured to be told, or a variable is misspelt.
    """

    def __init__(
        self, environ: Mapping[str, str], folder: Path | None, retry: Retry | None = None
    ) -> None:
        self._environ = environ
        self._aims = targets(environ)
        self._retry = retry
        self.place(folder)

    def place(self, folder: Path | None) -> None:
        """Say where the report is, as soon as that is known."""
        self._gate = GateStore(folder, self._environ)

    def incidents(self, client: Any) -> list[Delivery]:
        """Tell what changed of incidents, as the tables say; also what earlier runs left untold."""
        try:
            deliveries = send_incidents(
                client,
                self._gate,
                self._aims,
                read_situation(client),
                runbook_url(self._environ),
                self._retry,
            )
        except Exception as error:
            _say(f"not notified: the outbox cannot be read: {one_line(str(error))}")
            return []
        return _said(deliveries)

    def outcome(self, report: Mapping[str, Any], whole: bool = True) -> list[Delivery]:
        """Tell what kept the gate from being evaluated, which tests fail, and what is right again.

        Args:
            report: what the run found (see ``report.make_report``).
            whole: whether the run looked at everything.
        """
        failures = _failures(report)
        is_evaluated = not any(failure.check == GATE for failure in failures)
        run_id = str(report.get("run_id") or "")
        self._gate.record(failures, run_id, over=whole and is_evaluated)
        return self.pending(_situation(report))

    def failure(self, message: str) -> list[Delivery]:
        """Tell that the gate could not be evaluated, before there was anything to report."""
        self._gate.record(
            [Failure(GATE, "CRITICAL", message, "docs/runbook.md#run")], "", over=False
        )
        return self.pending(Situation(status="ERROR"))

    def pending(self, situation: Situation) -> list[Delivery]:
        """Tell what there is to tell of the gate itself."""
        return _said(
            send(self._gate, self._aims, situation, runbook_url(self._environ), self._retry)
        )


def _failures(report: Mapping[str, Any]) -> list[Failure]:
    """What is wrong that is no incident: errors of the run, as one, and dbt tests."""
    others = [alert for alert in report.get("alerts") or [] if not alert.get("incident_id")]
    errors = [str(alert["message"]) for alert in others if alert["check"] == GATE]
    failures = []
    if errors:
        more = f" (and {len(errors) - 1} more: see the report)" if len(errors) > 1 else ""
        failures.append(Failure(GATE, "CRITICAL", errors[0] + more, "docs/runbook.md#run"))
    failures += [
        Failure(alert["check"], alert["severity"], alert["message"], alert.get("runbook") or "")
        for alert in others
        if alert["check"] != GATE
    ]
    return failures


def _situation(report: Mapping[str, Any]) -> Situation:
    open_ = {
        (str(incident["severity"]), str(incident.get("channel") or ""))
        for incident in report.get("incidents") or []
        if incident.get("status") != "resolved"
    }
    return Situation(
        run_id=str(report.get("run_id") or ""),
        status=str(report.get("status") or ""),
        date=str(report.get("date") or ""),
        still_open=tuple(sorted(open_)),
    )


def _said(deliveries: list[Delivery]) -> list[Delivery]:
    for line in failure_lines(deliveries):
        _say(line)
    return deliveries


def _say(line: str) -> None:
    print(f"sluicegate: {shown(line)}", file=sys.stderr)
