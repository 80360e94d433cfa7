"""dbt's ``--empty``: what is missing is created, and nothing that is there is touched."""

from __future__ import annotations

import pytest
from conftest import HEADER, Gate

# Made anew by every run, and therefore empty until the next one.
MADE_ANEW = {"dq_manifest", "dq_incidents"}


def deliver(gate: Gate, day: int) -> None:
    gate.write(
        f"events_2025010{day}.csv",
        HEADER
        + "".join(
            f"c{client},shop.example,,2025-01-0{day}T00:00:0{client}.000Z,page_viewed,,a\n"
            for client in range(9)
        ),
    )


def content(gate: Gate) -> dict[str, tuple[int, int]]:
    """Rows of every table, and a hash of what is in them."""
    tables = [
        name
        for (name,) in gate.query(
            "select name from system.tables"
            " where database = 'sluicegate' and engine like '%MergeTree'"
        )
    ]
    return {
        name: gate.query(f"select count(), sum(cityHash64(tuple(*))) from {name}")[0]
        for name in tables
        if name not in MADE_ANEW
    }


@pytest.mark.usefixtures("started")
def test_an_empty_run_creates_what_is_missing_and_touches_nothing_else(gate: Gate) -> None:
    assert gate.build("--empty"), gate.results
    empty = content(gate)
    assert {"raw_web_events", "stg_web_events__clean", "fct_orders", "dq_files"} <= set(empty)
    seeds = ("dq_checks", "dq_calendar")
    assert not any(rows for name, (rows, _) in empty.items() if name not in seeds)

    deliver(gate, day=1)
    assert gate.models(), gate.results
    filled = content(gate)
    deliver(gate, day=2)
    for arguments in (["--empty"], ["--empty", "--full-refresh"]):
        assert gate.models(*arguments), gate.results
        assert content(gate) == filled, arguments

    assert gate.models(), gate.results
    assert gate.query("select count() from stg_web_events__clean") == [(18,)]
    assert gate.query("select count() from dq_manifest where batch_date <= '2025-01-02'") == [(2,)]
