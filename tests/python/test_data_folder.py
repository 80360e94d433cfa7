"""The data folder: it gives back what is no longer needed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import clickhouse_connect
import pytest
from conftest import HEADER, Gate
from dbt.adapters.exceptions import FailedToConnectError

DAYS = 3


def deliver(gate: Gate, content: int) -> None:
    """Deliver all days, each time with other events."""
    for day in range(1, DAYS + 1):
        gate.write(
            f"events_2025010{day}.csv",
            HEADER
            + "".join(
                f"c{client},https://shop.example/{content},,2025-01-0{day}T00:00:0{client}.000Z,"
                "page_viewed,,Mozilla/5.0\n"
                for client in range(9)
            ),
        )


def settle(gate: Gate) -> None:
    """Let the engine do what it still has to do, as the next run would."""
    with gate.started():
        for _ in range(200):
            [(waiting,)] = gate.query(
                "select (select count() from system.parts where not active)"
                " + (select count() from system.dropped_tables)"
            )
            if not waiting:
                return
            time.sleep(0.1)
    raise AssertionError(f"{waiting} replaced parts and dropped tables are still there")


def files(folder: Path) -> int:
    return sum(path.is_file() and not path.is_symlink() for path in folder.rglob("*"))


def test_many_runs_leave_no_more_files_than_one(gate: Gate) -> None:
    deliver(gate, content=4)
    assert gate.models(), gate.results
    settle(gate)
    of_one_run = files(gate.data)

    shutil.rmtree(gate.data)
    for content in range(5):
        deliver(gate, content)
        assert gate.models(), gate.results
    assert gate.models("--full-refresh"), gate.results
    for _ in range(3):
        assert gate.models(), gate.results
    settle(gate)
    assert not list((gate.data / "metadata_dropped").iterdir())
    assert files(gate.data) <= 1.2 * of_one_run
    assert gate.query("select count() from stg_web_events__clean") == [(9 * DAYS,)]


def test_what_an_earlier_version_left_goes(gate: Gate) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=str(gate.data))
    client.command("create database sluicegate")
    client.command("create table sluicegate.helper (n Int64) engine = MergeTree order by n")
    client.command("insert into sluicegate.helper select number from numbers(10)")
    client.command("drop table sluicegate.helper")
    client.close()
    assert list((gate.data / "metadata_dropped").iterdir())

    settle(gate)
    assert not list((gate.data / "metadata_dropped").iterdir())
    assert not list((gate.data / "store").rglob("*.bin"))


def test_a_copy_that_followed_links_is_recognised(gate: Gate, emptied_folder: Path) -> None:
    shutil.copytree(emptied_folder, gate.data, symlinks=False)
    with pytest.raises(FailedToConnectError) as caught:
        gate.dbt("show", "--inline", "select 1")
    [line] = [line for line in str(caught.value).splitlines() if str(gate.data) in line]
    assert "followed symbolic links" in line
    assert "copy it again with cp -a" in line


def test_a_copy_without_links_opens(gate: Gate, emptied_folder: Path) -> None:
    shutil.copytree(emptied_folder, gate.data, symlinks=True)
    for path in list(gate.data.rglob("*")):
        if path.is_symlink():
            path.unlink()
    assert gate.dbt("show", "--inline", "select * from {{ ref('dq_gate') }}"), gate.results
