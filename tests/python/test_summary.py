"""What a person reads in the terminal, at any width, and what waits to be published."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console
from test_cli import Command, command, day  # noqa: F401
from test_formats import example_report, made_batch

from sluicegate.pipeline import TestResult as Failed
from sluicegate.report import make_report, waiting_alerts
from sluicegate.summary import print_summary

ANCHOR = "docs/runbook.md#mandatory_column_missing"
FILE = "shop/of/the/north/events_20250114_from_the_second_server.csv.gz"


def printed(report: dict[str, Any], width: int, terminal: bool = True) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=terminal, color_system=None)
    print_summary(report, console)
    return screen.getvalue().splitlines()


def of_days(count: int, **newest: Any) -> dict[str, Any]:
    """A report of many batches; the newest may be another."""
    batches = [
        made_batch(f"20{number // 336 + 20}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}",
                   {"invalid_timestamp": 3, "missing_client_id": 12}, 100_000, 33_636.5)
        for number in range(count)
    ]  # fmt: skip
    batches[-1] |= newest
    streams = [{"stream": "web_events", "batches": batches, "trends": []}]
    return make_report("run", "embedded", 1, [], streams=streams,
                       judged={"batches": 1, "failed": []})  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 100, 126, 200])
def test_no_row_is_wider_than_the_terminal_or_wrapped(width: int) -> None:
    report = of_days(364)
    lines = printed(report, width)
    assert max(map(len, lines)) <= width
    days = [batch["batch_date"] for batch in report["streams"][0]["batches"]]
    assert [line.split()[0] for line in lines[2:16]] == days[:-15:-1]
    assert all(line.split()[1:3] and "publish" in line for line in lines[2:16])
    assert lines[16] == "and 350 earlier, all published"


def test_of_earlier_batches_those_that_are_not_published_are_counted() -> None:
    report = of_days(30)
    report["streams"][0]["batches"][0]["decision"] = "hold"
    report["streams"][0]["batches"][1]["decision"] = None
    assert "and 16 earlier, 1 held, 1 missing, 14 published" in printed(report, 80)


@pytest.mark.parametrize("width", [60, 80, 126])
def test_names_of_files_and_anchors_are_never_broken(width: int) -> None:
    report = example_report()
    report["alerts"] = [
        report["alerts"][0]
        | {"message": f"columns_renamed=1 (max 0), in {FILE} and in {FILE}", "runbook": ANCHOR}
    ] * 3
    text = printed(report, width)
    assert sum(line.count(FILE) for line in text) == 6
    # What there is to do is the same for all three: it is said once.
    assert sum(line.count(ANCHOR) for line in text) == 1
    assert all(len(line) <= width for line in text if FILE not in line)
    plain = printed(report, width, terminal=False)
    assert len([line for line in plain if FILE in line]) == 3


def test_what_waits_is_said_with_the_test_that_failed_and_what_is_published_now() -> None:
    waiting = {"published": "earlier"}
    [stream] = of_days(3, **waiting)["streams"]
    failed = Failed("every_order_has_a_session", "fail", 2, "fct_orders", "Got 2 results")
    [alert] = waiting_alerts([stream], [], [failed])
    assert alert["severity"] == "CRITICAL"
    assert alert["message"] == (
        "1 batch waits to be published (2020-01-03): test every_order_has_a_session failed; "
        "the published tables have what was published before"
    )
    assert "waits" in printed(of_days(3, **waiting), 80)[2]
    assert waiting_alerts(of_days(3)["streams"], [], [failed]) == []
    assert waiting_alerts(of_days(3, decision="hold", **waiting)["streams"], [], [failed]) == []


def test_a_delivery_that_is_judged_and_not_published_keeps_the_gate_shut_until_it_is(
    command: Command,  # noqa: F811
) -> None:
    gate = command.gate
    gate.write("events_20250101.csv", day(1, "ann"))
    with gate.started():
        first = command.run()
        assert first.exit_code == 0, first.stderr
        assert f"page: {command.out / 'index.html'}" in first.stdout
        assert re.search(r"2025-01-01 +1 +1 +0 .* publish", first.stdout)
        idle = command.run()
        assert "nothing new" in idle.stdout
        assert f"page: {command.out / 'index.html'}" in idle.stdout
        assert len(idle.stdout.splitlines()) < len(first.stdout.splitlines())
        gate.write("events_20250101.csv", day(1, "ann", "bob"))
        gate.write("events_20250102.csv", day(2, "ann"))
        # As after a failing test: dbt does not get to what is published.
        judged = command.run("--select", "+dq_gate dq_incidents dq_alerts")
        found = {
            batch["batch_date"]: (batch["decision"], batch["published"])
            for batch in judged.report["streams"][0]["batches"]
        }
        assert found == {
            "2025-01-01": ("publish", "earlier"),
            "2025-01-02": ("publish", "nothing"),
        }
        assert judged.exit_code == 1
        assert "2 batches wait to be published (2025-01-01, 2025-01-02)" in judged.stdout
        last = command.run()
        assert last.exit_code == 0
        assert {batch["published"] for batch in last.report["streams"][0]["batches"]} == {
            "as_judged"
        }
