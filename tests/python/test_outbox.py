"""The outbox of notifications: every change is recorded once, whatever kills a run, and told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from conftest import HEADER, ROOT, Gate
from test_crash import Moment, run_and_die

GOOD = "{0},https://s/,,2025-01-0{1}T10:00:00.000Z,page_viewed,,agent\n"
WITHOUT_TIMESTAMP = HEADER.replace(",timestamp", ",when") + GOOD.format("cat", 2)


def changes(gate: Gate) -> list[tuple[str, str]]:
    """What is recorded to be told, as (kind, check), in the order in which it was recorded."""
    return gate.query(
        "select kind, check_name from dq_incident_changes order by recorded_at, check_name"
    )


@pytest.fixture
def two_days(gate: Gate) -> Iterator[Gate]:
    gate.write("events_20250101.csv", HEADER + GOOD.format("ann", 1))
    gate.write("events_20250102.csv", HEADER + GOOD.format("bob", 2))
    with gate.started():
        assert gate.models(), gate.results
    yield gate


def test_probe(two_days: Gate) -> None:
    gate = two_days
    print(changes(gate))
    gate.write("events_20250102.csv", WITHOUT_TIMESTAMP)
    run_and_die(gate, Moment("x", "dq_incidents__dbt_backup"))
    with gate.started():
        print(
            gate.query(
                "select check_name, status from dq_check_results where status in ('warn','fail')"
            )
        )
        print(changes(gate))
        assert gate.models(), gate.results
        print(changes(gate))
        assert gate.models(), gate.results
        print(changes(gate))
        print(gate.query("select stage, count() from dq_batches group by 1"))
