"""The manifest: which files are there, which should be, and what is news of their columns."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from conftest import Gate
from dbt_common.exceptions import DbtRuntimeError

STREAM = "web_events"
FIRST = datetime.date(2025, 1, 6)  # a Monday
CONTRACT = ["client_id", "page_url", "referrer", "timestamp", "event_name", "event_data"]


def day(number: int) -> datetime.date:
    return FIRST + datetime.timedelta(days=number)


def moment(number: int, hour: float = 0) -> str:
    """A time so many hours after the beginning of a day."""
    start = datetime.datetime.combine(day(number), datetime.time())
    return (start + datetime.timedelta(hours=hour)).isoformat(timespec="seconds")


def land(gate: Gate, number: int, at: str, **known: Any) -> None:
    """An entry of the ledger of files: the file of a day was landed at a time."""
    entry = {
        "stream": STREAM,
        "file_name": f"events_{day(number):%Y%m%d}.csv",
        "batch_date": str(day(number)),
        "format": "csv",
        "status": "landed",
        "file_size": 100,
        "columns": CONTRACT,
        "landed_at": at.replace("T", " "),
        **known,
    }
    gate.query(
        f"insert into dq_files ({', '.join(entry)}) values "
        f"({', '.join(map(literal, entry.values()))})"
    )


def literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        pairs = [literal(part) for pair in value.items() for part in pair]
        return f"map({', '.join(pairs)})"
    return f"'{value}'" if isinstance(value, str) else str(value)


def judged(gate: Gate, number: int, at: str) -> None:
    """An entry of the ledger of batches: the day was judged at a time."""
    gate.query(
        "insert into dq_batches (stream, stage, batch_date, recorded_at) values "
        f"('{STREAM}', 'checks', '{day(number)}', '{at.replace('T', ' ')}')"
    )


def calendar(gate: Gate, cadence: str = "daily", **dates: str) -> None:
    starts, ends = (f"'{dates[key]}'" if key in dates else "null" for key in ("starts", "ends"))
    gate.query("truncate table dq_calendar")
    gate.query(f"insert into dq_calendar values ('{STREAM}', '{cadence}', 6, 6, {starts}, {ends})")


def manifest(gate: Gate, as_of: str, columns: str = "status") -> dict[int, Any]:
    """Some columns of the manifest by number of the day; one column alone is its value."""
    assert gate.models("--select", "dq_manifest", as_of=as_of), gate.results
    rows = gate.query(f"select batch_date, {columns} from dq_manifest order by batch_date")
    return {(row[0] - FIRST).days: row[1] if len(row) == 2 else row[1:] for row in rows}


@pytest.fixture
def ledger(emptied: Gate) -> Gate:
    calendar(emptied)
    return emptied


def test_a_day_between_two_that_are_there_is_missing_whatever_the_clock_says(ledger: Gate) -> None:
    for number in (0, 2):
        land(ledger, number, moment(3))
    assert manifest(ledger, moment(3)) == {0: "received", 1: "missing", 2: "received"}


def test_history_that_is_landed_at_once_is_neither_late_nor_missed(ledger: Gate) -> None:
    for number in range(3):
        land(ledger, number, moment(200))
    assert manifest(ledger, moment(200, 1), "status, hours_late") == dict.fromkeys(
        range(3), ("received", 0)
    )


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        # The file of day 1 is due at six o'clock of day 2, and has six hours of grace.
        (moment(2, 11), {0: "received"}),
        (moment(2, 13), {0: "received", 1: "missing"}),
        (moment(4, 13), {0: "received", 1: "missing", 2: "missing", 3: "missing"}),
    ],
)
def test_what_does_not_come_after_the_newest_file_is_missing_when_its_time_has_passed(
    ledger: Gate, as_of: str, expected: dict[int, str]
) -> None:
    land(ledger, 0, moment(1, 5))
    assert manifest(ledger, as_of) == expected


def test_a_file_that_comes_after_its_grace_is_late_by_so_many_hours(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    land(ledger, 1, moment(2, 11.9))
    land(ledger, 2, moment(4, 15))
    assert manifest(ledger, moment(4, 16), "status, hours_late") == {
        0: ("received", 0),
        1: ("received", 0),
        2: ("late", 27),
        # Due an hour ago and gone long past its grace: day 3 has not come.
        3: ("missing", 4),
    }


def test_weekends_are_not_missed_where_none_are_expected(ledger: Gate) -> None:
    calendar(ledger, "weekdays")
    for number in (0, 7):  # two Mondays
        land(ledger, number, moment(8))
    assert manifest(ledger, moment(8)) == {
        number: "received" if number in (0, 7) else "missing" for number in (0, 1, 2, 3, 4, 7)
    }


def test_a_weekly_file_is_missed_on_its_weekday_only(ledger: Gate) -> None:
    calendar(ledger, "weekly")
    for number in (0, 14):
        land(ledger, number, moment(15))
    assert manifest(ledger, moment(15)) == {0: "received", 7: "missing", 14: "received"}


def test_a_feed_has_a_first_and_a_last_day(ledger: Gate) -> None:
    calendar(ledger, starts=str(day(-1)), ends=str(day(1)))
    land(ledger, 0, moment(0))
    assert manifest(ledger, moment(30)) == {-1: "missing", 0: "received", 1: "missing"}


def test_a_file_that_came_again_since_its_day_was_judged_is_changed_until_it_is_judged_again(
    ledger: Gate,
) -> None:
    land(ledger, 0, moment(1, 5))
    assert manifest(ledger, moment(1, 6), "files_changed") == {0: []}
    judged(ledger, 0, moment(1, 7))
    land(ledger, 0, moment(1, 8), file_size=101)
    assert manifest(ledger, moment(1, 9), "status, files_changed") == {
        0: ("changed", [f"events_{day(0):%Y%m%d}.csv"])
    }
    judged(ledger, 0, moment(1, 10))
    assert manifest(ledger, moment(1, 11), "status, files_changed") == {0: ("received", [])}


def test_a_file_that_is_read_again_unchanged_is_not_changed(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    judged(ledger, 0, moment(1, 7))
    land(ledger, 0, moment(1, 8))
    assert manifest(ledger, moment(1, 9), "files_changed") == {0: []}


def test_a_day_that_was_missed_is_late_and_not_changed_when_it_comes(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    judged(ledger, 1, moment(2, 13))
    land(ledger, 1, moment(2, 20))
    assert manifest(ledger, moment(2, 21), "status, files_changed")[1] == ("late", [])


def test_another_file_of_a_day_that_was_judged_is_a_change(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    judged(ledger, 0, moment(1, 7))
    land(ledger, 0, moment(1, 8), file_name="events_20250106_more.csv")
    assert manifest(ledger, moment(1, 9), "files_changed") == {0: ["events_20250106_more.csv"]}


def test_an_unreadable_file_is_named_with_its_error_until_it_is_gone(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5), status="unreadable", error="cut off", columns=[])
    land(ledger, 1, moment(2, 5))
    name = f"events_{day(0):%Y%m%d}.csv"
    assert manifest(ledger, moment(2, 6), "status, files_unreadable")[0] == (
        "unreadable",
        [(name, "cut off")],
    )
    land(ledger, 0, moment(2, 7), status="removed")
    assert manifest(ledger, moment(2, 8), "status, files_unreadable") == {1: ("received", [])}


def test_columns_are_told_by_what_is_missing_new_renamed_and_in_another_order(ledger: Gate) -> None:
    files: list[dict[str, Any]] = [
        {},
        {"columns_missing": ["referrer"], "columns": CONTRACT[:2] + CONTRACT[3:]},
        {"columns_unknown": ["utm"], "columns": [*CONTRACT, "utm"]},
        {"columns_unknown": ["utm"], "columns": ["utm", *CONTRACT]},
        {"columns_renamed": {"clientId": "client_id"}},
        {"columns_renamed": {"clientId": "client_id"}},
        {"columns_missing": ["timestamp"], "mandatory_missing": ["timestamp"]},
    ]
    for number, known in enumerate(files):
        land(ledger, number, moment(10), **known)
    manifest(ledger, moment(10))
    rows = ledger.query(
        "select batch_date, metric, dimension, detail from dq_metrics "
        "where startsWith(metric, 'columns_') and value > 0 "
        "and (dimension != '' or metric = 'columns_reordered') order by all"
    )
    found = [((date - FIRST).days, *told) for date, *told in rows]

    def name(number: int) -> str:
        return f"events_{day(number):%Y%m%d}.csv"

    assert found == [
        (1, "columns_missing", "referrer", f"absent from {name(1)}"),
        (2, "columns_added", "utm", f"in {name(2)}"),
        (3, "columns_added", "utm", f"in {name(3)}"),
        (3, "columns_reordered", "", ""),
        (4, "columns_renamed", "clientId for client_id", f"in {name(4)}"),
        (6, "columns_mandatory_missing", "timestamp", f"absent from {name(6)}"),
    ]


def test_the_newest_batch_says_how_long_ago_it_came(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    land(ledger, 1, moment(2, 5))
    assert manifest(ledger, moment(4, 6), "freshness_hours") | {2: 0} == {0: 0, 1: 49, 2: 0}


def test_a_scheduler_that_stood_still_is_noticed_by_the_next_run(ledger: Gate) -> None:
    land(ledger, 0, moment(1, 5))
    ledger.query(
        f"insert into dq_runs (run_id, started_at) values ('a', '{moment(1, 5).replace('T', ' ')}')"
    )
    assert manifest(ledger, moment(1, 20), "run_gap_hours") == {0: 15}


@pytest.mark.parametrize("as_of", ["yesterday", "2025-13-01", "2025-01-06 12h", "'; drop"])
def test_an_as_of_that_is_no_time_is_an_error_that_says_what_to_write(
    gate: Gate, as_of: str
) -> None:
    """It ends dbt as soon as the project is parsed, before anything is opened."""
    with pytest.raises(DbtRuntimeError, match=r"The variable as_of is .*: write now, or a time"):
        gate.dbt("parse", as_of=as_of)
    assert not gate.data.exists()
