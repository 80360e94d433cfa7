"""What a person reads in the terminal: progress on stderr while dbt runs, then the summary."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sluicegate.masking import shown
from sluicegate.report import judged_lines

# Elementary says of each of its tests when it begins and when it ends.
_CHATTER = ("Elementary: Started ", "Elementary: Finished ")

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "ERROR": "bold red"}
_SEVERITY_STYLES = {"CRITICAL": "bold red", "WARN": "yellow", "INFO": "dim"}


class RunProgress:
    """Progress of a dbt run from its log events: a bar on a terminal, else a line a step.

    Use as a context manager and give ``on_event`` to dbtRunner as a callback.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("reading the project", total=None)

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_event(self, event: Any) -> None:
        """Take one of dbt's log events."""
        name = event.info.name
        if name == "LogStartLine":
            self._progress.update(
                self._task, description=event.data.description, total=event.data.total
            )
        elif name == "NodeFinished":
            self._progress.advance(self._task)
            node = event.data.node_info
            if not self._console.is_terminal and node.resource_type != "test":
                self._say(f"{node.node_name}: {node.node_status}")
        elif name == "JinjaLogInfo" and not event.data.msg.startswith(_CHATTER):
            self._say(event.data.msg, style="yellow")

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(shown(line), style=style), soft_wrap=True)


def _thousands(number: float) -> str:
    return f"{number:,}".replace(",", " ")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(
        f"{name} {_thousands(rows)}"
        for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _decision(decision: str | None) -> Text:
    styles = {"publish": "green", "released": "yellow"}
    return Text(decision or "missing", style=styles.get(decision or "", "red"))


def print_summary(report: dict[str, Any], console: Console, newest: int = 31) -> None:
    """Print the batches (the newest so many a stream), the alerts, what was judged, the status."""
    for stream in report["streams"]:
        table = Table(title=stream["stream"], title_justify="left")
        table.add_column("batch", no_wrap=True)
        for name in ("landed", "clean", "rejected"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("rejected by reason")
        table.add_column("revenue clean", justify="right", no_wrap=True)
        table.add_column("rejected", justify="right", no_wrap=True)
        table.add_column("decision", no_wrap=True)
        for batch in stream["batches"][-newest:]:
            table.add_row(
                batch["batch_date"],
                _thousands(batch["rows_raw"]),
                _thousands(batch["rows_clean"]),
                _thousands(batch["rows_rejected"]),
                Text(_counts(batch["reject_reasons"])),
                _thousands(batch["revenue_clean"]),
                _thousands(batch["revenue_rejected"]),
                _decision(batch["decision"]),
            )
        console.print(table)
        if len(stream["batches"]) > newest:
            console.print(f"({len(stream['batches']) - newest} older batches not shown)")
    for alert in report["alerts"]:
        where = " ".join(part for part in (alert["stream"], alert["batch_date"]) if part)
        line = Text(f"{alert['severity']} ", style=_SEVERITY_STYLES[alert["severity"]])
        line.append(f"{where} " if where else "", style="bold")
        line.append(alert["message"], style="default")
        console.print(line, soft_wrap=True)
        if alert["remediation"] and alert["severity"] != "INFO":
            told = f"    {alert['remediation']} ({alert['owner']}; {alert['runbook']})"
            console.print(Text(told, style="dim"), soft_wrap=True)
    for told in judged_lines(report):
        console.print(Text(told), soft_wrap=True)
    console.print(Text(report["status"], style=_STYLES[report["status"]]), end=" ")
    console.print(
        {
            "PASS": "the gate is open",
            "WARN": "the gate is open, with warnings",
            "FAIL": "data failed the gate",
            "ERROR": "the gate could not be evaluated",
        }[report["status"]]
    )
