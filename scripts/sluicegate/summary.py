"""What a person reads in the terminal: progress on stderr while dbt runs, then the summary."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sluicegate.masking import shown
from sluicegate.monitoring import waits
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


def _counts(counts: dict[str, int]) -> list[str]:
    return [
        f"{name} {_thousands(rows)}"
        for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _decision(batch: dict[str, Any]) -> Text:
    decision = batch["decision"]
    if waits(batch):
        return Text("waits", style="red")
    styles = {"publish": "green", "released": "yellow"}
    return Text(decision or "missing", style=styles.get(decision or "", "red"))


def _fit(parts: list[str], width: int) -> str:
    """As many of the parts as fit, whole, and how many more there are."""
    for number in range(len(parts), 0, -1):
        more = f", {len(parts) - number} more" if number < len(parts) else ""
        text = ", ".join(parts[:number]) + more
        if len(text) <= width:
            return text
    return f"{len(parts)} reasons"[:width] if parts else ""


# What a table shows of a batch, and in which order it leaves columns out when there is no room.
_COLUMNS = ("batch", "landed", "clean", "rejected", "revenue clean", "revenue rejected", "decision")
_LEFT_OUT = ("revenue rejected", "revenue clean", "clean")
_GAP = 2
_LEAST_FOR_REASONS = 20


def batch_table(batches: list[dict[str, Any]], width: int) -> Table:
    """Batches as a table that is no wider than asked for; none of its rows wraps.

    Args:
        batches: as in the report, in the order in which they are shown.
        width: columns of the terminal.
    """
    cells = [
        {
            "batch": Text(batch["batch_date"]),
            "landed": Text(_thousands(batch["rows_raw"])),
            "clean": Text(_thousands(batch["rows_clean"])),
            "rejected": Text(_thousands(batch["rows_rejected"])),
            "revenue clean": Text(_thousands(batch["revenue_clean"])),
            "revenue rejected": Text(_thousands(batch["revenue_rejected"])),
            "decision": _decision(batch),
        }
        for batch in batches
    ]
    widths = {name: max([len(name), *(row[name].cell_len for row in cells)]) for name in _COLUMNS}
    shown_columns = list(_COLUMNS)
    for name in _LEFT_OUT:
        if sum(widths[column] + _GAP for column in shown_columns) - _GAP > width:
            shown_columns.remove(name)
    room = width - sum(widths[column] + _GAP for column in shown_columns)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for name in shown_columns:
        justify: JustifyMethod = "left" if name in ("batch", "decision") else "right"
        table.add_column(name, justify=justify, no_wrap=True, overflow="crop")
    with_reasons = room >= _LEAST_FOR_REASONS
    if with_reasons:
        table.add_column("rejected by reason", no_wrap=True, overflow="crop")
    for batch, row in zip(batches, cells, strict=True):
        reasons = [Text(_fit(_counts(batch["reject_reasons"]), room))] if with_reasons else []
        table.add_row(*(row[name] for name in shown_columns), *reasons)
    return table


def batch_counts(batches: list[dict[str, Any]]) -> str:
    """What became of batches: all published, or how many were and were not."""
    counts = Counter(
        {"publish": "published", "released": "published"}.get(word, word)
        for word in (
            {"hold": "held", "waits": "waiting"}.get(said, said)
            for said in (_decision(batch).plain for batch in batches)
        )
    )
    if set(counts) <= {"published"}:
        return "all published" if len(batches) > 1 else "published"
    return ", ".join(f"{_thousands(number)} {word}" for word, number in sorted(counts.items()))


def print_summary(
    report: dict[str, Any], console: Console, page: Path | None = None, newest: int = 14
) -> None:
    """Print the newest batches, what waits, the alerts, what was judged, the page and the status.

    A run that judged nothing prints no table.

    Args:
        report: what a run found.
        console: where it goes; a terminal's lines are wrapped between words, others never.
        page: the page that was written.
        newest: so many batches of a stream are shown, the others counted.
    """
    is_new = report["judged"]["batches"] > 0 or report["status"] == "ERROR"
    for stream in report["streams"]:
        batches = stream["batches"][::-1]
        if not is_new:
            _say(
                console,
                f"{stream['stream']}: nothing new, no batch was judged in this run; "
                f"{_thousands(len(batches))} up to {batches[0]['batch_date']}, "
                f"{batch_counts(batches)}",
            )
            continue
        console.print(Text(stream["stream"], style="bold"))
        console.print(batch_table(batches[:newest], console.width))
        if earlier := batches[newest:]:
            console.print(f"and {_thousands(len(earlier))} earlier, {batch_counts(earlier)}")
    told: set[str] = set()
    for alert in report["alerts"]:
        where = " ".join(part for part in (alert["stream"], alert["batch_date"]) if part)
        line = Text(f"{alert['severity']} ", style=_SEVERITY_STYLES[alert["severity"]])
        line.append(f"{where} " if where else "", style="bold")
        line.append(alert["message"], style="default")
        _say(console, line)
        todo = f"{alert['remediation']} ({alert['owner']}; {alert['runbook']})"
        if alert["remediation"] and alert["severity"] != "INFO" and is_new and todo not in told:
            told.add(todo)
            _say(console, Text(todo, style="dim"), indent="    ")
    for judged in judged_lines(report):
        _say(console, judged)
    if page:
        _say(console, f"page: {page}")
    verdict = Text(report["status"], style=_STYLES[report["status"]])
    verdict.append(f" {_VERDICTS[report['status']]}", style="default")
    console.print(verdict)


_VERDICTS = {
    "PASS": "the gate is open",
    "WARN": "the gate is open, with warnings",
    "FAIL": "data failed the gate",
    "ERROR": "the gate could not be evaluated",
}


def _say(console: Console, said: Text | str, indent: str = "") -> None:
    """Print a line; on a terminal in lines of whole words, names and anchors in one piece."""
    text = Text(said) if isinstance(said, str) else said
    if not console.is_terminal:
        console.print(Text(indent) + text, soft_wrap=True)
        return
    width = max(console.width - len(indent) - 2, 20)
    lines = textwrap.wrap(text.plain, width, break_long_words=False, break_on_hyphens=False)
    begin = 0
    for number, line in enumerate(lines):
        begin = text.plain.index(line.split(" ", 1)[0], begin)
        piece = text[begin : begin + len(line)]
        begin += len(line)
        console.print(Text(indent + ("  " if number else "")) + piece, soft_wrap=True)
