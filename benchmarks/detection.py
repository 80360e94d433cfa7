"""What the checks catch and how often they cry wolf: a year of good days, then fault by fault.

    python benchmarks/detection.py --write docs/detection.md

The good days are the sample generator's, with a year's growth, a holiday week and noise in them,
thinned visitor by visitor so that purchases, channels and devices vary as counted things do. The
gate builds them with dbt as it would build any files; every batch is judged by what came before it.
Then the last day arrives once for every fault of the catalogue, each time on a copy of the same
data folder, and what the checks say is compared with what they were meant to say.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import random
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb
from dbt.cli.main import dbtRunner

from sluicegate.engine import connect, load_profile, rows
from sluicegate.sample import SampleSpec, write_sample

Query = Callable[[str], list[dict[str, Any]]]

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
)

YEARLY_GROWTH = 1.4
TRAFFIC_NOISE = 0.05  # standard deviation of the logarithm, day by day
CONVERSION_NOISE = 0.04
HOLIDAY_TRAFFIC = 0.75
HOLIDAY_CONVERSION = 0.9
# The generator's own counts are steadier than chance. A quarter of its visitors, drawn at random,
# has three quarters of the variance that chance has; CONVERSION_NOISE gives the rest and more.
VISITORS_PER_VISITOR_KEPT = 4
DELIVERED_AT = datetime.timedelta(days=1, hours=5, minutes=30)  # after the day began, UTC
JUDGED_AT = datetime.timedelta(days=1, hours=12, minutes=30)


@dataclass(frozen=True)
class YearSpec:
    """The good days to generate.

    Attributes:
        last_date: UTC date of the last day.
        days: number of days.
        rows: mean number of rows of a day, about.
        seed: another seed gives other days.
    """

    last_date: datetime.date
    days: int = 365
    rows: int = 20_000
    seed: int = 42

    def dates(self) -> list[datetime.date]:
        """All days, the first one first."""
        first = self.last_date - datetime.timedelta(days=self.days - 1)
        return [first + datetime.timedelta(days=n) for n in range(self.days)]

    def holidays(self) -> list[datetime.date]:
        """The holiday week: in the second half of the year, none in less than half a year."""
        start = self.days * 3 // 5
        return self.dates()[start : start + 7] if self.days >= 180 else []

    def traffic(self, date: datetime.date) -> float:
        """How many visitors the day has, as a share of a usual day's; the weekday comes on top."""
        age = (date - self.dates()[0]).days - self.days / 2
        holiday = HOLIDAY_TRAFFIC if date in self.holidays() else 1.0
        growth = math.pow(YEARLY_GROWTH, age / 365)
        return growth * holiday * self._noise(date, "traffic", TRAFFIC_NOISE)

    def conversion(self, date: datetime.date) -> float:
        """How many of the visitors buy, as a share of a usual day's."""
        holiday = HOLIDAY_CONVERSION if date in self.holidays() else 1.0
        return holiday * self._noise(date, "conversion", CONVERSION_NOISE)

    def _noise(self, date: datetime.date, purpose: str, deviation: float) -> float:
        return math.exp(random.Random(f"{self.seed} {date} {purpose}").gauss(0, deviation))


def file_name(date: datetime.date) -> str:
    """The name under which the shop delivers a day."""
    return f"events_{date:%Y%m%d}.csv"


def write_good_days(folder: Path, spec: YearSpec) -> list[Path]:
    """Write one CSV file a day; the same spec gives the same files.

    Each file's time of change is DELIVERED_AT after its day began.

    Raises:
        FileExistsError: the folder has files in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name another folder")
    paths = []
    with tempfile.TemporaryDirectory(prefix="sluicegate-detection-") as draft:
        for date in spec.dates():
            rows = round(spec.rows * spec.traffic(date) * VISITORS_PER_VISITOR_KEPT)
            drawn = write_sample(Path(draft), SampleSpec(date, 1, rows, spec.seed))[0]
            kept = 1 / VISITORS_PER_VISITOR_KEPT
            buyers_kept = min(1.0, kept * spec.conversion(date))
            # Buyers are few; that some of them go is nothing to the traffic. A row without a client
            # is drawn on its own.
            path = folder / drawn.name
            rewrite(
                drawn,
                path,
                eligible="max(event_name = 'checkout_completed') over (partition by client_id)"
                " and client_id != ''",
                keep=f"cityHash64({spec.seed}, if(client_id = '', concat(timestamp, page_url),"
                f" client_id)) % 1000000 < 1000000 * if(eligible, {buyers_kept}, {kept})",
            )
            drawn.unlink()
            delivered_on(path, date)
            paths.append(path)
    return paths


def moment(date: datetime.date, after: datetime.timedelta) -> datetime.datetime:
    """So long after the beginning of the day, UTC."""
    return datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.UTC) + after


def delivered_on(path: Path, date: datetime.date, after: datetime.timedelta = DELIVERED_AT) -> None:
    """Let a file have been written so long after the day began."""
    seconds = moment(date, after).timestamp()
    os.utime(path, (seconds, seconds))


def rewrite(
    source: Path,
    target: Path,
    columns: Mapping[str, str] | None = None,
    *,
    eligible: str = "true",
    share: float = 1.0,
    keep: str = "true",
    copies: str = "1",
    names: Mapping[str, str | None] | None = None,
) -> None:
    """Write a day's file anew: every value is text, before and after.

    The SQL given may use the columns and ``picked``: whether the row is one of the so many that are
    chosen at random, always the same ones, from the rows that are eligible; ``copy`` is the number
    of the copy, from 0.

    Args:
        source: the file to read; target: the file to write, over an older one.
        columns: SQL of the columns that change.
        eligible: SQL: which rows can be picked; share: how many of them are, and at least two.
        keep: SQL: which rows stay; copies: SQL: how many times a row is written.
        names: names of columns in the new file, None to leave a column out.
    """
    changes, spelled = columns or {}, names or {}
    wanted = [column for column in COLUMNS if spelled.get(column, column) is not None]
    structure = ", ".join(f"{column} String" for column in COLUMNS)
    new_structure = ", ".join(f"{spelled.get(column, column)} String" for column in wanted)
    select = ", ".join(changes.get(column, column) for column in wanted)
    # The target may be a hard link to a good day, which must stay as it is.
    target.unlink(missing_ok=True)
    connection = chdb.connect(":memory:")
    try:
        connection.query(f"create table arrived ({structure}) engine = Memory")
        connection.query(
            f"insert into arrived select * from file('{source}', 'CSVWithNames', '{structure}')"
            " settings input_format_csv_trim_whitespaces = 0,"
            " format_csv_allow_single_quotes = 0"
        )
        connection.query(
            f"""
            insert into function file('{target}', 'CSVWithNames', '{new_structure}')
            select {select}
            from (
                select
                    *,
                    eligible and row_number() over (
                        partition by eligible order by cityHash64(*), timestamp
                    ) <= greatest(2, round({share} * count() over (partition by eligible)))
                        as picked
                from (select {", ".join(COLUMNS)}, {eligible} as eligible from arrived)
            )
            array join range({copies}) as copy
            where {keep}
            order by timestamp, {", ".join(c for c in COLUMNS if c != "timestamp")}, copy
            """
        )
    finally:
        connection.close()


@dataclass(frozen=True)
class Delivery:
    """The files that arrive: from the folder of good days into the landing folder."""

    spec: YearSpec
    good: Path
    landing: Path

    def date(self, age: int) -> datetime.date:
        """The day so many days before the last one."""
        return self.spec.last_date - datetime.timedelta(days=age)

    def good_day(self, age: int = 0) -> None:
        """A day arrives as it should."""
        name = file_name(self.date(age))
        os.link(self.good / name, self.landing / name)

    def changed_day(
        self, columns: Mapping[str, str] | None = None, *, age: int = 0, **how: Any
    ) -> None:
        """A day arrives rewritten (see `rewrite`), at the time when the last day does."""
        name = file_name(self.date(age))
        rewrite(self.good / name, self.landing / name, columns, **how)
        delivered_on(self.landing / name, self.spec.last_date)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: short, as an identifier.
        description: what happened, for readers of the table.
        meant: the checks of seeds/dq_checks.csv that are there for it; one must notice.
        deliveries: what arrives, in so many runs of the gate; nothing, when empty.
        history: how many of the last days are not there yet when it begins.
        batch: the batch concerned, in days before the last one.
    """

    name: str
    description: str
    meant: tuple[str, ...]
    deliveries: tuple[Callable[[Delivery], None], ...]
    history: int = 1
    batch: int = 0


def _day(columns: Mapping[str, str] | None = None, **how: Any) -> Callable[[Delivery], None]:
    return lambda delivery: delivery.changed_day(columns, **how)


def _nothing(delivery: Delivery) -> None:
    """No file comes."""


def _all_but_the_third_last(delivery: Delivery) -> None:
    delivery.good_day(1)
    delivery.good_day(0)


def _the_third_last(delivery: Delivery) -> None:
    delivery.changed_day(age=2)
    after = DELIVERED_AT + datetime.timedelta(hours=3)
    delivered_on(delivery.landing / file_name(delivery.date(2)), delivery.spec.last_date, after)


def _corrected_old_day(delivery: Delivery) -> None:
    delivery.good_day(0)
    delivery.changed_day(
        {"page_url": "if(picked, concat(page_url, '#corrected'), page_url)"},
        age=10,
        eligible="event_name = 'page_viewed'",
        share=0.1,
    )


_PURCHASE = "event_name = 'checkout_completed'"
_REVENUE = "extract(event_data, '\"revenue\":([0-9.]+)')"


def _with_revenue(value: str, where: str = _PURCHASE) -> dict[str, str]:
    replaced = (
        f"replaceOne(event_data, concat('\"revenue\":', {_REVENUE}),"
        f" concat('\"revenue\":', {value}))"
    )
    return {"event_data": f"if({where}, {replaced}, event_data)"}


def _moved(seconds: int) -> str:
    moved = f"parseDateTime64BestEffort(timestamp, 3, 'UTC') + toIntervalSecond({seconds})"
    return f"concat(replaceOne(toString({moved}), ' ', 'T'), 'Z')"


CONTROL = Fault(
    "none",
    "nothing is wrong with the last day",
    (),
    (lambda delivery: delivery.good_day(),),
)

FAULTS = (
    Fault("missing_file", "the last day's file does not come", ("file_missing",), (_nothing,)),
    Fault(
        "missing_file_between",
        "the file of a day does not come, those of the two days after it do",
        ("file_missing",),
        (_all_but_the_third_last,),
        history=3,
        batch=2,
    ),
    Fault(
        "late_file",
        "the file of a day comes two days late, after those of the days after it",
        ("file_late",),
        (_all_but_the_third_last, _the_third_last),
        history=3,
        batch=2,
    ),
    Fault(
        "changed_file",
        "the file of ten days before comes again, a tenth of its page views changed",
        ("file_changed",),
        (_corrected_old_day,),
        batch=10,
    ),
    Fault(
        "half_the_rows",
        "half of the rows are gone",
        ("volume_drop",),
        (_day(keep="picked", share=0.5),),
    ),
    Fault(
        "twice_the_rows",
        "everything is there twice, the second time under other client and order ids",
        ("volume_rise",),
        (
            _day(
                {
                    "client_id": "if(copy = 1 and client_id != '', concat('x', client_id),"
                    " client_id)",
                    "timestamp": f"if(copy = 0, timestamp, {_moved(7)})",
                    "event_data": "if(copy = 1, replaceOne(event_data, 'ORD-', 'ORE-'),"
                    " event_data)",
                },
                copies="2",
            ),
        ),
    ),
    Fault(
        "empty_client_ids",
        "6 % of the rows have no client id",
        ("missing_client_id", "reject_rate"),
        (_day({"client_id": "if(picked, '', client_id)"}, share=0.06),),
    ),
    Fault(
        "renamed_mandatory_column",
        "client_id is called visitor",
        ("mandatory_column_missing",),
        (_day(names={"client_id": "visitor"}),),
    ),
    Fault(
        "dropped_referrer",
        "the column referrer is gone",
        ("column_missing", "missing_referrer"),
        (_day(names={"referrer": None}),),
    ),
    Fault(
        "no_purchases",
        "no checkout_completed is sent",
        ("purchases_present",),
        (_day(keep=f"not ({_PURCHASE})"),),
    ),
    Fault(
        "revenue_times_100",
        "revenue is in cents",
        ("revenue_rise",),
        (_day(_with_revenue(f"toString(toDecimal64OrZero({_REVENUE}, 2) * 100)")),),
    ),
    Fault(
        "revenue_null",
        "revenue is null on 2 % of the purchases",
        ("purchases_without_revenue",),
        (_day(_with_revenue("'null'", "picked"), eligible=_PURCHASE, share=0.02),),
    ),
    Fault(
        "zero_revenue",
        "revenue is 0 on all purchases",
        ("zero_revenue",),
        (_day(_with_revenue("'0'")),),
    ),
    Fault(
        "no_transaction_ids",
        "transaction_id is empty on all purchases",
        ("missing_transaction_id", "revenue_gap"),
        (
            _day(
                {
                    "event_data": 'replaceRegexpOne(event_data, \'("transaction_id":)"[^"]*"\','
                    " '\\\\1\"\"')"
                }
            ),
        ),
    ),
    Fault(
        "duplicates",
        "3 % of the rows are there twice",
        ("duplicate_rate",),
        (_day(copies="if(picked, 2, 1)", share=0.03),),
    ),
    Fault(
        "broken_json",
        "event_data is cut off on 4 % of the rows that have any",
        ("malformed_event_data",),
        (
            _day(
                {
                    "event_data": "if(picked, left(event_data, intDiv(length(event_data), 2)),"
                    " event_data)"
                },
                eligible="event_data != ''",
                share=0.04,
            ),
        ),
    ),
    Fault(
        "new_event_name",
        "5 % of the page views are called video_played",
        ("unknown_event_names",),
        (
            _day(
                {"event_name": "if(picked, 'video_played', event_name)"},
                eligible="event_name = 'page_viewed'",
                share=0.05,
            ),
        ),
    ),
    Fault(
        "shifted_clock",
        "all times are five hours late",
        ("events_outside_batch", "silence"),
        (_day({"timestamp": _moved(5 * 3600)}),),
    ),
    Fault(
        "all_direct",
        "referrers of other sites and campaign parameters are lost",
        ("direct_share",),
        (
            _day(
                {
                    "referrer": "if(domain(referrer) = domain(page_url), referrer, '')",
                    "page_url": "if(match(page_url, '[?]utm_'), cutQueryString(page_url),"
                    " page_url)",
                }
            ),
        ),
    ),
    Fault(
        "no_mobile_purchases",
        "no purchase on a mobile phone is sent",
        ("revenue_by_device",),
        (_day(keep=f"not ({_PURCHASE} and position(user_agent, 'Mobile') > 0)"),),
    ),
    Fault(
        "half_the_conversion",
        "half of the purchases are gone, their checkouts began",
        ("conversion_rate",),
        (_day(keep="not picked", eligible=_PURCHASE, share=0.5),),
    ),
)


@dataclass(frozen=True)
class Alert:
    """One result of dq_check_results that is not right.

    Attributes:
        severity: CRITICAL, WARN or INFO: what this result is, not what the check can be at most.
    """

    batch_date: datetime.date
    check: str
    dimension: str
    severity: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What came of one fault: the alerts of the batch concerned, and whether it was held.

    Attributes:
        decision: publish, hold, or '' when there is no batch to decide on.
    """

    fault: Fault
    alerts: tuple[Alert, ...]
    decision: str

    @property
    def caught_by(self) -> list[str]:
        """The checks that notify, each once, those meant first."""
        names = dict.fromkeys(a.check for a in self.alerts if a.severity != "INFO")
        return sorted(names, key=lambda name: (name not in self.fault.meant, name))

    @property
    def is_caught_as_meant(self) -> bool:
        return any(name in self.fault.meant for name in self.caught_by)


class Bench:
    """A landing folder, a data folder, and the gate run on them in this process.

    The clock of the gate is JUDGED_AT of the last day (variable as_of), and the ledger of files is
    told that every file was landed a quarter of an hour after it was written: a year lands in a
    minute here, and the checks of lateness should see it as it would have been.
    """

    def __init__(self, spec: YearSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self.delivery = Delivery(spec, folder / "good", folder / "landing")
        self.data = folder / "clickhouse"
        self._false: set[tuple[datetime.date, str, str, str]] = set()

    def prepare(self) -> None:
        """Write the good days and let the gate judge them, all but the last."""
        write_good_days(self.delivery.good, self.spec)
        self.delivery.landing.mkdir()
        for age in range(self.spec.days - 1, 2, -1):
            self.delivery.good_day(age)
        self.run()
        self._copy(self.data, self._history(3))
        self.delivery.good_day(2)
        self.delivery.good_day(1)
        self.run()
        self._copy(self.data, self._history(1))

    def judge(self, fault: Fault) -> Outcome:
        """Let a fault happen to the good history; what other faults did is forgotten."""
        shutil.rmtree(self.delivery.landing)
        self.delivery.landing.mkdir()
        for age in range(self.spec.days - 1, fault.history - 1, -1):
            if age != fault.batch:
                self.delivery.good_day(age)
        shutil.rmtree(self.data)
        self._copy(self._history(fault.history), self.data)
        for deliver in fault.deliveries:
            deliver(self.delivery)
            self.run()
        date = self.delivery.date(fault.batch)
        with self._engine() as query:
            alerts = _alerts(query, f"batch_date = '{date}'")
            decisions = query(f"select decision from dq_gate where batch_date = '{date}'")
        true = tuple(alert for alert in alerts if _identity(alert) not in self._false)
        return Outcome(fault, true, decisions[0]["decision"] if decisions else "")

    def good_days(self) -> list[Alert]:
        """The alerts of all good days, the last one included; no fault is credited with them."""
        self.judge(CONTROL)
        alerts = self.alerts()
        self._false = {_identity(alert) for alert in alerts}
        return alerts

    def alerts(self) -> list[Alert]:
        """All that the checks say now, of every batch, in order."""
        with self._engine() as query:
            return _alerts(query, "true")

    def decisions(self) -> dict[datetime.date, str]:
        """publish, hold or released, by batch."""
        with self._engine() as query:
            found = query("select batch_date, decision from dq_gate")
        return {row["batch_date"]: row["decision"] for row in found}

    def run(self) -> None:
        """Let the gate judge what is in the landing folder."""
        # The engine starts once for all of a run.
        with self._engine() as query:
            self._dbt("+raw_web_events")
            in_real_time = "landed_at > file_mtime + interval 15 minute"
            query(
                "insert into dq_files"
                " select * replace (file_mtime + interval 15 minute as landed_at)"
                f" from (select * from dq_files where {in_real_time})"
            )
            query(f"alter table dq_files delete where {in_real_time} settings mutations_sync = 1")
            self._dbt("+dq_gate")
            # As if each batch had been judged at one o'clock of the day after it.
            then = "toDateTime64(batch_date + 1, 6, 'UTC') + interval 13 hour"
            checks = "stage = 'checks'"
            query(
                f"alter table dq_batches delete where {checks} and (stream, batch_date) in (select "
                f"stream, batch_date from dq_batches where {checks} and recorded_at > {then}) "
                f"and recorded_at <= {then} settings mutations_sync = 1"
            )
            query(
                # Filtered in here: a where beside the replace would see the new time.
                f"insert into dq_batches select * replace ({then} as recorded_at) from ("
                "select * from (select * from dq_batches where "
                f"{checks} order by recorded_at desc limit 1 by stream, batch_date) "
                f"where recorded_at > {then})"
            )
            query(
                f"alter table dq_batches delete where {checks} and recorded_at > {then} "
                "settings mutations_sync = 1"
            )

    def _dbt(self, select: str) -> None:
        settings = {
            "landing": {"web_events": str(self.delivery.landing)},
            "as_of": f"{moment(self.spec.last_date, JUDGED_AT):%Y-%m-%dT%H:%M:%S}",
        }
        outcome = dbtRunner().invoke(
            [
                "build",
                "--quiet",
                *("--select", select),
                *("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"),
                *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT / "profiles")),
                *("--target", "embedded"),
                *("--target-path", str(self.folder / "target")),
                *("--log-path", str(self.folder / "logs")),
                *("--vars", json.dumps(settings)),
            ]
        )
        if not outcome.success:
            failed = [
                f"{result.node.name}: {result.message}"
                for result in getattr(outcome.result, "results", [])
                if result.status not in ("success", "pass", "skipped")
            ]
            raise RuntimeError("\n".join([str(outcome.exception or "dbt failed"), *failed]))

    @contextmanager
    def _engine(self) -> Iterator[Query]:
        """The engine on the data folder, for dbt in this process too; gives a way to ask it."""
        before = os.environ.get("SLUICEGATE_DATA")
        os.environ["SLUICEGATE_DATA"] = str(self.data)
        try:
            with connect(load_profile(ROOT / "profiles", "embedded")) as client:
                yield lambda sql: rows(client, sql)
        finally:
            if before is None:
                del os.environ["SLUICEGATE_DATA"]
            else:
                os.environ["SLUICEGATE_DATA"] = before

    def _history(self, days_to_come: int) -> Path:
        return self.folder / f"history_{days_to_come}"

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        shutil.copytree(source, target, symlinks=True, copy_function=_share)


def _alerts(query: Query, where: str) -> list[Alert]:
    found = query(
        f"""
        select
            batch_date,
            check_name,
            dimension,
            if(severity = 'CRITICAL' and status = 'warn', 'WARN', severity) as severity,
            message
        from dq_check_results
        where status in ('warn', 'fail') and {where}
        order by batch_date, check_name, dimension
        """
    )
    return [Alert(row["batch_date"], *(str(row[name]) for name in list(row)[1:])) for row in found]


def _identity(alert: Alert) -> tuple[datetime.date, str, str, str]:
    return alert.batch_date, alert.check, alert.dimension, alert.severity


def _share(source: str, target: str) -> None:
    """Copy a file of the engine. Those of a data part, three levels below store, are never changed
    once they are written: a link will do."""
    if Path(source).parents[3].name == "store":
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def incidents(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """Alerts of the same check and dimension on days in a row, each row of days once."""
    found: list[list[Alert]] = []
    for alert in sorted(alerts, key=lambda a: (a.check, a.dimension, a.batch_date)):
        last = found[-1][-1] if found else None
        if (
            last
            and (last.check, last.dimension) == (alert.check, alert.dimension)
            and (alert.batch_date - last.batch_date).days <= 1
        ):
            found[-1].append(alert)
        else:
            found.append([alert])
    return found


def report(spec: YearSpec, good: Sequence[Alert], outcomes: Sequence[Outcome]) -> str:
    """What came out, as Markdown."""
    return "\n".join(
        [
            "# What the checks catch, and how often they are wrong",
            "",
            "Written by this command: it generates files, lets the gate judge them, and compares.",
            "",
            "```",
            f".venv/bin/python benchmarks/detection.py --days {spec.days} --rows {spec.rows}"
            f" --seed {spec.seed} \\",
            f"    --last-date {spec.last_date} --write docs/detection.md",
            "```",
            "",
            *_good_year(spec, good),
            "",
            *_fault_matrix(outcomes),
            "",
        ]
    )


def _good_year(spec: YearSpec, good: Sequence[Alert]) -> list[str]:
    months = spec.days / 30.4
    notified = [alert for alert in good if alert.severity != "INFO"]
    critical = [alert for alert in notified if alert.severity == "CRITICAL"]
    warned = [alert for alert in notified if alert.severity == "WARN"]
    warned_days = len({alert.batch_date for alert in warned})
    by_check: dict[str, list[Alert]] = defaultdict(list)
    for alert in good:
        by_check[alert.check].append(alert)
    holidays = len(spec.holidays())
    lines = [
        f"## {spec.days} good days",
        "",
        f"Days of {spec.rows:,} rows on average: a weekly rhythm, growth of "
        f"{YEARLY_GROWTH - 1:.0%} a year, "
        + (
            f"a holiday week with {1 - HOLIDAY_TRAFFIC:.0%} less traffic and "
            f"{1 - HOLIDAY_CONVERSION:.0%} less conversion, "
            if holidays
            else ""
        )
        + f"noise from day to day (traffic {TRAFFIC_NOISE:.0%}, conversion {CONVERSION_NOISE:.0%}, "
        "and the noise of counting in everything). Each day is judged by what came before it "
        "alone. Every alert here is a false one.",
        "",
        "| | here | aim |",
        "|---|---:|---:|",
        f"| days with a CRITICAL alert | {len({a.batch_date for a in critical})} | 0 |",
        f"| WARN incidents a month | {len(incidents(warned)) / months:.2f} | under 1 |",
        f"| days with a WARN alert, a month | {warned_days / months:.2f} | under 1 |",
    ]
    if good:
        lines += [
            "",
            "INFO is logged and notifies nobody.",
            "",
            "| check | CRITICAL | WARN | INFO | incidents | for example |",
            "|---|---:|---:|---:|---:|---|",
        ]
    for check, alerts in sorted(by_check.items(), key=lambda item: (-len(item[1]), item[0])):
        counts = Counter(alert.severity for alert in alerts)
        lines.append(
            f"| {check} | {counts['CRITICAL']} | {counts['WARN']} | {counts['INFO']} "
            f"| {len(incidents(alerts))} | {cell(alerts[0].message)} |"
        )
    return lines


def _fault_matrix(outcomes: Sequence[Outcome]) -> list[str]:
    caught = sum(outcome.is_caught_as_meant for outcome in outcomes)
    lines = [
        f"## {len(outcomes)} faults",
        "",
        "The last day once for every fault, after the same good days. A fault is caught when a "
        "check that is meant for it says so (WARN or CRITICAL) in the first run that can see it: "
        f"**{caught} of {len(outcomes)}**. Checks meant for it are in bold.",
        "",
        "| fault | caught | by | held | says |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        names = [
            f"**{name}**" if name in outcome.fault.meant else name for name in outcome.caught_by
        ]
        said = [a.message for a in outcome.alerts if a.check == next(iter(outcome.caught_by), "")]
        lines.append(
            f"| {outcome.fault.description} | {'yes' if outcome.is_caught_as_meant else '**no**'} "
            f"| {', '.join(names)} | {'yes' if outcome.decision == 'hold' else 'no'} "
            f"| {cell(said[0]) if said else ''} |"
        )
    return lines


def cell(text: str) -> str:
    """A text as a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def arguments_of(description: str, rows: int) -> argparse.ArgumentParser:
    """The arguments that every benchmark of good days and faults takes.

    Args:
        description: the script's docstring, of which the first line is shown.
        rows: the default of the mean rows of a day.
    """
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rows", type=int, default=rows, help="mean rows of a day")
    parser.add_argument("--seed", type=int, default=42, help="another seed gives other days")
    parser.add_argument(
        "--last-date",
        type=datetime.date.fromisoformat,
        default=yesterday,
        help="the day on which the faults happen; yesterday unless given",
    )
    parser.add_argument("--work", type=Path, help="an empty folder to work in, kept afterwards")
    parser.add_argument("--write", type=Path, help="write the report into this file")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments given; a folder to work in that has something in it is refused."""
    arguments = parser.parse_args()
    if arguments.work and arguments.work.exists() and any(arguments.work.iterdir()):
        parser.error(f"--work: {arguments.work} is not empty; name another folder")
    return arguments


def deliver_report(text: str, path: Path | None) -> None:
    """Write a report into a file, or print it where there is none."""
    if path:
        path.write_text(text, encoding="utf-8")
    else:
        print(text)


def main() -> None:
    """Parse the arguments, run, print or write the report."""
    parser = arguments_of(__doc__ or "", rows=20_000)
    parser.add_argument("--days", type=int, default=365, help="good days, at least 30")
    arguments = parsed(parser)
    if arguments.days < 30:
        parser.error("--days: the checks need 30 days of history at least")
    spec = YearSpec(arguments.last_date, arguments.days, arguments.rows, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="sluicegate-detection-") as temporary:
        bench = Bench(spec, (arguments.work or Path(temporary)).resolve())
        print(f"{spec.days} good days ...", file=sys.stderr)
        bench.prepare()
        good = bench.good_days()
        outcomes = []
        for fault in FAULTS:
            outcomes.append(bench.judge(fault))
            print(f"{fault.name}: {', '.join(outcomes[-1].caught_by)}", file=sys.stderr)
    deliver_report(report(spec, good, outcomes), arguments.write)


if __name__ == "__main__":
    main()
