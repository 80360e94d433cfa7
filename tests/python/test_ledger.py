"""The ledgers: what is newer is what was written later, whatever the clock said."""

from __future__ import annotations

from typing import Any

from conftest import Gate
from test_publishing import clean, day, decisions, delivery, file_of, without_timestamp

LEDGERS = {
    "dq_files": ("landed_at",),
    "dq_batches": ("recorded_at",),
    "dq_acknowledgements": ("acknowledged_at",),
    "dq_runs": ("started_at", "ended_at"),
}


def clock_was_ahead(gate: Gate, hours: int) -> None:
    """As if the clock had been that much ahead in all runs so far, and were right again now."""
    for ledger, times in LEDGERS.items():
        moved = ", ".join(f"{time} + interval {hours} hour as {time}" for time in times)
        gate.query(f"create table shifted as {ledger}")
        gate.query(f"insert into shifted select * replace ({moved}) from {ledger}")
        gate.query(f"exchange tables shifted and {ledger}")
        gate.query("drop table shifted sync")


def counts(gate: Gate) -> dict[str, Any]:
    tables = ("dq_files", "dq_batches", "dq_acknowledgements", "raw_web_events")
    return {table: gate.query(f"select count() from {table}")[0][0] for table in tables}


def test_a_clock_that_was_ahead_delays_nothing(emptied: Gate) -> None:
    for number in (1, 2, 3):
        emptied.write(file_of(number), delivery(number, "ann", "bob"))
    assert emptied.models(), emptied.results
    clock_was_ahead(emptied, hours=2)

    # Delivered again: one as a whole other day, one without a mandatory column.
    emptied.write(file_of(2), delivery(2, "cleo", "dan", "eve"))
    emptied.write(file_of(3), without_timestamp("fay"))
    assert emptied.models(), emptied.results
    assert clean(emptied) == {
        day(1): ["ann", "bob"],
        day(2): ["cleo", "dan", "eve"],
        day(3): ["ann", "bob"],
    }
    assert {date: decision for date, (decision, _) in decisions(emptied).items()} == {
        day(1): "publish",
        day(2): "publish",
        day(3): "hold",
    }
    assert emptied.query(
        "select toDayOfMonth(batch_date), toUInt32(value) from dq_metrics "
        "where metric = 'rows_raw' order by all"
    ) == [(1, 2), (2, 3), (3, 1)]

    before = counts(emptied)
    assert emptied.models(), emptied.results
    # The day after a re-delivery, its word "delivered again" is over: one batch is judged again.
    assert counts(emptied)["dq_files"] == before["dq_files"]
    before = counts(emptied)
    assert emptied.models(), emptied.results
    assert counts(emptied) == before

    # A word is about the delivery that was there when it was given, also after another shift.
    clock_was_ahead(emptied, hours=3)
    emptied.acknowledge("web_events", day(3))
    assert emptied.models(), emptied.results
    assert decisions(emptied)[day(3)][0] == "released"
    assert clean(emptied).get(day(3), []) == []
