"""The generic tests that compare with earlier batches, or with the clock, fire and stay quiet.

What they are to find is reckoned here with the module statistics, or by hand. A score is pinned by
two instances of a test: one whose limit lies just above it, and one whose limit lies just below.
"""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import pytest
import yaml
from dbt.artifacts.schemas.results import NodeStatus
from test_generic_tests import SETTINGS, Outcome, Project

MACROS = Path(__file__).resolve().parents[2] / "macros"
USED_MACROS = (
    "checks/baseline.sql",
    "checks/judged_at.sql",
    "checks/judged_series.sql",
    "monitoring/as_of.sql",
)

# Those of the project; written here too, since what is expected is reckoned with them.
BASELINE_BATCHES = 7
MIN_RELATIVE_SPREAD = 0.05
VARIABLES = {
    "baseline_batches": BASELINE_BATCHES,
    "weekday_baseline_min": 4,
    "baseline_days": 63,
    "min_relative_spread": MIN_RELATIVE_SPREAD,
    "future_tolerance_seconds": 300,
}

FIRST_DAY = datetime.date(2025, 3, 3)  # a Monday
AS_OF = "2025-03-08T12:00:00Z"


def day(number: int) -> datetime.date:
    """The day that many days after the first one."""
    return FIRST_DAY + datetime.timedelta(days=number)


def amounts(values: dict[int, float | None] | list[Any]) -> str:
    """SQL: one row a batch, with its amount; the days in no order."""
    numbered = values if isinstance(values, dict) else dict(enumerate(values))
    rows = sorted(numbered.items(), key=lambda item: item[0] * 7 % 11)
    texts = [f"('{day(n)}', {'null' if value is None else value})" for n, value in rows]
    structure = "batch_date Date, amount Nullable(Float64)"
    return f"select batch_date, amount from values('{structure}', {', '.join(texts)})"


def counts(values: dict[int, int] | list[int]) -> str:
    """SQL: as many rows a batch as the values say; no rows at all for 0."""
    numbered = values if isinstance(values, dict) else dict(enumerate(values))
    batches = amounts(dict(numbered))
    return (
        "select batch_date, amount, event_number "
        f"from ({batches}) array join range(toUInt64(assumeNotNull(amount))) as event_number"
    )


@dataclass(frozen=True)
class Case:
    """An instance of a generic test, the SQL of its model, and what it is to find."""

    name: str
    sql: str
    test: str
    arguments: dict[str, Any]
    message: str = ""
    failures: int = 0
    config: dict[str, Any] = field(default_factory=dict)


CASES: list[Case] = []


def quiet(name: str, sql: str, test: str, config: dict[str, Any] | None = None, **a: Any) -> None:
    """Expect the test to pass."""
    CASES.append(Case(f"good_{name}", sql, test, a, config=config or {}))


def fires(
    name: str,
    sql: str,
    test: str,
    message: str,
    failures: int = 1,
    config: dict[str, Any] | None = None,
    **a: Any,
) -> None:
    """Expect the test to fail so many times, with a message that one of its messages has."""
    CASES.append(Case(f"bad_{name}", sql, test, a, message, failures, config or {}))


def pinned(name: str, sql: str, kind: str, score: float, **a: Any) -> None:
    """Expect within_baseline to see this score: quiet with a limit above it, not with one below."""
    arguments: dict[str, Any] = {"measure": "sum(amount)", "kind": kind, **a}
    limit = abs(score)
    quiet(f"{name}_just_allowed", sql, "within_baseline", max_deviation=limit + 1e-6, **arguments)
    message = f"{kind}={round(score, 6):.12g} (max {limit - 1e-6}): "
    fires(
        f"{name}_just_beyond",
        sql,
        "within_baseline",
        message,
        max_deviation=limit - 1e-6,
        **arguments,
    )


# --- within_baseline: each kind, against the module statistics --------------------------------

# Five weeks: weekends are a tenth of the other days. The last day is a Sunday.
WEEKS = [1000 + 37 * (n * n % 13) if n % 7 < 5 else 100 + 13 * (n * n % 11) for n in range(35)]
SUNDAYS = [WEEKS[n] for n in (6, 13, 20, 27)]
WEEK_BEFORE = WEEKS[27:34]
LAST = WEEKS[34]
ANY_DAY: dict[str, Any] = {"same_weekday": False}

pinned("ratio_to_the_same_weekday", amounts(WEEKS), "ratio_to_baseline", LAST / mean(SUNDAYS) - 1)
pinned(
    "ratio_to_the_week_before",
    amounts(WEEKS),
    "ratio_to_baseline",
    LAST / mean(WEEK_BEFORE) - 1,
    **ANY_DAY,
)
assert stdev(WEEK_BEFORE) > MIN_RELATIVE_SPREAD * mean(WEEK_BEFORE)
pinned(
    "zscore",
    amounts(WEEKS),
    "zscore",
    (LAST - mean(WEEK_BEFORE)) / stdev(WEEK_BEFORE),
    **ANY_DAY,
)
assert stdev(SUNDAYS) > MIN_RELATIVE_SPREAD * mean(SUNDAYS)
pinned(
    "zscore_among_the_same_weekday",
    amounts(WEEKS),
    "zscore",
    (LAST - mean(SUNDAYS)) / stdev(SUNDAYS),
)


def robust_score(value: float, baseline: list[float]) -> float:
    deviations = [abs(past - median(baseline)) for past in baseline]
    spread = max(1.4826 * median(deviations), MIN_RELATIVE_SPREAD * median(baseline))
    return (value - median(baseline)) / spread


ONE_WILD_DAY = [100, 130, 9000, 90, 120, 70]
pinned(
    "robust_zscore_of_seven",
    amounts(WEEKS),
    "robust_zscore",
    robust_score(LAST, [float(value) for value in WEEK_BEFORE]),
    **ANY_DAY,
)
pinned(
    "robust_zscore_of_six_with_a_wild_one",
    amounts([*ONE_WILD_DAY, 260]),
    "robust_zscore",
    robust_score(260, [float(value) for value in ONE_WILD_DAY]),
)
# The wild day hides the fault from mean and standard deviation.
quiet(
    "zscore_that_a_wild_day_blinds",
    amounts([*ONE_WILD_DAY, 260]),
    "within_baseline",
    measure="sum(amount)",
    kind="zscore",
    max_deviation=1,
)
pinned("day_over_day", amounts([500, 400, 300, 200, 150]), "day_over_day", 150 / 200 - 1)
pinned("ratio_of_negative_values", amounts([-80, -100, -120, -130]), "ratio_to_baseline", -0.3)

# --- within_baseline: what a baseline is made of ----------------------------------------------

STEADY = [98, 102, 100, 99, 101, 103, 97]

# A z-score over eight values that include its own cannot exceed (8 - 1) / sqrt(8).
INCLUSIVE = [*STEADY, 1_000_000]
assert (INCLUSIVE[-1] - mean(INCLUSIVE)) / stdev(INCLUSIVE) < 2.5
fires(
    "zscore_that_its_own_value_would_hide",
    amounts(INCLUSIVE),
    "within_baseline",
    "zscore=199980 (max 3): sum(amount)=1000000, expected 100 (85 to 115 allowed), "
    "baseline_batches=7, for batch_date=2025-03-10",
    measure="sum(amount)",
    kind="zscore",
    max_deviation=3,
)
quiet(
    "ratio_whatever_was_before_the_seven",
    amounts([90000, 80000, *STEADY, 100]),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0,
)
# Three Mondays are too few for a baseline of Mondays, which would be 900.
THREE_MONDAYS = {0: 900, 7: 900, 14: 900} | dict(enumerate(STEADY[:6], 15))
quiet(
    "ratio_with_too_few_of_the_weekday",
    amounts({**THREE_MONDAYS, 21: mean([900, *STEADY[:6]])}),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0,
)
FAULT_TWO_DAYS_AGO = [100, 100, 100, 100, 10, 100, 100]
fires(
    "batches_each_judged_by_what_came_before",
    amounts(FAULT_TWO_DAYS_AGO),
    "within_baseline",
    "ratio_to_baseline=-0.9 (max 0.5): sum(amount)=10, expected 100 (50 to 150 allowed), "
    "baseline_batches=4, for batch_date=2025-03-07",
    measure="sum(amount)",
    max_deviation=0.5,
    batches=3,
)
quiet(
    "batches_only_the_newest",
    amounts(FAULT_TWO_DAYS_AGO),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0.5,
    batches=2,
)
fires(
    "batches_all_of_them",
    amounts([*STEADY[:3], 100, 300, 100]),
    "within_baseline",
    "insufficient_history: earlier batches with a value=2 (min 3): sum(amount)=100",
    failures=4,
    measure="sum(amount)",
    max_deviation=0.5,
    batches=100,
)

# --- within_baseline: history that is missing --------------------------------------------------

fires(
    "history_of_two",
    amounts([100, 100, 100]),
    "within_baseline",
    "insufficient_history: earlier batches with a value=2 (min 3): sum(amount)=100, for "
    "batch_date=2025-03-05",
    measure="sum(amount)",
    max_deviation=9,
)
quiet(
    "history_of_two_let_through",
    amounts([100, 100, 1000]),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0.1,
    on_insufficient_history="pass",
)
fires(
    "history_of_three_is_not_let_through",
    amounts([100, 100, 100, 1000]),
    "within_baseline",
    "ratio_to_baseline=9 (max 0.1)",
    measure="sum(amount)",
    max_deviation=0.1,
    on_insufficient_history="pass",
)
pinned("history_of_two_that_is_enough", amounts([90, 110, 130]), "zscore", 30 / stdev([90, 110]),
       min_history=2)  # fmt: skip
pinned("history_of_one", amounts([100, 80]), "zscore", -20 / 5, min_history=1)
fires(
    "history_with_values_missing",
    amounts([100, None, 100, None, 100]),
    "within_baseline",
    "earlier batches with a value=2 (min 3)",
    measure="avg(amount)",
    max_deviation=1,
)
pinned(
    "history_around_missing_values",
    amounts([100, None, 110, None, 120, 55]),
    "ratio_to_baseline",
    -0.5,
    measure="avg(amount)",
)
fires(
    "history_of_another_year",
    amounts({0: 100, 1: 100, 2: 100, 66: 100}),
    "within_baseline",
    "earlier batches with a value=0 (min 3)",
    measure="sum(amount)",
    max_deviation=1,
)
quiet(
    "history_of_another_year_where_any_day_is_right",
    amounts({0: 100, 1: 100, 2: 100, 66: 100}),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0,
    **ANY_DAY,
)

# --- within_baseline: values that are none, and baselines without a spread ---------------------

for kind_of_nothing, measure in {
    "null": "if(max(amount) = 7, null, sum(amount))",
    "not_a_number": "if(max(amount) = 7, nan, sum(amount))",
    "infinite": "sum(amount) / (max(amount) != 7)",
}.items():
    fires(
        f"value_{kind_of_nothing}",
        amounts([100, 100, 100, 100, 7]),
        "within_baseline",
        "no value: if(max(amount) = 7"
        if kind_of_nothing != "infinite"
        else "no value: sum(amount)",
        measure=measure,
        max_deviation=100,
        on_insufficient_history="pass",
    )
fires(
    "value_null_without_history",
    amounts([None]),
    "within_baseline",
    "no value: avg(amount)=NULL or NaN, for batch_date=2025-03-03",
    measure="avg(amount)",
    max_deviation=100,
    on_insufficient_history="pass",
)
quiet(
    "constant_as_ever",
    amounts([0.1] * 8),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0,
    kind="zscore",
)
pinned("constant_and_then_not", amounts([*[100] * 7, 80]), "zscore", -20 / (0.05 * 100))
pinned("constant_median_and_then_not", amounts([*[100] * 7, 80]), "robust_zscore", -4)
quiet(
    "zero_as_ever",
    amounts([0] * 8),
    "within_baseline",
    measure="sum(amount)",
    max_deviation=0,
)
for kind in ("ratio_to_baseline", "zscore", "robust_zscore", "day_over_day"):
    fires(
        f"zero_and_then_not_{kind}",
        amounts([*[0] * 7, 0.001]),
        "within_baseline",
        f"{kind}=inf (max 1000): sum(amount)=0.001, expected 0 (0 to 0 allowed)",
        measure="sum(amount)",
        kind=kind,
        max_deviation=1000,
    )
# A share of 400 rows that was always 0: one row is one 400th, and so is the least p there is. The
# spread is sqrt(p (1 - p) / 400) = 0.0024969, so that 3 rows are 3.0038 of them.
SHARE: dict[str, Any] = {"denominator": "count()", "kind": "zscore", "max_deviation": 3}
quiet(
    "zero_share_and_then_chance",
    counts([400] * 8),
    "within_baseline",
    measure=f"countIf(event_number < 2 and batch_date = '{day(7)}') / count()",
    **SHARE,
)
fires(
    "zero_share_and_then_more_than_chance",
    counts([400] * 8),
    "within_baseline",
    "zscore=3.003757 (max 3): ",
    measure=f"countIf(event_number < 3 and batch_date = '{day(7)}') / count()",
    **SHARE,
)

# --- within_baseline: direction and guard -------------------------------------------------------

for direction, quiet_value, bad_value, text in (
    ("above", 1, 141, "sum(amount)=141, expected 100 (up to 140 allowed)"),
    ("below", 999, 59, "sum(amount)=59, expected 100 (from 60 allowed)"),
    ("both", 140, 59, "sum(amount)=59, expected 100 (60 to 140 allowed)"),
    ("both", 60, 141, "sum(amount)=141, expected 100 (60 to 140 allowed)"),
):
    directed: dict[str, Any] = {
        "measure": "sum(amount)",
        "max_deviation": 0.4,
        "direction": direction,
    }
    quiet(
        f"direction_{direction}_of_{quiet_value}",
        amounts([*STEADY, quiet_value]),
        "within_baseline",
        **directed,
    )
    fires(
        f"direction_{direction}_of_{bad_value}",
        amounts([*STEADY, bad_value]),
        "within_baseline",
        text,
        **directed,
    )

# 100 on average with a spread of 5 %: 120 is a z-score of 4 and 20 % more.
for kind, limit, guard_above, guard_below in (
    ("zscore", 3, 0.21, 0.19),
    ("ratio_to_baseline", 0.1, 4.1, 3.9),
):
    guarded: dict[str, Any] = {"measure": "sum(amount)", "kind": kind, "max_deviation": limit}
    quiet(
        f"guard_not_reached_{kind}",
        amounts([*STEADY, 120]),
        "within_baseline",
        guard=guard_above,
        **guarded,
    )
    fires(
        f"guard_reached_{kind}",
        amounts([*STEADY, 120]),
        "within_baseline",
        f"(max {limit}, guard {guard_below})",
        guard=guard_below,
        **guarded,
    )

# --- within_baseline: relations, batches and measures of all kinds -------------------------------

NO_ROWS = f"select * from ({amounts([1])}) where false"
fires(
    "relation_without_rows",
    NO_ROWS,
    "within_baseline",
    "no rows, so no batch to judge",
    measure="sum(amount)",
    max_deviation=1,
    on_insufficient_history="pass",
)
quiet(
    "relation_without_rows_where_that_is_right",
    NO_ROWS,
    "within_baseline",
    measure="sum(amount)",
    max_deviation=1,
    allow_empty=True,
)
fires(
    "relation_without_rows_left_by_where",
    amounts(STEADY),
    "within_baseline",
    "no rows, so no batch to judge",
    config={"where": "amount > 1000"},
    measure="sum(amount)",
    max_deviation=1,
)
fires(
    "batch_null",
    f"{amounts([100] * 8)} union all select null, 100 from numbers(3)",
    "within_baseline",
    "no batch: batch_date is NULL in rows=3",
    measure="sum(amount)",
    max_deviation=1,
)
NUMBERED = "select number as batch_number, if(number = 9, 1, 100) as amount from numbers(10)"
BY_NUMBER: dict[str, Any] = {
    "measure": "sum(amount)",
    "max_deviation": 0.5,
    "batch_column": "batch_number",
    "same_weekday": False,
}
quiet(
    "batch_number",
    NUMBERED,
    "within_baseline",
    config={"where": "batch_number < 9"},
    **BY_NUMBER,
)
fires(
    "batch_number",
    NUMBERED,
    "within_baseline",
    "ratio_to_baseline=-0.99 (max 0.5): sum(amount)=1, expected 100 (50 to 150 allowed), "
    "baseline_batches=7, for batch_number=9",
    config={"store_failures": True, "limit": 5},
    **BY_NUMBER,
)
TIMES_OF_DAY = f"""
    select toDateTime(batch_date, 'UTC') + 3600 * number as event_at, amount
    from ({amounts([*STEADY, 10])}) as days cross join numbers(2) as hours
"""
fires(
    "batch_from_a_time",
    TIMES_OF_DAY,
    "within_baseline",
    "sum(amount)=20, expected 200 (100 to 300 allowed), baseline_batches=7, for "
    "toDate(event_at)=2025-03-10",
    measure="sum(amount)",
    max_deviation=0.5,
    batch_column="toDate(event_at)",
)
MONEY = f"""
    select
        batch_date as batch,
        toDecimal128(assumeNotNull(amount), 4) as observed,
        'it\\'s' as expected,
        1 as batch_date_of_no_use
    from ({amounts([*STEADY, 10])})
"""
fires(
    "measure_of_columns_named_like_results",
    MONEY,
    "within_baseline",
    "sumIf(observed, expected = 'it\\'s')=10, expected 100 (50 to 150 allowed)",
    measure="sumIf(observed, expected = 'it\\'s')",
    max_deviation=0.5,
    batch_column="batch",
)

# --- volume_zscore_below --------------------------------------------------------------------------

# 100 rows a day: the spread of counting, 10, is more than 5 % and than the standard deviation, 0.
for allowed_rows in (70, 130):
    quiet(f"volume_of_{allowed_rows}", counts([*[100] * 7, allowed_rows]), "volume_zscore_below")
for odd_rows, score in ((69, -3.1), (131, 3.1)):
    fires(
        f"volume_of_{odd_rows}",
        counts([*[100] * 7, odd_rows]),
        "volume_zscore_below",
        f"zscore={score} (max 3): count()={odd_rows}, expected 100 (70 to 130 allowed), "
        "baseline_batches=7, for batch_date=2025-03-10",
    )
# Many rows: 5 % are more than the noise of counting, sqrt(10000) = 100.
quiet("volume_large", counts([*[10_000] * 7, 8_500]), "volume_zscore_below")
fires(
    "volume_large", counts([*[10_000] * 7, 8_499]), "volume_zscore_below", "zscore=-3.002 (max 3)"
)
# Varying more than counting: 300 on average, standard deviation 216.
VARYING = [100, 500, 200, 600, 100, 500, 100]
VOLUME_SCORE = (1100 - mean(VARYING)) / stdev(VARYING)
quiet(
    "volume_varying",
    counts([*VARYING, 1100]),
    "volume_zscore_below",
    max_zscore=VOLUME_SCORE + 1e-6,
)
fires(
    "volume_varying",
    counts([*VARYING, 1100]),
    "volume_zscore_below",
    f"zscore={round(VOLUME_SCORE, 6):.12g} (max",
    max_zscore=VOLUME_SCORE - 1e-6,
)
WEEKENDS = [1000 if n % 7 < 5 else 100 for n in range(35)]
quiet("volume_of_a_weekend", counts(WEEKENDS), "volume_zscore_below")
fires(
    "volume_of_a_weekday_on_a_sunday",
    counts([*WEEKENDS[:-1], 1000]),
    "volume_zscore_below",
    ", baseline_batches=4 of the same weekday, for",
)
quiet(
    "volume_of_a_weekday_on_a_sunday_of_any_day",
    counts([*WEEKENDS[:-1], 1000]),
    "volume_zscore_below",
    same_weekday=False,
)
quiet("volume_guarded", counts([*[100] * 7, 65]), "volume_zscore_below", guard=0.4)

# The sixth day has no rows at all.
A_DAY_WITHOUT_ROWS = [100, 100, 100, 100, 100, 0, 100]
fires(
    "volume_of_a_day_without_rows",
    counts(A_DAY_WITHOUT_ROWS),
    "volume_zscore_below",
    "zscore=-10 (max 3): count()=0, expected 100 (70 to 130 allowed), baseline_batches=5, "
    "for batch_date=2025-03-08",
    cadence="daily",
    batches=2,
)
quiet(
    "volume_of_a_day_without_rows_that_nobody_expects",
    counts(A_DAY_WITHOUT_ROWS),
    "volume_zscore_below",
    batches=2,
)
# Every other day is empty: 100 is usual where empty days are unknown, 50 where they count.
EVERY_OTHER_DAY = [100, 0, 100, 0, 100, 0, 100, 0, 100]
quiet("volume_without_empty_days", counts(EVERY_OTHER_DAY), "volume_zscore_below", max_zscore=0.1)
WITH_EMPTY_DAYS = EVERY_OTHER_DAY[1:8]
fires(
    "volume_with_empty_days",
    counts(EVERY_OTHER_DAY),
    "volume_zscore_below",
    f"zscore={round((100 - mean(WITH_EMPTY_DAYS)) / stdev(WITH_EMPTY_DAYS), 6):.12g} (max 0.1)",
    max_zscore=0.1,
    cadence="daily",
)
quiet(
    "volume_of_times_each_day",
    "select toDateTime('2025-03-03 00:00:00', 'UTC') + number * 3600 as at from numbers(240)",
    "volume_zscore_below",
    batch_column="at",
    cadence="daily",
)
fires(
    "volume_without_history",
    counts([100, 100, 100]),
    "volume_zscore_below",
    "insufficient_history: earlier batches with a value=2 (min 3): count()=100",
)
quiet(
    "volume_without_history_let_through",
    counts([100, 100, 100]),
    "volume_zscore_below",
    on_insufficient_history="pass",
)
fires("volume_of_nothing", NO_ROWS, "volume_zscore_below", "no rows, so no batch to judge")
fires(
    "volume_of_nothing_each_day",
    NO_ROWS,
    "volume_zscore_below",
    "no rows, so no batch to judge",
    cadence="daily",
    on_insufficient_history="pass",
)

# --- fresh_within ---------------------------------------------------------------------------------


def at(*values: str, kind: str = "DateTime('UTC')") -> str:
    """SQL: one row a time, of the given type."""
    texts = ", ".join("null" if value == "null" else f"'{value}'" for value in values)
    return f"select arrayJoin([{texts}])::{kind} as happened_at"


def fresh(name: str, sql: str, max_age_hours: float, **a: Any) -> None:
    arguments = {"column_name": "happened_at", "as_of": AS_OF, **a}
    quiet(name, sql, "fresh_within", max_age_hours=max_age_hours, **arguments)


def stale(name: str, sql: str, max_age_hours: float, message: str, **a: Any) -> None:
    arguments = {"column_name": "happened_at", "as_of": AS_OF, **a}
    fires(name, sql, "fresh_within", message, max_age_hours=max_age_hours, **arguments)


ONE_DAY_OLD = at("2025-03-01 00:00:00", "2025-03-07 12:00:00", "2025-03-06 00:00:00")
fresh("age_of_a_day", ONE_DAY_OLD, 24)
stale(
    "age_of_a_day",
    ONE_DAY_OLD,
    23.9,
    "age_hours=24 (max 23.9): happened_at is known until 2025-03-07 12:00:00.000000, as of "
    "2025-03-08 12:00:00.000000 UTC",
)
for kind_of_time in ("DateTime64(3, 'UTC')", "Nullable(DateTime('UTC'))", "DateTime('Asia/Tokyo')"):
    # Noon in Tokyo is 3 in the morning in UTC: nine hours older.
    hours = 33 if "Tokyo" in kind_of_time else 24
    name = "".join(letter if letter.isalnum() else "_" for letter in kind_of_time.lower())
    fresh(f"age_of_{name}", at("2025-03-07 12:00:00", kind=kind_of_time), hours)
    stale(
        f"age_of_{name}",
        at("2025-03-07 12:00:00", kind=kind_of_time),
        hours - 0.01,
        f"age_hours={hours} (max",
    )
for kind_of_date in ("Date", "Date32", "Nullable(Date)", "LowCardinality(Nullable(Date))"):
    # The 6th ends 36 hours before noon of the 8th.
    name = "".join(letter if letter.isalnum() else "_" for letter in kind_of_date.lower())
    sql = (
        at("2025-03-06", kind=kind_of_date) + " settings allow_suspicious_low_cardinality_types = 1"
    )
    fresh(f"age_from_the_end_of_a_day_{name}", sql, 36)
    stale(f"age_from_the_end_of_a_day_{name}", sql, 35.9, "age_hours=36 (max 35.9)")
fresh("age_today", at("2025-03-08", kind="Date"), 0.1)
stale(
    "future_day",
    at("2025-03-08", "2025-03-09", kind="Date"),
    48,
    "future_rows=1 (max 0, from 300 s on) up to 2025-03-09 00:00:00.000000: happened_at is known "
    "until 2025-03-09 00:00:00.000000, as of",
)
fresh("future_within_the_tolerance", at("2025-03-08 12:05:00"), 1)
stale(
    "future_beyond_the_tolerance", at("2025-03-08 12:05:01"), 1, "no time up to then, future_rows=1"
)
fresh("future_within_an_own_tolerance", at("2025-03-08 13:00:00"), 1, future_tolerance_seconds=3600)
stale(
    "future_that_would_hide_the_age",
    at("2025-03-01 12:00:00", "2030-01-01 00:00:00", "2030-01-02 00:00:00"),
    24,
    "age_hours=168 (max 24), future_rows=2 (max 0, from 300 s on) up to 2030-01-02 00:00:00.000000",
)
fresh("age_in_spite_of_rows_without_time", at("null", "2025-03-08 11:00:00",
      kind="Nullable(DateTime('UTC'))"), 1)  # fmt: skip
stale(
    "age_without_a_time",
    at("null", kind="Nullable(DateTime('UTC'))"),
    100_000,
    "no time up to then: happened_at is known until NULL",
)
stale(
    "age_of_nothing", f"select * from ({ONE_DAY_OLD}) where false", 100_000, "no rows, so nothing"
)
fresh(
    "age_of_nothing_where_that_is_right",
    f"select * from ({ONE_DAY_OLD}) where false",
    1,
    allow_empty=True,
)
SHOPS = """
    select happened_at, shop from values(
        'happened_at Nullable(DateTime(\\'UTC\\')), shop Nullable(String)',
        ('2025-03-08 11:00:00', 'north'), ('2025-03-01 00:00:00', 'north'),
        ('2025-03-08 10:00:00', 'south'), ('2025-03-08 09:00:00', null)
    )
"""
fresh("age_per_shop", SHOPS, 3, per="shop")
fresh("age_of_all_shops", SHOPS, 1)
stale("age_per_shop", SHOPS, 2.5, "age_hours=3 (max 2.5)", per="shop")
stale(
    "age_per_shop_that_others_would_hide",
    f"select * replace (if(shop = 'south', null, happened_at) as happened_at) from ({SHOPS})",
    3,
    "no time up to then: happened_at is known until NULL, as of 2025-03-08 12:00:00.000000 UTC, "
    "for shop=south",
    per="shop",
)
stale(
    "age_per_shop_of_nothing",
    f"select * from ({SHOPS}) where false",
    3,
    "no rows, so nothing",
    per="shop",
)
RENAMED = f"select happened_at as ends_at, happened_at as begins_at from ({ONE_DAY_OLD})"
fresh("age_of_a_column_named_like_a_step", RENAMED, 24, column_name="ends_at")
stale("age_of_a_column_named_like_a_step", RENAMED, 23, "age_hours=24", column_name="ends_at")
for as_of, age in (
    ("2025-03-08", 12.0),
    (datetime.date(2025, 3, 8), 12.0),
    ("2025-03-08 12:00", 24.0),
    ("2025-03-08T12:00:36", 24.01),
):
    name = f"{type(as_of).__name__}_{str(as_of).translate(str.maketrans('-: ', '___'))}"
    fresh(f"as_of_{name}", ONE_DAY_OLD, age, as_of=as_of)
    stale(f"as_of_{name}", ONE_DAY_OLD, age - 1e-4, f"age_hours={age:g} (max", as_of=as_of)
fresh("as_of_the_clock", "select now() - 3600 as happened_at", 1.5, as_of=None)
stale("as_of_the_clock", "select now() - 3600 as happened_at", 0.9, "age_hours=1", as_of=None)

# --- arguments ------------------------------------------------------------------------------------

WITHIN = "test_within_baseline('m', 'count()'"
# A call with a wrong argument, and what the error says to write.
WRONG_ARGUMENTS = {
    "test_within_baseline('m')": "measure: sum(revenue)",
    "test_within_baseline('m', ['a'], 1)": "measure: sum(revenue)",
    f"{WITHIN})": "max_deviation: 0.4 for forty percent",
    f"{WITHIN}, '40%')": "max_deviation: 0.4 for forty percent",
    f"{WITHIN}, true)": "max_deviation: 0.4 for forty percent",
    f"{WITHIN}, -1, kind='zscore')": "max_deviation: 3 for a z-score of three",
    f"{WITHIN}, 1e6)": "max_deviation: 0.4 for forty percent",
    f"{WITHIN}, 1, kind='mean')": "kind: ratio_to_baseline, zscore, robust_zscore or day_over_day",
    f"{WITHIN}, 1, direction='up')": "direction: above, below or both",
    f"{WITHIN}, 1, denominator=5)": "denominator: count()",
    f"{WITHIN}, 1, batch_column=['a'])": "batch_column: batch_date",
    f"{WITHIN}, 1, guard=-1)": "guard: 0.1 for z-scores that matter from ten percent on",
    f"{WITHIN}, 1, guard='1')": "guard: 0 for none",
    f"{WITHIN}, 1, batches=0)": "batches: 1",
    f"{WITHIN}, 1, batches=1.5)": "batches: 1",
    f"{WITHIN}, 1, min_history=0)": "a number of batches from 1 to 7",
    f"{WITHIN}, 1, min_history=8)": "a number of batches from 1 to 7",
    f"{WITHIN}, 1, on_insufficient_history='warn')": "on_insufficient_history: pass",
    f"{WITHIN}, 1, same_weekday='no')": "same_weekday: true or same_weekday: false",
    f"{WITHIN}, 1, allow_empty=0)": "allow_empty: true or allow_empty: false",
    "test_volume_zscore_below('m', 0)": "max_zscore: 3",
    "test_volume_zscore_below('m', '3')": "max_zscore: 3",
    "test_volume_zscore_below('m', cadence='hourly')": "cadence: daily, or leave it out",
    "test_volume_zscore_below('m', guard=none)": "guard: 0 for none",
    "test_volume_zscore_below('m', min_history=2.5)": "a number of batches from 1 to 7",
    "test_fresh_within('m')": "put the test under a column",
    "test_fresh_within('m', 'c')": "max_age_hours: 36",
    "test_fresh_within('m', 'c', 0)": "max_age_hours: 36",
    "test_fresh_within('m', 'c', '36h')": "max_age_hours: 36",
    "test_fresh_within('m', 'c', 1, as_of='yesterday')": "as_of: '2025-03-08T12:00:00Z'",
    "test_fresh_within('m', 'c', 1, as_of='2025-02-29')": "as_of: '2025-03-08T12:00:00Z'",
    "test_fresh_within('m', 'c', 1, as_of='2025-03-08 24:00')": "as_of: '2025-03-08T12:00:00Z'",
    "test_fresh_within('m', 'c', 1, as_of=\"2025-03-08') or ('a'='a\")": "as_of: '2025-03-08T12",
    "test_fresh_within('m', 'c', 1, as_of=20250308)": "as_of: '2025-03-08T12:00:00Z'",
    "test_fresh_within('m', 'c', 1, future_tolerance_seconds=-1)": "future_tolerance_seconds: 300",
    "test_fresh_within('m', 'c', 1, per=['a'])": "per: event_name",
    "test_fresh_within('m', 'c', 1, allow_empty='no')": "allow_empty: true or allow_empty: false",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("baseline_tests"))
    settings = yaml.safe_load((made.folder / "dbt_project.yml").read_text())
    made.write("dbt_project.yml", {**settings, "vars": VARIABLES})
    (made.folder / "macros").mkdir(exist_ok=True)
    for macro in USED_MACROS:
        shutil.copy(MACROS / macro, made.folder / "macros")
    models: dict[str, list[Any]] = {}
    for case in CASES:
        test = {"name": case.name, "arguments": case.arguments, "config": case.config}
        models.setdefault(case.sql, []).append({case.test: test})
    made.write_models(
        [
            {"name": f"model_{number}", "sql": sql, "data_tests": tests}
            for number, (sql, tests) in enumerate(models.items())
        ]
    )
    for number, call in enumerate(WRONG_ARGUMENTS):
        made.write(f"tests/wrong_{number}.sql", f"{{% if execute %}}{{{{ {call} }}}}{{% endif %}}")
    return made


@pytest.fixture(scope="module")
def manifest(project: Project) -> Any:
    """The parsed project, its models built: what every command afterwards starts from."""
    parsed = project.dbt("parse")
    assert parsed.success, parsed.exception
    built = project.dbt("run", manifest=parsed.result)
    assert built.success, built.exception
    return parsed.result


@pytest.fixture(scope="module", params=SETTINGS)
def outcomes(request: pytest.FixtureRequest, project: Project, manifest: Any) -> dict[str, Outcome]:
    """What every instance found, by its name."""
    tested = project.dbt(
        *("test", "--select", "test_type:generic", "--target", request.param), manifest=manifest
    )
    assert tested.exception is None
    results = {result.node.name: result for result in tested.result.results}
    queries = {
        name: result.node.compiled_code
        for name, result in results.items()
        if result.status == NodeStatus.Fail
    }
    messages = project.messages(queries, SETTINGS[request.param])
    return {
        name: Outcome(result.status, result.failures, messages.get(name, str(result.message)))
        for name, result in results.items()
    }


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [c for c in CASES if not c.failures], ids=lambda c: c.name)
def test_it_stays_quiet(case: Case, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[case.name].status == NodeStatus.Pass, outcomes[case.name].message


@pytest.mark.parametrize("case", [c for c in CASES if c.failures], ids=lambda c: c.name)
def test_it_fires_and_says_why(case: Case, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[case.name]
    assert (found.status, found.failures) == (NodeStatus.Fail, case.failures), found.message
    assert case.message in found.message


@pytest.fixture(scope="module")
def refusals(project: Project, manifest: Any) -> dict[str, str]:
    """The error of every call with a wrong argument."""
    refused = project.dbt("test", "--select", "test_type:singular", manifest=manifest)
    errors = {result.node.name: str(result.message) for result in refused.result.results}
    return {call: errors[f"wrong_{number}"] for number, call in enumerate(WRONG_ARGUMENTS)}


@pytest.mark.parametrize("call", WRONG_ARGUMENTS)
def test_a_wrong_argument_is_told_what_to_write(call: str, refusals: dict[str, str]) -> None:
    message = " ".join(refusals[call].split())
    assert f"Test {call.partition('(')[0].removeprefix('test_')} on m has " in message
    assert WRONG_ARGUMENTS[call] in message
