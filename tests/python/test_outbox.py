"""The outbox on the engine: whatever kills a run, all is told, and doubles have equal ids."""

from __future__ import annotations

import os
import re
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import HEADER, ROOT
from test_cli import command_in
from test_crash import FORKS, Moment, die_at, environment
from test_notify import Web, web  # noqa: F401  (a fixture)

from sluicegate.cli import main

# Each is where the process dies, in the order in which a run gets there.
MOMENTS = (
    Moment("judged", "dq_gate.*__sg_"),
    Moment("decided", "create .*dq_incidents"),
    Moment("incidents made", "(?i)exchange tables .*dq_incidents"),
    Moment("incidents there, changes not recorded", "insert into .*dq_incident_changes", 2),
    Moment("changes recorded", "insert into .*dq_batches.*'incidents'"),
    Moment("about to send", "insert into dq_notifications .*'sending'"),
    Moment("one was told, not recorded", "insert into dq_notifications .*'delivered'"),
    Moment("both were told, one not recorded", "insert into dq_notifications .*'delivered'", 2),
    Moment("all told, not settled", "insert into dq_notifications .*'settled'"),
)


def file_of(day: int) -> str:
    return f"events_202501{day:02}.csv"


def delivery(day: int, client: str) -> str:
    return HEADER + (f"{client},https://s/,,2025-01-{day:02}T10:00:00.000Z,page_viewed,,agent\n")


def command_that_dies(moment: Moment, variables: dict[str, str], arguments: list[str]) -> None:
    """Run the command in this process and kill the process at a moment."""
    os.environ.update(variables)
    os.chdir(ROOT)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    die_at(moment)
    main(arguments, standalone_mode=False)


def told(web: Web, path: str) -> dict[str, set[str]]:  # noqa: F811
    """Per batch whose re-delivery was told, the ids of the messages that told it."""
    found = defaultdict(set)
    for payload in web.at(path):
        opened = r"opened(?: and resolved)?: file_changed\nwhere: web_events (\S+)"
        for batch in re.findall(opened, payload["message"]):
            found[batch].add(payload["message_id"])
    return found


def test_whatever_kills_a_run_every_change_is_told_and_doubles_have_equal_ids(
    gate_folder: Path,
    web: Web,  # noqa: F811
) -> None:
    """One batch after the other is delivered again, and each run that should tell it is killed."""
    with command_in(gate_folder) as command, pytest.MonkeyPatch.context() as patch:
        gate = command.gate
        patch.setenv("SLUICEGATE_NOTIFY", f"{web.url('/a')} {web.url('/b')}")
        run = ["run", "--landing", str(gate.landing), "--notify", "--out", str(command.out)]
        variables = {
            **environment(gate),
            "DBT_TARGET_PATH": str(gate.folder / "cli-target"),
            "SLUICEGATE_NOTIFY": os.environ["SLUICEGATE_NOTIFY"],
        }
        # The day between two of them passes, so that they are two incidents.
        days = range(1, 2 * len(MOMENTS), 2)
        for day in range(1, days[-1] + 1):
            gate.write(file_of(day), delivery(day, f"visitor-{day}"))
        assert CliRunner().invoke(main, run).exit_code == 0
        web.accepted.clear()
        for day, moment in zip(days, MOMENTS, strict=True):
            gate.write(file_of(day), delivery(day, f"other-{day}"))
            process = FORKS.Process(target=command_that_dies, args=(moment, variables, run))
            process.start()
            process.join()
            assert process.exitcode == -signal.SIGKILL, f"not killed: {moment.what}"
        assert CliRunner().invoke(main, run).exit_code == 0
        twice = []
        for path in ("/a", "/b"):
            ids = told(web, path)
            assert sorted(ids) == [f"2025-01-{day:02}" for day in days], path
            assert {batch for batch, of_batch in ids.items() if len(of_batch) > 1} == set()
            twice.append(len(web.at(path)) - len({one["message_id"] for one in web.at(path)}))
        # Sent and not recorded: one message by each of two killed runs, and no other.
        assert sum(twice) == 2, twice
        asked = len(web.headers)
        assert CliRunner().invoke(main, ["notify", "--out", str(command.out)]).exit_code == 0
        assert len(web.headers) == asked
