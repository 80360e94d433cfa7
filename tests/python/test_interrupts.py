"""Ctrl-C and other requests to stop: the exit code, one line, and a next run that does the rest."""

from __future__ import annotations

import datetime
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, Gate
from test_crash import contents, environment

from sluicegate.sample import SampleSpec, write_sample

COMMAND = (sys.executable, "-m", "sluicegate")
FIRST_DATE = datetime.date(2025, 1, 1)
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def not_ignored() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and tests may run there."""
    for asked in EXIT_CODES:
        signal.signal(asked, signal.SIG_DFL)


@contextmanager
def started(gate: Gate, *arguments: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which ends with this block whatever happens."""
    with subprocess.Popen(
        [*before.split(), *COMMAND, *arguments],
        env={**environment(gate), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=not_ignored,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Until the process handles SIGTERM, which Python leaves alone: its first thing to do."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return
    raise AssertionError(f"it ended by itself: {process.stderr and process.stderr.read()}")


@pytest.mark.parametrize("asked", EXIT_CODES, ids=lambda asked: asked.name)
@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("observe",),
        ("ack", "--stream", "web_events", "--batch", "2025-01-01", "--by", "b", "--reason", "r"),
        ("dbt", "build"),
    ],
    ids=lambda command: str(command[0]),
)
def test_in_the_first_moment_nothing_is_changed_and_that_is_said(
    gate: Gate, command: tuple[str, ...], asked: signal.Signals
) -> None:
    with started(gate, *command) as process:
        wait_until_it_listens(process)
        process.send_signal(asked)
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == EXIT_CODES[asked], complaint
    assert complaint == "sluicegate: interrupted: nothing was changed.\n"
    assert said == ""
    assert not gate.data.exists()


def test_an_interrupted_run_says_what_is_done_and_the_next_one_does_the_rest(
    gate: Gate, tmp_path: Path
) -> None:
    write_sample(gate.landing, SampleSpec(FIRST_DATE, days=2, rows_per_day=300))
    run = ("run", "--landing", str(gate.landing), "--out", str(tmp_path / "out"))
    with gate.started():
        assert gate.models(), gate.results
        clean = contents(gate)
    shutil.rmtree(gate.data)

    for asked, moment in (
        (signal.SIGINT, "dq_runs: success\n"),
        (signal.SIGTERM, "int_web_events__sessions: success\n"),
        (signal.SIGINT, "fct_sessions: success\n"),
    ):
        with started(gate, *run) as process:
            assert process.stderr is not None
            assert any(line == moment for line in process.stderr), moment
            process.send_signal(asked)
            said, rest = process.communicate(timeout=60)
        assert process.returncode == EXIT_CODES[asked], rest
        assert said == ""
        complaint = rest.splitlines()[-1]
        assert complaint.startswith("sluicegate: interrupted: ")
        assert " steps are done, " in complaint
        published = complaint.partition("published: ")[2]
        assert ("fct_sessions" in published) == moment.startswith("fct_sessions")
        assert complaint.endswith("; the next run does the rest.")
        assert "Traceback" not in rest

    with gate.started():
        assert gate.models(), gate.results
        assert contents(gate) == clean


def test_an_interrupted_dbt_command_ends_like_any_other(gate: Gate) -> None:
    write_sample(gate.landing, SampleSpec(FIRST_DATE, days=1, rows_per_day=100))
    landing = f"{{landing: {{web_events: '{gate.landing}'}}}}"
    with started(gate, "dbt", "build", "--vars", landing) as process:
        assert process.stdout is not None
        assert any("dq_files" in line and " OK " in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint.startswith("sluicegate: interrupted: ")
    assert complaint.count("\n") == 1


def test_what_was_started_to_ignore_a_signal_ignores_it(gate: Gate, tmp_path: Path) -> None:
    sample = ("sample", str(tmp_path / "shop"), "--days", "1", "--rows", "50")
    with started(gate, *sample, before="nohup") as process:
        wait_until_it_listens(process)
        process.send_signal(signal.SIGHUP)
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert said.startswith("1 files written")
