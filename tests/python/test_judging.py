"""What was judged and what was not: nothing that nobody looked at looks passed."""

from __future__ import annotations

from conftest import HEADER, Gate
from test_checks import STREAM, Check, Judge, blocking, day, judge  # noqa: F401
from test_publishing import clean, decisions, delivery, file_of
from test_publishing import day as date


def land(judge: Judge, *numbers: int) -> None:  # noqa: F811
    """Say that a file of these days is there."""
    for number in numbers:
        judge.gate.query(
            "insert into dq_files (stream, file_name, batch_date, status, landed_at, entry) values "
            f"('{STREAM}', 'events_{number}.csv', '{day(number)}', 'landed', now64(6), 1)"
        )


def test_a_check_whose_metric_was_not_computed_fails_and_a_blocking_one_holds(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(
        blocking(),
        Check("quiet", "duplicate_rate", warn_limit="0.5", severity="WARN"),
        Check("odd", "unexpected_payload", dimension="*", warn_limit="0", severity="WARN"),
        Check("nothing_odd", "unknown_event_rows", dimension="*", warn_limit="0", severity="WARN"),
        Check("one_reason", "reject_rows", dimension="malformed_line", warn_limit="0.5",
              severity="WARN"),
    )  # fmt: skip
    judge.measure("rows_raw", {0: 1000.0, 1: 1000.0})
    judge.measure("unknown_event_rows", {0: 0.0, 1: 0.0})
    judge.measure("reject_rows", {0: 0.0, 1: 0.0}, denominator=1000)
    judge.measure("reject_rate", {0: 0.01}, denominator=1000)
    judge.measure("duplicate_rate", {0: 0.01}, denominator=1000)
    judge.measure("unexpected_payload", {0: 0.0})
    land(judge, 0, 1)
    # A batch that is missing altogether has nothing that could be computed.
    judge.touch([2])
    judge.judge()
    found = {
        (check, number): result["status"] for (check, _, number), result in judge.results.items()
    }
    assert found == {
        ("rate", 0): "pass",
        ("quiet", 0): "pass",
        ("odd", 0): "pass",
        ("nothing_odd", 0): "pass",
        ("one_reason", 0): "pass",
        ("rate", 1): "not_computed",
        ("quiet", 1): "not_computed",
        ("odd", 1): "not_computed",
        ("nothing_odd", 1): "pass",
        ("one_reason", 1): "pass",
    }
    assert judge.results["rate", "", 1]["message"] == (
        "rate not judged: its metric reject_rate was not computed"
    )
    assert judge.decisions() == {0: "publish", 1: "hold"}
    assert sorted(judge.incidents("check_name, severity, status")) == [
        ("odd", "WARN", "opened"),
        ("quiet", "WARN", "opened"),
        ("rate", "CRITICAL", "opened"),
    ]


def test_a_batch_without_a_result_of_a_blocking_check_is_held_and_told(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(blocking())
    judge.measure("rows_raw", {0: 1000.0})
    judge.measure("reject_rate", {0: 0.01}, denominator=1000)
    judge.judge()
    judge.checks(blocking(), blocking("added_since"))
    judge.gate.query(
        "insert into dq_batches (stream, stage, batch_date, version, entry) values "
        f"('{STREAM}', 'acknowledged', '{day(0)}', 'another', 1000000)"
    )
    judge.gate.build(
        "--select", "dq_gate", "dq_incidents", "dq_alerts", "--exclude-resource-type", "test"
    )
    assert judge.decisions() == {0: "hold"}
    assert judge.gate.query("select severity, check_name, message from dq_alerts") == [
        ("CRITICAL", "added_since", "added_since not judged: it has no result")
    ]


def test_a_reason_that_was_not_judged_is_not_over_because_another_one_passed(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(
        Check("by_device", "revenue_by_device", "threshold", "above", "0.5",
              dimension="*", severity="WARN", min_volume="20")
    )  # fmt: skip
    judge.measure("revenue_by_device", {0: 0.9}, dimension="mobile", volume=90)
    judge.measure("revenue_by_device", {0: 0.1, 1: 0.4}, dimension="desktop", volume=30)
    judge.measure("revenue_by_device", {1: 0.6}, dimension="mobile", volume=3)
    judge.judge()
    assert judge.incidents("dimension, status") == [("mobile", "opened")]


def test_every_check_of_the_project_is_computed_for_a_day_of_few_events(gate: Gate) -> None:
    gate.write("events_20240101.csv", HEADER + "c,u,,2024-01-01T01:00:00.000Z,page_viewed,,a\n")
    gate.write("events_20240102.csv", HEADER)
    gate.write("events_20240104.csv", HEADER + ",u,,2024-01-04T01:00:00.000Z,page_viewed,,a\n")
    with gate.started():
        gate.models()
        assert (
            gate.query(
                "select check_name, batch_date from dq_check_results where status = 'not_computed'"
            )
            == []
        )
        gate.write("events_20240105.csv", HEADER + "c,u,,2024-01-05T01:00:00.000Z,page_viewed,,a\n")
        gate.models("--exclude", "int_web_events__session_metrics")
        found = gate.query(
            "select distinct check_name from dq_check_results "
            "where status = 'not_computed' and batch_date = '2024-01-05'"
        )
    assert {"conversion_rate", "sessions", "direct_share"} <= {name for (name,) in found}


# --- what is told of a batch ----------------------------------------------------------------------


def test_the_batch_that_a_message_speaks_of_is_the_one_that_is_held(judge: Judge) -> None:  # noqa: F811
    judge.checks(
        Check("rate", "reject_rate", warn_limit="0.02", fail_limit="0.05", is_blocking="true")
    )
    judge.measure("rows_raw", {0: 1000.0, 1: 1000.0})
    judge.measure("reject_rate", {0: 0.0659, 1: 0.0262}, denominator=10000)
    judge.judge()
    assert judge.decisions() == {0: "hold", 1: "publish"}
    assert judge.gate.query("select batch_date, held_batches, message from dq_alerts") == [
        (day(0), [day(0)], f"rate=0.0659 (max 0.05); since {day(0)} in 2 batches")
    ]


def test_a_file_that_came_under_two_names_is_told_and_its_batch_is_published(gate: Gate) -> None:
    # 108 page views and 12 purchases of 10 each, delivered twice; one row in 120 has no client.
    event = "c{},https://shop.example/,,2024-01-01T10:00:{:02}.000Z,{},a\n"
    payload = '"{{""transaction_id"":""t{}"",""revenue"":10,""items"":[]}}"'
    rows = [event.format(number, number % 60, "page_viewed,") for number in range(108)] + [
        event.format(number, 0, "checkout_completed," + payload.format(number))
        for number in range(12)
    ]
    rows[0] = rows[0].removeprefix("c0")
    for name in ("events_20240101.csv", "events_20240101_again.csv"):
        gate.write(name, HEADER + "".join(rows))
    with gate.started():
        assert gate.models(), gate.results
        assert gate.query("select decision from dq_gate") == [("publish",)]
        assert gate.query("select count(), sum(revenue) from stg_web_events__clean") == [(119, 120)]
        found = gate.query(
            "select check_name, status, message from dq_check_results "
            "where check_name in ('duplicate_rate', 'reject_rate', 'revenue_gap', "
            "'rows_conserved', 'revenue_conserved')"
        )
        metrics = dict(
            gate.query(
                "select metric, toFloat64(numerator) from dq_metrics where dimension = '' and "
                "metric in ('rows_landed', 'rows_raw', 'rows_rejected', 'reject_rate', "
                "'revenue_rejected')"
            )
        )
        gate.dbt("test", "--select", "no_file_is_mostly_rejected")
    told = {check: (status, message) for check, status, message in found}
    (status, message) = told["duplicate_rate"]
    assert status == "warn"
    assert message.startswith("duplicate_rate=0.5 (max 0.01)")
    assert message.endswith(
        ", 120 rows of events_20240101_again.csv are copies of rows of events_20240101.csv"
    )
    assert told["reject_rate"] == ("pass", "reject_rate=0.0083 (max 0.02)")
    assert {told[name][0] for name in ("revenue_gap", "rows_conserved", "revenue_conserved")} == {
        "pass"
    }
    assert metrics == {
        "rows_landed": 240,
        "rows_raw": 120,
        "rows_rejected": 121,
        "reject_rate": 1,
        "revenue_rejected": 120,
    }
    assert gate.results["no_file_is_mostly_rejected"].startswith("pass")


def test_raw_rows_that_are_lost_or_exchanged_fail_every_run_until_they_are_landed_again(
    emptied: Gate,
) -> None:
    for number in (1, 2, 3, 4):
        emptied.write(file_of(number), delivery(number, "ann", "bob", "cleo"))
    assert emptied.models(), emptied.results
    published = clean(emptied)
    found = (
        "select batch_date, dimension, message from dq_check_results "
        "where check_name = 'raw_conserved' and status = 'fail' order by all"
    )
    assert emptied.query(found) == []
    # A row is lost, a row is exchanged, a whole batch is lost; nothing is delivered.
    raw = "raw_web_events"
    emptied.query(f"alter table {raw} delete where batch_date = '{date(1)}' and row_number = 3 "
                  "settings mutations_sync = 2")  # fmt: skip
    emptied.query(f"alter table {raw} update event_key = 5 where batch_date = '{date(2)}' "
                  "and row_number = 2 settings mutations_sync = 2")  # fmt: skip
    emptied.query(f"alter table {raw} drop partition '{date(3)}'")
    for _ in range(2):
        assert emptied.models(), emptied.results
        assert emptied.query(found) == [
            (date(number), file_of(number), f"raw_conserved[{file_of(number)}]=1 (max 0), {told}")
            for number, told in (
                (1, "3 rows were landed, 2 are there"),
                (2, "as many rows as were landed, and not the same ones"),
                (3, "3 rows were landed, 0 are there"),
            )
        ]
        assert {number: decision for number, (decision, _) in decisions(emptied).items()} == {
            date(1): "hold",
            date(2): "hold",
            date(3): "hold",
            date(4): "publish",
        }
        assert clean(emptied) == published
    assert emptied.models("--full-refresh", "--select", "raw_web_events+"), emptied.results
    assert emptied.query(found) == []
    assert {decision for decision, _ in decisions(emptied).values()} == {"publish"}
    assert emptied.query(
        "select distinct status from dq_incidents where check_name = 'raw_conserved'"
    ) == [("resolved",)]


def test_since_is_the_hour_in_which_it_began_and_not_one_that_was_low_by_chance(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(
        Check("drop", "rows_raw", "zscore", "below", fail_limit="3", guard="0.35"),
        Check("rate", "reject_rate", fail_limit="0.05"),
    )
    usual = [100.0] * 24
    until_noon = [100.0] * 12 + [0.0] * 12
    until_noon[3] = 60.0
    days = {
        **dict.fromkeys(range(4), (usual, 0.01)),
        4: (until_noon, 0.0),
        # Low all day long, by chance more so in the morning.
        5: ([45.0, 40.0] * 6 + [46.0, 41.0] * 6, 0.0),
        6: ([0.0] * 12 + [100.0] * 12, 0.0),
    }
    for number, (rows, _) in days.items():
        judge.gate.query(
            "insert into int_web_events__event_metrics values "
            f"('{STREAM}', 'rows_raw', '', {sum(rows)}, null, {sum(rows)}, {sum(rows)}, "
            f"{rows}, [], '', '{day(number)}')"
        )
    # A third of the rows is rejected from six on; before that a twentieth at most, or less.
    rejected = [1.0, 1.0, 20.0, 1.0, 1.0, 1.0] + [33.0] * 18
    judge.gate.query(
        "insert into int_web_events__event_metrics values "
        f"('{STREAM}', 'reject_rate', '', {sum(rejected)}, 2400, {sum(rejected) / 2400}, 2400, "
        f"{rejected}, {usual}, '', '{day(4)}')"
    )
    judge.touch(days)
    judge.judge()
    since = dict(
        judge.gate.query(
            "select (check_name, batch_date), toHour(since) from dq_check_results "
            "where status = 'fail'"
        )
    )
    assert since == {
        ("drop", day(4)): 12,
        ("drop", day(5)): None,
        ("drop", day(6)): None,
        ("rate", day(4)): 6,
    }
