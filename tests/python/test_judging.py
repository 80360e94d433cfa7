"""What was judged and what was not: nothing that nobody looked at looks passed."""

from __future__ import annotations

from conftest import HEADER, Gate
from test_checks import STREAM, Check, Judge, blocking, day, judge  # noqa: F401
from test_publishing import clean, decisions, delivery, file_of
from test_publishing import day as date

from sluicegate import monitoring, report
from sluicegate.report import judged_lines


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


def test_a_batch_that_an_earlier_version_measured_needs_no_row_for_the_batch_as_a_whole(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(
        Check("odd", "unexpected_payload", dimension="*", warn_limit="0", severity="WARN"),
        Check("rate", "reject_rate", warn_limit="0.5", severity="WARN"),
        Check("only_parts", "revenue_by_device", dimension="*", warn_limit="1", severity="WARN"),
    )
    judge.measure("revenue_by_device", {0: 0.5, 1: 0.5}, dimension="mobile")
    land(judge, 0, 1)
    judge.gate.query("alter table dq_batches update entry = 0 where stage = 'metrics' "
                     f"and batch_date = '{day(0)}' settings mutations_sync = 2")  # fmt: skip
    judge.judge()
    assert judge.statuses("odd") == {0: "pass", 1: "not_computed"}
    assert judge.statuses("rate") == {0: "not_computed", 1: "not_computed"}
    assert judge.statuses("only_parts", "mobile") == {0: "pass", 1: "pass"}


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
        f"('{STREAM}', 'checks', '{day(0)}', 'another', 1000000)"
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


def purchases(day_number: int, without_revenue: int, without_transaction: int = 0) -> str:
    """A day's file: 25 purchases of 100 each, and as many as are said of no use."""
    event = "{},https://shop.example/,,{}T10:{:02}:00.000Z,{},a\n"
    payload = '"{{""transaction_id"":""{}"",""revenue"":{},""items"":[]}}"'
    bought = [
        event.format(
            f"c{number}",
            date(day_number),
            number,
            "checkout_completed,"
            + payload.format(
                "" if number >= 25 else f"t{day_number}-{number}",
                '""1,234.50""' if number < without_revenue else 100,
            ),
        )
        for number in range(25 + without_transaction)
    ]
    # Of the many rows without a client not one is worth anything.
    lost = [event.format("", date(day_number), n, "page_viewed,") for n in range(10)]
    return HEADER + "".join(bought + (lost if without_transaction else []))


def test_a_first_load_ends_with_every_batch_that_failed_and_what_was_done_with_it(
    emptied: Gate,
) -> None:
    for number, file in enumerate(
        (purchases(1, 0), purchases(2, 1), purchases(3, 0, 2), purchases(4, 3), purchases(5, 0)),
        start=1,
    ):
        emptied.write(file_of(number), file)
    assert emptied.models(), emptied.results
    (run_id,) = emptied.query("select distinct run_id from dq_check_results")[0]
    with emptied._client("sluicegate") as client:
        judged = monitoring.read_judged(client, run_id)
        assert monitoring.read_judged(client, "another") == {"batches": 0, "failed": []}
    assert judged["batches"] == 5
    severe = {
        batch["batch_date"]: (
            batch["decision"],
            {
                check["check"]
                for check in batch["checks"]
                if check["severity"] == "CRITICAL" and check["status"] == "fail"
            },
        )
        for batch in judged["failed"]
    }
    assert {day: found for day, found in severe.items() if found[1]} == {
        "2025-01-02": ("publish", {"purchases_without_revenue"}),
        "2025-01-03": ("hold", {"missing_transaction_id", "revenue_gap"}),
        "2025-01-04": ("hold", {"purchases_without_revenue", "revenue_incomplete"}),
    }
    lines = judged_lines(report.make_report(run_id, "embedded", 1, [], judged=judged))
    assert lines[0].startswith("5 batches were judged in this run: 3 failed a check")
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        "web_events 2025-01-02 published",
        "web_events 2025-01-03 held",
        "web_events 2025-01-04 held",
    ]
    assert lines[1].partition(": ")[2].startswith("purchases_without_revenue=0.04 (must be below")
    # Of several checks the line names the one that holds the batch.
    assert lines[3].partition(": ")[2].startswith("revenue_incomplete=0.12 (must be below 0.1")
    # What was lost is told by money: the rows without a client cost nothing.
    messages = {
        check["check"]: check["message"]
        for batch in judged["failed"]
        if batch["batch_date"] == "2025-01-03"
        for check in batch["checks"]
    }
    assert "mostly missing_transaction_id (200" in messages["revenue_gap"]
    # The day that is over before the run ends is told to those who are notified, too.
    assert (
        "purchases_without_revenue",
        date(4),
    ) in emptied.query("select check_name, last_batch from dq_incident_changes")


def test_a_run_of_one_batch_ends_without_a_list() -> None:
    judged = {"batches": 1, "failed": []}
    assert judged_lines(report.make_report("run", "embedded", 1, [], judged=judged)) == []


def test_a_reason_that_is_rare_again_is_over_though_it_is_too_rare_to_be_judged(
    judge: Judge,  # noqa: F811
) -> None:
    judge.checks(
        Check("by_reason", "reject_rows", "robust_zscore", "above", "4", guard="1",
              dimension="*", severity="WARN", min_volume="30")
    )  # fmt: skip
    for reason, rows in (("common", 50), ("rare", 5)):
        for number in range(6):
            many = number == 4
            judge.measure(
                "reject_rows", {number: 0.3 if many else rows / 1000},
                dimension=reason, denominator=1000, volume=300 if many else rows,
            )  # fmt: skip
    judge.judge()
    assert judge.statuses("by_reason", "rare")[5] == "low_volume"
    assert set(judge.incidents("dimension, status")) == {
        ("common", "resolved"),
        ("rare", "resolved"),
    }
