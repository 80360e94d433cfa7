"""Kill -9 at any moment: the next run leaves what a run that nobody killed leaves.

Six days are published; then all of them are delivered again with other content, and the runs that
should publish that are killed: right before a chosen statement is sent, while one runs, or after a
random time. The truth is what one run that was left alone makes of the same deliveries.
"""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Gate
from dbt.cli.main import dbtRunner
from test_publishing import empty_gate

from dbt_sluicegate import ChdbClient
from sluicegate.sample import SampleSpec, write_sample

DAYS = 6
ROWS_PER_DAY = 8_000

# Rows and a hash of their content, per day.
Fingerprint = dict[datetime.date, tuple[int, int]]

# What says when and by which run something was done.
OF_THE_RUN = {
    "raw_web_events": ("landed_at",),
    "stg_web_events__evaluated": ("landed_at",),
    "stg_web_events__rejects": ("run_id", "first_failed_at", "last_failed_at"),
    "stg_web_events__clean": ("landed_at",),
    "int_web_events__event_metrics": (),
    "int_web_events__session_metrics": (),
    "fct_sessions": (),
    "fct_orders": (),
    "dq_gate": ("run_id", "decided_at"),
}


@dataclass(frozen=True)
class Moment:
    """When a run is killed: at the n-th statement that matches, so many seconds after it was sent.

    With no delay, the statement itself is not sent any more.
    """

    what: str
    statement: str
    nth: int = 1
    delay: float = 0


MOMENTS = (
    Moment("while files are read", "insert into .*raw_web_events__sg_together", delay=0.02),
    Moment("raw rows replaced, not in the ledger", "insert into .*dq_files", 3),
    Moment("some days' judgements replaced", "replace partition .*evaluated__sg_staging", 5),
    Moment("rejects replaced, not in the ledger", "insert into .*dq_batches.* 'rejects' as stage"),
    Moment("two of six days published", "replace partition .*stg_web_events__evaluated", 3),
    Moment("published, not in the ledger", "insert into .*dq_batches.* 'published' as stage"),
)

# Processes are forked from one that has imported dbt already.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["dbt.cli.main", "dbt_sluicegate"])


def dbt_that_dies(moment: Moment, environment: dict[str, str], arguments: list[str]) -> None:
    """Run dbt in this process and kill the process at a moment."""
    os.environ.update(environment)
    os.chdir(ROOT)
    die_at(moment)
    dbtRunner().invoke(arguments)


def die_at(moment: Moment) -> None:
    """From now on, kill this process at a moment."""
    seen: list[str] = []

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def watched(send: Callable[..., Any]) -> Callable[..., Any]:
        def send_or_die(client: ChdbClient, sql: str, **options: Any) -> Any:
            if re.search(moment.statement, sql, re.DOTALL):
                seen.append(sql)
                if len(seen) == moment.nth:
                    threading.Timer(moment.delay, die).start() if moment.delay else die()
            return send(client, sql, **options)

        return send_or_die

    ChdbClient.query = watched(ChdbClient.query)
    ChdbClient.command = watched(ChdbClient.command)


@dataclass(frozen=True)
class Deliveries:
    """The state before and after the second delivery, by runs that nobody killed.

    Attributes:
        folder: its landing/ has the second delivery.
        first_data: a data folder in which the first delivery is published; not to be opened.
        before, after: the content of every table with the first and with the second delivery.
    """

    folder: Path
    first_data: Path
    before: dict[str, Fingerprint]
    after: dict[str, Fingerprint]


def contents(gate: Gate) -> dict[str, Fingerprint]:
    """The content of every table but for when and by which run it came to be."""
    return {table: fingerprint(gate, table) for table in OF_THE_RUN}


def fingerprint(gate: Gate, table: str) -> Fingerprint:
    left_out = ", ".join(OF_THE_RUN[table])
    columns = f"* except ({left_out})" if left_out else "*"
    rows = gate.query(
        f"select batch_date, count(), sum(cityHash64(toJSONString(tuple({columns})))) "
        f"from {table} group by batch_date"
    )
    return {date: (count, content) for date, count, content in rows}


@pytest.fixture(scope="module")
def deliveries(gate_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Deliveries:
    gate = empty_gate(gate_folder)
    first_data = tmp_path_factory.mktemp("crash") / "clickhouse"
    spec = SampleSpec(first_date=datetime.date(2025, 1, 1), days=DAYS, rows_per_day=ROWS_PER_DAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        write_sample(gate.landing, spec)
        with gate.started():
            assert gate.models()
            before = contents(gate)
        shutil.copytree(gate.data, first_data, symlinks=True)
        shutil.rmtree(gate.landing)
        write_sample(gate.landing, SampleSpec(spec.first_date, DAYS, ROWS_PER_DAY, seed=7))
        with gate.started():
            assert gate.models()
            after = contents(gate)
    assert all(len(days) == DAYS for days in (*before.values(), *after.values()))
    assert all(before[table] != after[table] for table in before if table != "dq_gate")
    return Deliveries(gate_folder, first_data, before, after)


@pytest.fixture
def interrupted(deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The first delivery is published, the second has arrived."""
    gate = Gate(deliveries.folder)
    shutil.rmtree(gate.data)
    shutil.copytree(deliveries.first_data, gate.data, symlinks=True)
    monkeypatch.setenv("SLUICEGATE_DATA", str(gate.data))
    monkeypatch.chdir(ROOT)
    return gate


def environment(gate: Gate) -> dict[str, str]:
    """Where another process finds the gate's data and what its dbt has parsed already."""
    return {
        "SLUICEGATE_DATA": str(gate.data),
        "DBT_TARGET_PATH": str(gate.folder / "target"),
        "DBT_LOG_PATH": str(gate.folder / "logs"),
        "DBT_PROFILES_DIR": str(ROOT / "profiles"),
    }


def run_and_die(gate: Gate, moment: Moment) -> None:
    landing = json.dumps({"landing": {"web_events": str(gate.landing)}})
    arguments = ["run", "--quiet", "--no-write-json", "--vars", landing]
    process = FORKS.Process(target=dbt_that_dies, args=(moment, environment(gate), arguments))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"not killed {moment.what}"


def days_of(gate: Gate, deliveries: Deliveries, table: str) -> set[str]:
    """For each day of a table, whether it is wholly as before or wholly as after."""
    before, after = deliveries.before[table], deliveries.after[table]
    names = {
        "before" if day == before[date] else "after" if day == after[date] else f"torn: {date}"
        for date, day in fingerprint(gate, table).items()
    }
    return names or {"nothing"}


def assert_as_if_nobody_had_killed_it(gate: Gate, deliveries: Deliveries) -> None:
    with gate.started():
        assert gate.build()
        assert contents(gate) == deliveries.after
        assert gate.query("select name from system.tables where position(name, '__sg_') > 0") == []


def test_a_run_killed_at_any_statement_leaves_what_one_clean_run_leaves(
    interrupted: Gate, deliveries: Deliveries
) -> None:
    seen = []
    for moment in MOMENTS:
        run_and_die(interrupted, moment)
        seen.append(days_of(interrupted, deliveries, "stg_web_events__clean"))
    # Readers see every day as it was or as it will be; here the kill before the last hit halfway.
    assert seen == [{"before"}] * 4 + [{"before", "after"}, {"after"}]
    assert_as_if_nobody_had_killed_it(interrupted, deliveries)


def test_sluicegate_run_killed_at_random_times_leaves_what_one_clean_run_leaves(
    interrupted: Gate, deliveries: Deliveries
) -> None:
    draw = random.Random(20250101)
    for longest in (1.0, 2.0):
        kill_after(interrupted, draw.uniform(0.02, longest))
        with interrupted.started():
            for table in ("raw_web_events", "stg_web_events__clean"):
                assert days_of(interrupted, deliveries, table) <= {"before", "after"}
    assert_as_if_nobody_had_killed_it(interrupted, deliveries)


def kill_after(gate: Gate, seconds: float) -> None:
    """Kill ``sluicegate run`` so long after its first step was done, unless it ended before."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "sluicegate.cli", "run"),
            *("--landing", str(gate.landing), "--out", str(gate.folder / "out")),
        ],
        # Its landing variable is spelled another way, for which dbt reads the project anew.
        env={**os.environ, **environment(gate), "DBT_TARGET_PATH": str(gate.folder / "cli-target")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().endswith(": success\n")
        time.sleep(seconds)
        process.kill()
