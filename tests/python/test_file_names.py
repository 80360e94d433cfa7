"""What a file's name says, and what is told of files that are not read."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from conftest import HEADER, ROOT, Gate

MORNING = "T01:00:00.000Z"
WRITTEN = 1_750_000_000  # 2025-06-15


def events(day: str, *clients: str) -> str:
    return HEADER + "".join(
        f"{client},https://shop.example/,,{day}{MORNING},page_viewed,,a\n" for client in clients
    )


def avro_of(day: str) -> bytes:
    """Four events with a column that is null, a number, a text or a record."""
    record = {"type": "record", "name": "Label", "fields": [{"name": "x", "type": "int"}]}
    fields: list[dict[str, Any]] = [
        {"name": name, "type": "string"} for name in HEADER.strip().split(",")
    ]
    fields += [{"name": "label", "type": ["null", "int", "string", record]}]
    fields += [{"name": "nothing", "type": "null"}]
    event = dict.fromkeys(HEADER.strip().split(","), "") | {
        "timestamp": day + MORNING,
        "event_name": "page_viewed",
        "nothing": None,
    }
    rows = [
        {**event, "client_id": f"avro-{number}", "label": label}
        for number, label in enumerate([None, 7, 'a "b"', {"x": 1}])
    ]
    buffer = io.BytesIO()
    fastavro.writer(buffer, {"type": "record", "name": "Event", "fields": fields}, rows)
    return buffer.getvalue()


DATED = {
    "events_20250101.csv": "2025-01-01",
    "events_2025_01_02.csv": "2025-01-02",
    "events_2025.01.03.csv": "2025-01-03",
    "events_2025-01-04.csv": "2025-01-04",
    "events_2025010513.csv": "2025-01-05",
    "events_20250106T130501.csv": "2025-01-06",
    "events_20251332_for_20250107.csv": "2025-01-07",
    "events_12345678_20250108.csv": "2025-01-08",
}
NO_DAY = ["events_latest.csv", "events_12345678.csv", "events_1735689600.csv"]
IMPOSSIBLE = {
    "events_20251332.csv": "20251332",
    "events_2025-02-30.csv": "2025-02-30",
    "events_2025_00_10.csv": "2025_00_10",
    "events_19691231.csv": "19691231",
}
LEFT_ALONE = ["Events_20250120.csv", "orders_20250120.csv.gz"]
NOT_UTF8 = "events_20250121\udcff.csv"


@pytest.fixture(scope="module")
def judged(gate_folder: Path) -> Iterator[Gate]:
    gate = Gate(gate_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        for folder in (gate.landing, gate.data):
            shutil.rmtree(folder, ignore_errors=True)
        gate.landing.mkdir()
        for number, name in enumerate([*DATED, *IMPOSSIBLE, *LEFT_ALONE, NOT_UTF8]):
            path = gate.write(name, events(DATED.get(name, "2025-01-01"), f"client-{number}"))
            os.utime(path, (WRITTEN - 86400, WRITTEN - 86400))
        for number, name in enumerate(NO_DAY):
            path = gate.write(name, events("2025-06-15", f"undated-{number}"))
            os.utime(path, (WRITTEN, WRITTEN))
        os.utime(gate.write("events_of_no_time.csv", events("2025-01-01", "x")), (0, 0))
        upper = HEADER.upper() + events("2025-01-09", "upper").removeprefix(HEADER)
        gate.write("events_20250109.csv", upper)
        spellings = [{"client_id": "a"}, {"CLIENT_ID": "b"}, {"clientid": "c"}, {"clientId": "d"}]
        gate.write(
            "events_20250110.jsonl",
            "".join(
                json.dumps({**it, "Timestamp": f"2025-01-10{MORNING}", "event_name": "page_viewed"})
                + "\n"
                for it in spellings
            ),
        )
        gate.write("events_20250111.avro", avro_of("2025-01-11"))
        gate.write("events_20250112.csv.md5", "d41d8cd98f00b204e9800998ecf8427e")
        (gate.landing / "readme.txt").write_text("how to")
        (gate.landing / "events_2024").mkdir()
        with gate.started():
            assert gate.models(as_of="2025-06-16T08:00:00"), gate.results
            yield gate


def ledger(gate: Gate, status: str) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in gate.query(
            f"select file_name, if(status = 'landed', toString(batch_date), error) from dq_files "
            f"where status = '{status}'"
        )
    }


@pytest.mark.parametrize("name", DATED)
def test_the_first_day_in_a_name_that_exists_is_the_batch(judged: Gate, name: str) -> None:
    assert ledger(judged, "landed")[name] == DATED[name]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_day_that_does_not_exist_is_told_and_is_no_batch(judged: Gate, name: str) -> None:
    said = f"its name says {IMPOSSIBLE[name]}, which is no date: rename it"
    assert ledger(judged, "unreadable")[name] == said
    assert judged.query("select count() from raw_web_events where batch_date < '2000-01-01'") == [
        (0,)
    ]


def test_a_file_of_which_nothing_says_the_day_is_told(judged: Gate) -> None:
    assert "says of which day it is" in ledger(judged, "unreadable")["events_of_no_time.csv"]


def test_a_name_that_is_not_utf8_is_told(judged: Gate) -> None:
    assert "not UTF-8" in ledger(judged, "unreadable")["events_20250121\\xFF.csv"]
    unreadable = judged.query(
        "select dimension from dq_alerts where check_name = 'file_unreadable' order by 1"
    )
    expected = sorted([*IMPOSSIBLE, "events_of_no_time.csv", "events_20250121\\xFF.csv"])
    assert [name for (name,) in unreadable] == expected


def test_files_without_a_day_are_said_once_and_open_no_gap(judged: Gate) -> None:
    alerts = judged.query("select message from dq_incidents where check_name = 'file_undated'")
    assert len(alerts) == 1
    assert all(name in alerts[0][0] for name in NO_DAY)
    assert judged.query("select count() from dq_alerts where check_name = 'file_missing'") == [(0,)]


def test_files_that_are_left_alone_are_said_until_they_are_gone(judged: Gate) -> None:
    assert ledger(judged, "left_alone") == {
        "Events_20250120.csv": "left alone, named like events_* but for upper and lower case",
        "orders_20250120.csv.gz": "left alone, not named events_*",
    }
    alerts = judged.query("select message from dq_alerts where check_name = 'files_left_alone'")
    assert len(alerts) == 1
    assert all(name in alerts[0][0] for name in LEFT_ALONE)


def test_names_in_another_case_are_matched_with_a_warning(judged: Gate) -> None:
    clients = judged.query(
        "select client_id from raw_web_events where batch_date in ('2025-01-09', '2025-01-10') "
        "and mapKeys(extra_columns) = [] order by client_id"
    )
    assert [client for (client,) in clients] == ["a", "b", "c", "d", "upper"]
    warned = judged.query(
        "select distinct dimension from dq_check_results where check_name = 'column_renamed' "
        "and status = 'warn' and batch_date in ('2025-01-09', '2025-01-10') order by 1"
    )
    names = [name for (name,) in warned]
    assert "CLIENT_ID for client_id" in names
    assert "Timestamp for timestamp" in names
    assert "clientid for client_id" in names


def test_an_avro_column_of_several_types_lands_as_text(judged: Gate) -> None:
    rows = judged.query(
        "select client_id, extra_columns['label'], extra_columns['nothing'] from raw_web_events "
        "where batch_date = '2025-01-11' order by client_id"
    )
    labels = ["", "7", 'a "b"', '{"x":1}']
    assert rows == [(f"avro-{number}", label, "") for number, label in enumerate(labels)]


def test_nothing_of_it_is_said_any_more_once_it_is_put_right(judged: Gate) -> None:
    for name in [*LEFT_ALONE, *NO_DAY[1:], *IMPOSSIBLE, NOT_UTF8, "events_of_no_time.csv"]:
        (judged.landing / name).unlink()
    entries = judged.query("select count() from dq_files")
    assert judged.models(as_of="2025-06-16T08:00:00"), judged.results
    gone = len(LEFT_ALONE) + len(IMPOSSIBLE) + 2
    assert judged.query("select count() from dq_files") == [(entries[0][0] + gone,)]
    alerts = judged.query(
        "select check_name from dq_alerts "
        "where check_name in ('files_left_alone', 'file_unreadable')"
    )
    assert alerts == []
