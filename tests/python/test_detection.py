"""The detection benchmark on a few weeks: its days, its faults, and what the checks say of them."""

from __future__ import annotations

import csv
import datetime
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import detection

from sluicegate.sample import SampleSpec, write_sample

Rows = list[dict[str, str]]

# Far from the day on which the tests run: nothing may depend on the clock.
LAST_DATE = datetime.date(2025, 6, 27)


def read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def purchases(rows: Rows) -> Rows:
    return [row for row in rows if row["event_name"] == "checkout_completed"]


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def revenue(row: dict[str, str]) -> float | None:
    value: float | None = json.loads(row["event_data"])["revenue"]
    return value


# The faults that need no more than a day of their own. The days are as many as the gate's weeks at
# the end of this file need; the tests before them look at the same files.

ALONE = [
    fault
    for fault in detection.FAULTS
    if fault.history == 1 and fault.batch == 0 and fault.name != "missing_file"
]
GOOD_DAYS = 28
LATE_AGE, CHANGED_AGE, MISSING_AGE = 6, 4, 0


# Good days.


@pytest.fixture(scope="module")
def spec() -> detection.YearSpec:
    return detection.YearSpec(LAST_DATE, GOOD_DAYS + 2 * len(ALONE) + 8, rows=8_000)


@pytest.fixture(scope="module")
def good(spec: detection.YearSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    detection.write_good_days(folder, spec)
    return folder


@pytest.fixture(scope="module")
def days(good: Path) -> list[Rows]:
    return [read(path) for path in sorted(good.iterdir())]


def test_the_days_end_with_the_last_one_and_have_about_the_wanted_rows(
    spec: detection.YearSpec, good: Path, days: list[Rows]
) -> None:
    names = sorted(path.name for path in good.iterdir())
    assert names[0] == f"events_{LAST_DATE - datetime.timedelta(days=spec.days - 1):%Y%m%d}.csv"
    assert names[-1] == "events_20250627.csv"
    assert len(names) == len(days) == spec.days
    assert statistics.mean(len(rows) for rows in days) == pytest.approx(8_000, rel=0.05)


def test_every_day_is_whole_and_its_payloads_are_json(days: list[Rows]) -> None:
    for rows in days:
        assert list(rows[0]) == list(detection.COLUMNS)
        assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
        assert len({row["timestamp"][:10] for row in rows}) == 1
        assert all(is_json(row["event_data"]) for row in rows if row["event_data"])
        assert all(json.loads(row["event_data"])["items"] for row in purchases(rows))


def test_purchases_vary_from_day_to_day_as_counted_things_do(days: list[Rows]) -> None:
    rates = [len(purchases(rows)) / len(rows) for rows in days]
    mean = statistics.mean(len(purchases(rows)) for rows in days)
    expected = (1 / mean + detection.CONVERSION_NOISE**2) ** 0.5
    # Of 70 days, a standard deviation is known to within a twelfth (one standard error).
    assert statistics.stdev(rates) / statistics.mean(rates) == pytest.approx(expected, rel=0.25)


def test_a_visitor_stays_whole(good: Path, spec: detection.YearSpec, tmp_path: Path) -> None:
    date = spec.last_date
    rows = round(spec.rows * spec.traffic(date) * detection.VISITORS_PER_VISITOR_KEPT)
    drawn = write_sample(tmp_path, SampleSpec(date, 1, rows, spec.seed))[0]
    before = Counter(row["client_id"] for row in read(drawn))
    after = Counter(row["client_id"] for row in read(good / drawn.name))
    del before[""], after[""]
    assert all(before[client] == count for client, count in after.items())
    assert len(after) / len(before) == pytest.approx(1 / 4, rel=0.1)


def test_the_same_spec_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> bytes:
        spec = detection.YearSpec(LAST_DATE, days=1, rows=500, seed=seed)
        return detection.write_good_days(tmp_path / name, spec)[0].read_bytes()

    first = written("first", 1)
    assert written("again", 1) == first
    assert written("other", 2) != first


def test_a_year_grows_and_has_a_quieter_week() -> None:
    year = detection.YearSpec(LAST_DATE)
    dates = year.dates()
    assert (dates[0], dates[-1]) == (datetime.date(2024, 6, 28), LAST_DATE)
    month = {at: [year.traffic(date) for date in dates[at : at + 30]] for at in (0, 335)}
    assert statistics.mean(month[335]) / statistics.mean(month[0]) == pytest.approx(1.36, rel=0.05)
    week = [year.traffic(date) for date in year.holidays()]
    start = dates.index(year.holidays()[0])
    around = [
        year.traffic(date) for date in dates[start - 7 : start] + dates[start + 7 : start + 14]
    ]
    assert statistics.mean(week) / statistics.mean(around) == pytest.approx(0.75, rel=0.08)


# Faults.


def arrived(
    name: str, spec: detection.YearSpec, good: Path, landing: Path
) -> tuple[Rows, Rows, Path]:
    """The good day, what the fault made of it, and its file."""
    fault = next(fault for fault in detection.FAULTS if fault.name == name)
    for deliver in fault.deliveries:
        deliver(detection.Delivery(spec, good, landing))
    date = spec.last_date - datetime.timedelta(days=fault.batch)
    path = landing / detection.file_name(date)
    return read(good / path.name), read(path), path


def test_half_the_rows(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, _ = arrived("half_the_rows", spec, good, tmp_path)
    assert len(after) == pytest.approx(len(before) / 2, abs=1)


def test_twice_the_rows_are_other_events(
    spec: detection.YearSpec, good: Path, tmp_path: Path
) -> None:
    before, after, _ = arrived("twice_the_rows", spec, good, tmp_path)
    assert len(after) == 2 * len(before)

    def repeated(rows: Rows) -> int:
        return len(rows) - len({tuple(row.values()) for row in rows})

    assert repeated(after) == 2 * repeated(before)
    orders = [json.loads(row["event_data"])["transaction_id"] for row in purchases(after)]
    assert len(set(orders)) == len(orders) == 2 * len(purchases(before))


def test_six_percent_empty_client_ids(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, _ = arrived("empty_client_ids", spec, good, tmp_path)
    share = sum(row["client_id"] == "" for row in after) / len(after)
    empty_before = sum(row["client_id"] == "" for row in before) / len(before)
    assert share == pytest.approx(0.06 + 0.94 * empty_before, abs=0.001)


def test_columns_renamed_and_dropped(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    _, after, path = arrived("renamed_mandatory_column", spec, good, tmp_path)
    assert next(iter(after[0])) == "visitor"
    assert "client_id" not in after[0]
    path.unlink()
    _, after, _ = arrived("dropped_referrer", spec, good, tmp_path)
    assert set(detection.COLUMNS) - set(after[0]) == {"referrer"}


def test_faults_of_the_money(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, path = arrived("revenue_times_100", spec, good, tmp_path)
    total = sum(revenue(row) or 0 for row in purchases(before))
    assert sum(revenue(row) or 0 for row in purchases(after)) == pytest.approx(100 * total)

    path.unlink()
    _, after, path = arrived("zero_revenue", spec, good, tmp_path)
    assert {revenue(row) for row in purchases(after)} == {0}

    path.unlink()
    _, after, path = arrived("revenue_null", spec, good, tmp_path)
    missing = [row for row in purchases(after) if revenue(row) is None]
    assert len(missing) == max(2, round(0.02 * len(purchases(before))))

    path.unlink()
    _, after, _ = arrived("no_transaction_ids", spec, good, tmp_path)
    assert {json.loads(row["event_data"])["transaction_id"] for row in purchases(after)} == {""}
    assert sum(revenue(row) or 0 for row in purchases(after)) == pytest.approx(total)


def test_faults_of_the_purchases(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, path = arrived("no_purchases", spec, good, tmp_path)
    assert not purchases(after)
    assert len(after) == len(before) - len(purchases(before))

    path.unlink()
    before, after, path = arrived("half_the_conversion", spec, good, tmp_path)
    assert len(purchases(after)) == pytest.approx(len(purchases(before)) / 2, abs=1)
    started = Counter(row["event_name"] for row in before)["checkout_started"]
    assert Counter(row["event_name"] for row in after)["checkout_started"] == started

    path.unlink()
    before, after, _ = arrived("no_mobile_purchases", spec, good, tmp_path)
    kept = {row["user_agent"] for row in purchases(after)}
    assert kept
    assert not any("iPhone" in agent or "Android" in agent for agent in kept)
    assert len(before) - len(after) == len(purchases(before)) - len(purchases(after))


def test_three_percent_duplicates(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, _ = arrived("duplicates", spec, good, tmp_path)
    more = Counter(tuple(row.values()) for row in after)
    more.subtract(tuple(row.values()) for row in before)
    assert sum(more.values()) == round(0.03 * len(before))
    assert min(more.values()) == 0


def test_broken_json_is_none(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, _ = arrived("broken_json", spec, good, tmp_path)
    payloads = [row["event_data"] for row in after if row["event_data"]]
    assert len(payloads) == sum(row["event_data"] != "" for row in before)
    broken = sum(not is_json(payload) for payload in payloads)
    assert broken == round(0.04 * len(payloads))


def test_five_percent_of_the_page_views_have_a_new_name(
    spec: detection.YearSpec, good: Path, tmp_path: Path
) -> None:
    before, after, _ = arrived("new_event_name", spec, good, tmp_path)
    was = Counter(row["event_name"] for row in before)
    now = Counter(row["event_name"] for row in after)
    assert now["video_played"] == round(0.05 * was["page_viewed"])
    assert now["video_played"] + now["page_viewed"] == was["page_viewed"]


def test_the_clock_is_five_hours_late(spec: detection.YearSpec, good: Path, tmp_path: Path) -> None:
    before, after, _ = arrived("shifted_clock", spec, good, tmp_path)

    def times(rows: Rows) -> list[datetime.datetime]:
        return sorted(datetime.datetime.fromisoformat(row["timestamp"]) for row in rows)

    shifts = {late - right for late, right in zip(times(after), times(before), strict=True)}
    assert shifts == {datetime.timedelta(hours=5)}


def test_nothing_says_where_the_visits_came_from(
    spec: detection.YearSpec, good: Path, tmp_path: Path
) -> None:
    _, after, _ = arrived("all_direct", spec, good, tmp_path)
    assert {urlsplit(row["referrer"]).hostname for row in after} == {None, "shop.example"}
    assert not any("utm_" in row["page_url"] for row in after)


def test_the_corrected_file_is_of_ten_days_before_and_another(
    spec: detection.YearSpec, good: Path, tmp_path: Path
) -> None:
    before, after, path = arrived("changed_file", spec, good, tmp_path)
    assert path.name == "events_20250617.csv"
    changed = sum(was != now for was, now in zip(before, after, strict=True))
    views = Counter(row["event_name"] for row in before)["page_viewed"]
    assert changed == round(0.1 * views)


def test_the_late_file_arrives_after_the_others(
    spec: detection.YearSpec, good: Path, tmp_path: Path
) -> None:
    before, after, path = arrived("late_file", spec, good, tmp_path)
    assert after == before
    others = [other for other in tmp_path.iterdir() if other != path]
    assert len(others) == 2
    assert all(other.stat().st_mtime < path.stat().st_mtime for other in others)


def test_no_fault_changes_a_good_day(good: Path, spec: detection.YearSpec, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in good.iterdir()}
    for number, fault in enumerate(detection.FAULTS):
        landing = tmp_path / str(number)
        landing.mkdir()
        for deliver in fault.deliveries:
            deliver(detection.Delivery(spec, good, landing))
    assert {path.name: path.read_bytes() for path in good.iterdir()} == before


# The gate on ten weeks, in two runs: four good weeks, then every second day with a fault of
# its own; in the last week a day does not come, which comes late in the second run, while another
# one comes anew; the last day does not come at all.


@dataclass(frozen=True)
class Weeks:
    """What the checks said of every day after the first run, and after the second."""

    spec: detection.YearSpec
    first: list[detection.Alert]
    second: list[detection.Alert]
    decisions: dict[datetime.date, str]

    def date(self, age: int) -> datetime.date:
        return self.spec.last_date - datetime.timedelta(days=age)

    def date_of(self, fault: detection.Fault) -> datetime.date:
        return self.spec.dates()[GOOD_DAYS + 2 * ALONE.index(fault)]


def said(alerts: list[detection.Alert], date: datetime.date) -> set[str]:
    return {a.check for a in alerts if a.batch_date == date and a.severity != "INFO"}


@pytest.fixture(scope="module")
def weeks(
    spec: detection.YearSpec, good: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Weeks]:
    bench = detection.Bench(spec, tmp_path_factory.mktemp("weeks"))
    bench.delivery = replace(bench.delivery, good=good)
    bench.delivery.landing.mkdir()
    all_weeks = Weeks(spec, [], [], {})
    faulty = {all_weeks.date_of(fault): fault for fault in ALONE}
    for age, date in enumerate(reversed(spec.dates())):
        if date in faulty:
            that_day = replace(bench.delivery, spec=replace(spec, last_date=date))
            faulty[date].deliveries[0](that_day)
        elif age not in (LATE_AGE, MISSING_AGE):
            bench.delivery.good_day(age)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        bench.run()
        first, decisions = bench.alerts(), bench.decisions()
        bench.delivery.changed_day(age=LATE_AGE)
        bench.delivery.changed_day({"page_url": "concat(page_url, '#corrected')"}, age=CHANGED_AGE)
        bench.run()
        yield replace(all_weeks, first=first, second=bench.alerts(), decisions=decisions)


@pytest.mark.parametrize("fault", ALONE, ids=lambda fault: fault.name)
def test_a_check_meant_for_the_fault_says_so_on_its_first_day(
    weeks: Weeks, fault: detection.Fault
) -> None:
    assert said(weeks.first, weeks.date_of(fault)) & set(fault.meant)


def test_a_file_that_does_not_come_is_missed(weeks: Weeks) -> None:
    assert "file_missing" in said(weeks.first, weeks.date(LATE_AGE))
    assert "file_missing" in said(weeks.first, weeks.date(MISSING_AGE))


def test_a_file_that_comes_late_is_late_and_no_longer_missing(weeks: Weeks) -> None:
    assert said(weeks.second, weeks.date(LATE_AGE)) == {"file_late"}


def test_a_file_that_comes_anew_is_named(weeks: Weeks) -> None:
    assert "file_changed" not in said(weeks.first, weeks.date(CHANGED_AGE))
    assert "file_changed" in said(weeks.second, weeks.date(CHANGED_AGE))


def test_good_days_raise_no_critical_alert_not_even_after_bad_ones(weeks: Weeks) -> None:
    bad = {weeks.date_of(fault) for fault in ALONE}
    bad |= {weeks.date(LATE_AGE), weeks.date(MISSING_AGE)}
    false = [a for a in weeks.first if a.batch_date not in bad]
    assert [a for a in false if a.severity == "CRITICAL"] == []
    months = (weeks.spec.days - len(bad)) / 30.4
    assert len([a for a in false if a.severity == "WARN"]) <= months


def test_faults_that_spoil_the_tables_are_held_and_good_days_are_not(weeks: Weeks) -> None:
    held = {date for date, decision in weeks.decisions.items() if decision == "hold"}
    spoilt = {"half_the_rows", "empty_client_ids", "renamed_mandatory_column", "no_purchases"}
    spoilt |= {"revenue_times_100", "zero_revenue", "no_transaction_ids", "shifted_clock"}
    # Five rejects in a hundred page views, and the usual ones: just above the limit of 5 %.
    spoilt |= {"new_event_name"}
    assert held == {weeks.date_of(fault) for fault in ALONE if fault.name in spoilt}
