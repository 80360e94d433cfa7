"""Checks, the gate and incidents, on metrics whose every value the test has chosen itself."""

from __future__ import annotations

import datetime
import random
import statistics
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate
from test_publishing import story

STREAM = "web_events"
FIRST = datetime.date(2025, 1, 6)  # a Monday
JUDGED = ("dq_check_results", "dq_gate", "dq_incidents", "dq_alerts")

COLUMNS = (
    "check_name, stream, tier, severity, is_blocking, metric, dimension, kind, direction, "
    "warn_limit, fail_limit, guard, min_volume, min_history, money, breakdown, column_name, "
    "owner, channel, remediation"
)


def day(number: int) -> datetime.date:
    return FIRST + datetime.timedelta(days=number)


@dataclass
class Check:
    """A row of the seed; everything but the name has a value that is right."""

    check_name: str
    metric: str = "rows_raw"
    kind: str = "threshold"
    direction: str = "above"
    warn_limit: str = ""
    fail_limit: str = ""
    severity: str = "CRITICAL"
    is_blocking: str = "false"
    stream: str = STREAM
    tier: str = "1"
    dimension: str = ""
    guard: str = ""
    min_volume: str = ""
    min_history: str = ""
    money: str = ""
    breakdown: str = ""
    column_name: str = ""
    owner: str = "a_team"
    channel: str = "a_channel"
    remediation: str = "Look."

    def values(self) -> str:
        return ", ".join(f"'{getattr(self, name.strip())}'" for name in COLUMNS.split(","))


@dataclass
class Judge:
    """A built project in which the test says what was measured and what is checked."""

    gate: Gate
    results: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)

    def checks(self, *checks: Check) -> None:
        self.gate.query("truncate table dq_checks")
        for check in checks:
            self.gate.query(f"insert into dq_checks ({COLUMNS}) values ({check.values()})")

    def measure(
        self,
        metric: str,
        values: dict[int, float],
        *,
        dimension: str = "",
        denominator: float | None = None,
        volume: float = 1000,
    ) -> None:
        """Values of a metric by number of the day; the batches that have one are judged again."""
        listed = ", ".join(
            f"('{STREAM}', '{metric}', '{dimension}', "
            f"{value * (denominator or 1)}, {denominator or 'null'}, {value}, {volume}, [], [], "
            f"'', '{day(number)}')"
            for number, value in values.items()
        )
        self.gate.query(f"insert into int_web_events__event_metrics values {listed}")
        self.touch(values)

    def touch(self, numbers: Iterable[int]) -> None:
        listed = ", ".join(
            f"('{STREAM}', 'metrics', '{day(number)}', '{uuid.uuid4()}', now64(6), 1)"
            for number in numbers
        )
        self.gate.query(
            "insert into dq_batches (stream, stage, batch_date, version, recorded_at, entry) "
            f"values {listed}"
        )

    def judge(self) -> bool:
        """Judge what is pending; ``results`` has everything there is afterwards."""
        passed = self.gate.build("--select", *JUDGED, "--exclude-resource-type", "test")
        names = ("status", "observed", "expected", "lower", "upper", "message", "money_at_stake")
        self.results = {
            (row[0], row[1], (row[2] - FIRST).days): dict(zip(names, row[3:], strict=True))
            for row in self.gate.query(
                "select check_name, dimension, batch_date, "
                f"{', '.join(names)} from dq_check_results"
            )
        }
        return passed

    def statuses(self, check: str, dimension: str = "") -> dict[int, str]:
        return {
            number: result["status"]
            for (name, named, number), result in sorted(self.results.items())
            if (name, named) == (check, dimension)
        }

    def incidents(self, columns: str = "check_name, status, is_changed") -> list[tuple[Any, ...]]:
        return self.gate.query(
            f"select {columns} from dq_incidents order by first_batch, check_name"
        )

    def decisions(self) -> dict[int, str]:
        return {
            (date - FIRST).days: decision
            for date, decision in self.gate.query("select batch_date, decision from dq_gate")
        }


@pytest.fixture
def judge(emptied: Gate) -> Judge:
    """The project with nothing measured and nothing checked."""
    return Judge(emptied)


# --- what a baseline is ---------------------------------------------------------------------------


def reference(values: dict[int, float], check: Check) -> dict[int, str]:
    """What each day should come to, in plain Python: no line of it is the project's SQL.

    For checks of a number of rows on the whole batch, with warn_limit or fail_limit or both.
    """
    limits = {
        "fail": float(check.fail_limit) if check.fail_limit else None,
        "warn": float(check.warn_limit) if check.warn_limit else None,
    }
    guard = float(check.guard or 0)
    needed = int(check.min_history or 3)
    judged: dict[int, str] = {}
    for number in sorted(values):
        earlier = [
            n
            for n in sorted(values, reverse=True)
            if n < number and n >= number - 63 and judged[n] not in ("warn", "fail")
        ]
        same = [n for n in earlier if (number - n) % 7 == 0][:7]
        base = [values[n] for n in (same if len(same) >= 4 else earlier[:7])]
        if len(base) < needed:
            judged[number] = "insufficient_history"
            continue
        center = statistics.fmean(base)
        spread = statistics.stdev(base) if len(base) > 1 else 0.0
        if check.kind == "robust_zscore":
            center = statistics.median(base)
            spread = 1.4826 * statistics.median([abs(value - center) for value in base])
        elif check.kind == "day_over_day":
            center = values[earlier[0]]
        spread = max(spread, 0.05 * center, center**0.5)
        judged[number] = "pass"
        for status in ("fail", "warn"):
            limit = limits[status]
            if limit is None:
                continue
            if check.kind in ("zscore", "robust_zscore"):
                distance = max(limit * spread, guard * center)
            else:
                distance = max(limit * center, guard * spread)
            off = values[number] - center
            broken = (check.direction in ("above", "both") and off > distance) or (
                check.direction in ("below", "both") and off < -min(distance, 0.9 * center)
            )
            if broken:
                judged[number] = status
                break
    return judged


def wandering(seed: int, days: int) -> dict[int, float]:
    """Rows a day: a week's rhythm, noise, days far off, a lasting fault, days without a file."""
    draw = random.Random(seed)
    values = {}
    for number in range(days):
        value = 10_000 * (1.25 if number % 7 >= 5 else 1) * draw.gauss(1, 0.06)
        if draw.random() < 0.12:
            value *= draw.choice([0.1, 0.5, 0.7, 1.5, 3])
        if days * 0.6 < number < days * 0.6 + 5:
            value *= 0.4
        if draw.random() > 0.04:
            values[number] = float(round(max(value, 0)))
    return values


def test_every_kind_judges_as_a_reference_in_plain_python_does(judge: Judge) -> None:
    metrics = {
        "rows_raw": 1,
        "rows_clean": 2,
        "purchases": 3,
        "rows_rejected": 4,
        "purchases_clean": 5,
    }
    series = {metric: wandering(seed, 40) for metric, seed in metrics.items()}
    checks = [
        Check("z", "rows_raw", "zscore", "both", "2", "3", guard="0.2"),
        Check("robust", "rows_clean", "robust_zscore", "both", "3", "5", guard="0.1"),
        Check("drop", "purchases", "ratio_to_baseline", "below", "0.2", "0.4", guard="1"),
        Check("rise", "rows_rejected", "ratio_to_baseline", "above", "0.3", "1", min_history="5"),
        Check("change", "purchases_clean", "day_over_day", "both", "0.3", "0.6", min_history="1"),
    ]
    for metric, values in series.items():
        # A batch is there when its rows were counted.
        judge.measure(metric, values)
    judge.checks(*checks)
    assert judge.judge()
    found: set[str] = set()
    for check in checks:
        wanted = reference(series[check.metric], check)
        assert judge.statuses(check.check_name) == wanted, check.check_name
        found |= set(wanted.values())
    assert found == {"pass", "warn", "fail", "insufficient_history"}


def test_a_lasting_fault_does_not_become_normal_until_somebody_says_it_is(judge: Judge) -> None:
    judge.checks(Check("drop", kind="ratio_to_baseline", direction="below", fail_limit="0.4"))
    judge.measure("rows_raw", dict.fromkeys(range(7), 1000.0) | dict.fromkeys(range(7, 17), 400.0))
    judge.judge()
    assert [judge.statuses("drop")[number] for number in range(7, 17)] == ["fail"] * 10
    for number in range(7, 17):
        judge.gate.acknowledge(STREAM, day(number), "drop")
    judge.measure("rows_raw", {17: 400.0})
    judge.judge()
    assert judge.statuses("drop")[17] == "pass"


# --- checks that have nothing to do with one another, judged in one run ---------------------------

# Direction, limit, value and what it comes to, a day each.
AT_THE_LIMIT = [
    ("above", "0.01", 0.01, "pass"),
    ("above", "0.01", 0.0100001, "fail"),
    ("at_least", "0.01", 0.01, "fail"),
    ("at_least", "0.01", 0.0099999, "pass"),
    ("below", "5", 5, "pass"),
    ("below", "5", 4.99, "fail"),
    ("at_most", "0", 0, "fail"),
    ("at_most", "0", 0.01, "pass"),
]
HOSTILE = "a\\nCRITICAL all is lost\\r\\0<script>" + "x" * 500


def limit_check(direction: str, limit: str) -> str:
    return f"{direction}_{limit.replace('.', '_')}"


@pytest.fixture(scope="module")
def together(gate_folder: Path, emptied_folder: Path) -> Judge:
    with story(gate_folder, emptied_folder) as gate:
        judge = Judge(gate)
        judge.checks(
            Check("z", "users", "zscore", "both", fail_limit="3", guard="0"),
            Check("rate", "reject_rate", fail_limit="0.05", min_volume="100"),
            Check("drop", "revenue_clean", "ratio_to_baseline", "below", fail_limit="0.4",
                  min_volume="10"),
            *(
                Check(limit_check(*limit), "longest_gap_minutes", direction=limit[0],
                      fail_limit=limit[1])
                for limit in dict.fromkeys(case[:2] for case in AT_THE_LIMIT)
            ),
            Check("same", "rows_unaccounted", "equality", "", fail_limit="0"),
            Check("parts", "revenue_by_device", "ratio_to_baseline", "both", "0.5", dimension="*",
                  severity="WARN", min_volume="20"),
            Check("new", "columns_added", dimension="*", warn_limit="0", severity="WARN"),
        )  # fmt: skip
        measure = judge.measure
        measure("rows_raw", dict.fromkeys(range(8), 1000.0))
        measure("users", dict.fromkeys(range(6), 1000.0) | {6: 100_000.0})
        measure("reject_rate", {0: 0.5}, denominator=10, volume=10)
        measure("reject_rate", {1: 0.5}, denominator=100, volume=100)
        measure("revenue_clean", dict.fromkeys(range(5), 5000.0), volume=20)
        measure("revenue_clean", {5: 0.0}, volume=0)
        measure(
            "longest_gap_minutes", {number: case[2] for number, case in enumerate(AT_THE_LIMIT)}
        )
        measure("rows_unaccounted", {0: 0, 1: 1, 2: -1})
        by_device = "revenue_by_device"
        measure(by_device, dict.fromkeys(range(8), 0.6), dimension="mobile", volume=90)
        measure(by_device, dict.fromkeys(range(7), 0.4), dimension="desktop", volume=60)
        measure("columns_added", {0: 1}, dimension=HOSTILE)
        assert judge.judge()
        return judge


def test_a_batch_is_no_part_of_its_own_baseline(together: Judge) -> None:
    # Within seven values that include its own, no z-score exceeds 6 / sqrt(7) = 2.27.
    assert together.statuses("z")[6] == "fail"


def test_too_little_volume_is_a_status_of_its_own(together: Judge) -> None:
    rate = together.statuses("rate")
    assert (rate[0], rate[1]) == ("low_volume", "fail")


def test_a_drop_to_nothing_is_not_excused_by_its_own_lack_of_volume(together: Judge) -> None:
    assert together.statuses("drop")[5] == "fail"


def test_a_threshold_is_broken_from_its_limit_on(together: Judge) -> None:
    for number, (direction, limit, _, status) in enumerate(AT_THE_LIMIT):
        assert together.statuses(limit_check(direction, limit))[number] == status


def test_equality_allows_one_value(together: Judge) -> None:
    same = together.statuses("same")
    assert [same[number] for number in range(3)] == ["pass", "fail", "fail"]


def test_a_reason_that_vanishes_counts_as_nothing(together: Judge) -> None:
    assert together.statuses("parts", "mobile")[7] == "pass"
    assert together.statuses("parts", "desktop")[7] == "warn"


def test_hostile_text_stays_on_the_line_of_its_message(together: Judge) -> None:
    [message] = [
        result["message"]
        for (check, _, _), result in together.results.items()
        if check == "new" and result["observed"]
    ]
    assert message.startswith("new[a CRITICAL all is lost <script>xxx")
    assert len(message) < 300
    assert not set(message) & {"\n", "\r", "\0"}


# --- what a message says --------------------------------------------------------------------------


def test_a_message_says_what_how_much_against_what_since_when_and_what_it_costs(
    judge: Judge,
) -> None:
    judge.checks(
        Check("rate", "reject_rate", fail_limit="0.05", money="rejected", breakdown="reject_rows")
    )
    judge.measure("reject_rate", dict.fromkeys(range(3), 0.01), denominator=2400)
    for number in range(3):
        judge.measure(
            "reject_rows", {number: 0.01}, dimension="duplicate_event", denominator=2400, volume=24
        )
    judge.measure("revenue_rejected", {3: 1240.5})
    judge.measure("reject_rows", {3: 0.01}, dimension="duplicate_event", denominator=2400)
    judge.measure("reject_rows", {3: 0.09}, dimension="missing_client_id", denominator=2400)
    # 100 rows an hour, 15 of them rejected from nine o'clock on.
    judge.gate.query(
        "insert into int_web_events__event_metrics values "
        f"('{STREAM}', 'reject_rate', '', 240, 2400, 0.1, 2400, "
        "arrayMap(h -> if(h < 9, 1., 15.), range(24)), arrayMap(h -> 100., range(24)), '', "
        f"'{day(3)}')"
    )
    judge.touch([3])
    judge.judge()
    assert judge.results["rate", "", 3]["message"] == (
        "rate=0.1 (max 0.05, usually 0.01) since 09:00; revenue 1240.5 at stake; "
        "mostly missing_client_id (216, usually 0)"
    )


# --- the seed -------------------------------------------------------------------------------------


WRONG: list[tuple[dict[str, str], str]] = [
    ({"metric": "reject_rat"}, "unknown metric"),
    ({"kind": "treshold"}, 'kind "treshold"'),
    ({"severity": "MAJOR"}, 'severity "MAJOR"'),
    ({"stream": "shop"}, 'stream "shop"'),
    ({"tier": "4"}, 'tier "4"'),
    ({"is_blocking": "maybe"}, 'is_blocking "maybe"'),
    ({"direction": "up"}, 'direction "up"'),
    ({"kind": "equality"}, "leave it empty for equality"),
    ({"kind": "zscore", "direction": "at_least"}, "needs above, below or both"),
    ({"warn_limit": "0.2"}, "must not lie beyond"),
    ({"direction": "below", "warn_limit": "0.01"}, "must not lie beyond"),
    ({"fail_limit": "five"}, 'fail_limit "five"'),
    ({"fail_limit": "nan"}, 'fail_limit "nan"'),
    ({"fail_limit": ""}, "no limit"),
    ({"fail_limit": "", "warn_limit": "0.1"}, "CRITICAL and has no fail_limit"),
    ({"severity": "WARN"}, "is WARN and has a fail_limit"),
    (
        {"severity": "INFO", "fail_limit": "", "warn_limit": "1", "is_blocking": "true"},
        "only CRITICAL checks hold",
    ),
    ({"kind": "zscore", "fail_limit": "-1"}, "write a number above 0"),
    ({"kind": "zscore", "min_history": "1"}, "needs at least 2"),
    ({"kind": "zscore", "min_history": "8"}, "7 batches at the most"),
    ({"min_history": "2.5"}, 'min_history "2.5"'),
    ({"min_volume": "-1"}, 'min_volume "-1"'),
    ({"guard": "x"}, 'guard "x"'),
    ({"money": "all"}, 'money "all"'),
    ({"breakdown": "by_moon"}, 'unknown metric "by_moon"'),
    ({"owner": ""}, "has no owner"),
    ({"channel": "#data"}, 'channel "#data"'),
    ({"remediation": " "}, "has no remediation"),
    ({"check_name": "My check"}, "has no usable name"),
]


def test_each_bad_row_of_the_seed_is_told_with_what_to_write(judge: Judge) -> None:
    rows: list[dict[str, Any]] = [
        {"check_name": f"wrong_{number}", "fail_limit": "0.05", **wrong}
        for number, (wrong, _) in enumerate(WRONG)
    ]
    judge.checks(
        Check("fine", warn_limit="1", severity="WARN"),
        Check("twice", fail_limit="1"),
        Check("twice", fail_limit="2"),
        *(Check(**row) for row in rows),
    )
    problems = [row[0] for row in judge.gate.query(judge.gate.compile("{{ _check_problems() }}"))]
    for (_, said), row in zip(WRONG, rows, strict=True):
        [problem] = [told for told in problems if told.startswith(f"check {row['check_name']} ")]
        assert said in problem
        problems.remove(problem)
    assert [told.split(":")[0] for told in problems] == ["check twice is there twice"] * 2


def test_a_bad_row_of_the_seed_ends_the_build_with_what_to_write(judge: Judge) -> None:
    judge.measure("rows_raw", {0: 1})
    judge.checks(Check("rate", kind="zsore", fail_limit="1"), Check("no", tier="4", fail_limit="1"))
    assert not judge.gate.models("--select", "dq_check_results")
    error = " ".join(judge.gate.results["dq_check_results"].split())
    assert error.startswith("error: Compilation Error")
    assert 'seeds/dq_checks.csv: check no has the tier "4": write 1, 2 or 3.' in error
    assert "(and 1 more rows)" in error


# --- gate and acknowledgements --------------------------------------------------------------------


def blocking(name: str = "rate") -> Check:
    return Check(name, "reject_rate", fail_limit="0.05", is_blocking="true")


def test_only_a_failed_blocking_check_holds_and_only_its_own_batch(judge: Judge) -> None:
    judge.checks(blocking(), Check("loud", "duplicate_rate", fail_limit="0.01"))
    judge.measure("rows_raw", dict.fromkeys(range(3), 1000.0))
    judge.measure("reject_rate", {0: 0.01, 1: 0.2, 2: 0.01}, denominator=1000)
    judge.measure("duplicate_rate", {0: 0.01, 1: 0.01, 2: 0.5}, denominator=1000)
    judge.judge()
    assert judge.decisions() == {0: "publish", 1: "hold", 2: "publish"}
    assert judge.gate.query("select check_name, severity from dq_alerts order by check_name") == [
        ("loud", "CRITICAL"),
        ("rate", "CRITICAL"),
    ]


def test_a_held_batch_is_let_through_when_a_later_run_no_longer_fails(judge: Judge) -> None:
    judge.checks(blocking())
    judge.measure("rows_raw", {0: 1000.0})
    judge.measure("reject_rate", {0: 0.2}, denominator=1000)
    judge.judge()
    assert judge.decisions() == {0: "hold"}
    judge.gate.query(
        "alter table int_web_events__event_metrics delete where metric = 'reject_rate' "
        "settings mutations_sync = 1"
    )
    judge.measure("reject_rate", {0: 0.01}, denominator=1000)
    judge.judge()
    assert judge.decisions() == {0: "publish"}
    assert judge.incidents() == [("rate", "resolved", True)]


def test_a_release_holds_for_the_files_that_were_there_and_not_for_newer_ones(judge: Judge) -> None:
    def deliver() -> None:
        judge.gate.enter(
            "dq_files",
            stream=f"'{STREAM}'",
            file_name="'events.csv'",
            batch_date=f"toDate('{day(0)}')",
            status="'landed'",
            landed_at="now64(6)",
        )
        judge.measure("rows_raw", {0: 1000.0})

    judge.checks(blocking(), blocking("other"))
    judge.measure("reject_rate", {0: 0.2}, denominator=1000)
    deliver()
    judge.judge()
    for check, decision in (("other", "hold"), ("", "released")):
        judge.gate.acknowledge(STREAM, day(0), check)
        judge.touch([0])
        judge.judge()
        assert judge.decisions() == {0: decision}
    assert [status for _, status, _ in judge.incidents()] == ["resolved", "resolved"]
    deliver()
    judge.judge()
    assert judge.decisions() == {0: "hold"}


# --- incidents ------------------------------------------------------------------------------------


def test_a_lasting_problem_is_one_incident_that_opens_goes_on_and_is_resolved(judge: Judge) -> None:
    judge.checks(Check("rate", "reject_rate", warn_limit="0.05", severity="WARN"))
    told = []
    for number, value in enumerate([0.2, 0.3, 0.01, 0.01, 0.2]):
        judge.measure("reject_rate", {number: value}, denominator=1000)
        judge.judge()
        told.append([(status, changed) for _, status, changed in judge.incidents()])
    assert told == [
        [("opened", True)],
        [("ongoing", False)],
        [("resolved", True)],
        [("resolved", False)],
        [("resolved", False), ("opened", True)],
    ]
    assert judge.incidents("first_batch, last_batch, batches") == [
        (day(0), day(1), 2),
        (day(4), day(4), 1),
    ]


def test_too_few_rows_end_an_incident_within_the_limits_and_never_prolong_it(judge: Judge) -> None:
    judge.checks(Check("rate", "reject_rate", fail_limit="0.05", min_volume="100"))
    judge.measure("reject_rate", {0: 0.2, 2: 0.2}, denominator=1000)
    judge.measure("reject_rate", {1: 0.2, 3: 0.2}, denominator=10, volume=10)
    judge.measure("reject_rate", {4: 0.0}, denominator=0, volume=0)
    judge.judge()
    told = "status, first_batch, last_batch, batches"
    assert judge.incidents(told) == [("opened", day(0), day(2), 2)]
    judge.measure("reject_rate", {5: 0.0}, denominator=10, volume=10)
    judge.judge()
    assert judge.statuses("rate")[5] == "low_volume"
    assert judge.incidents(told) == [("resolved", day(0), day(2), 2)]


def test_an_incident_that_grows_worse_is_a_change(judge: Judge) -> None:
    judge.checks(Check("rate", "reject_rate", warn_limit="0.02", fail_limit="0.05"))
    judge.measure("reject_rate", {0: 0.03}, denominator=1000)
    judge.judge()
    assert judge.incidents("severity, status, is_changed") == [("WARN", "opened", True)]
    judge.measure("reject_rate", {1: 0.3}, denominator=1000)
    judge.judge()
    assert judge.incidents("severity, status, is_changed") == [("CRITICAL", "ongoing", True)]


def test_history_that_is_loaded_at_once_opens_what_is_still_wrong_and_tells_what_is_over(
    judge: Judge,
) -> None:
    judge.checks(Check("rate", "reject_rate", fail_limit="0.05"))
    judge.measure("reject_rate", {0: 0.2, 1: 0.0, 2: 0.0, 3: 0.2}, denominator=1000)
    judge.judge()
    assert judge.incidents("first_batch, status, is_changed") == [
        (day(0), "resolved", True),
        (day(3), "opened", True),
    ]


def test_an_incident_stays_open_as_long_as_its_batch_is_held(judge: Judge) -> None:
    judge.checks(blocking())
    judge.measure("rows_raw", {0: 1000.0, 1: 1000.0})
    judge.measure("reject_rate", {0: 0.2, 1: 0.0}, denominator=1000)
    judge.judge()
    assert judge.incidents("check_name, status, held_batches") == [("rate", "opened", [day(0)])]
