"""What Elementary says beside the gate's own monitors, day by day, and the seconds it adds.

    python benchmarks/beside_elementary.py --hub-mirror DIR --write docs/elementary.md

Ten weeks of good days (those of benchmarks/detection.py, fewer rows) are judged by the gate and
watched by Elementary's tests, the project in observability/. Then the last day arrives once for
every case, good or with a fault, each time on a copy of the same data folder, and what the two say
of it is put side by side. With --real it does so for days that really were.

The texts that explain a case are written by hand. Each names the tests and checks that it speaks
of: when others fire, the text is left out, and standard error says so.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detection import (
    CONTROL,
    FAULTS,
    JUDGED_AT,
    ROOT,
    Alert,
    Bench,
    Fault,
    YearSpec,
    arguments_of,
    cell,
    deliver_report,
    moment,
    parsed,
)

WEEKS = 10
# The newest results only: the data folder has those of the day before, too.
FIRED = """
    select
        test_name,
        groupUniqArray(trim(replaceRegexpAll(test_results_description, '\\\\s+', ' '))) as said
    from sluicegate_elementary.elementary_test_results
    where
        status not in ('pass', 'skipped')
        and test_unique_id like 'test.sluicegate_observability.%'
        and invocation_id = (
            select argMax(invocation_id, created_at)
            from sluicegate_elementary.elementary_test_results
        )
    group by test_name
    order by test_name
"""
LONGEST_WORDS = 100
# What Elementary says of any anomaly of a column or a dimension, before it says which ones.
BOILERPLATE = (
    r"^(In column VALUE, )?\d+ anomalous [\w ]+? for dimension [^:]+: (metric: )?",
    r"\bweb_events; ",
    r"^In column \w+, ",
    r" \(only full buckets are considered\)",
)


@dataclass(frozen=True)
class Case:
    """One way in which the last day arrives, and what there is to say of what came out.

    Attributes:
        fault: what is done to the day.
        tests: the tests in observability/ that fired when the note was written.
        checks: checks that notified then, of which the note speaks; others may, too.
        held: whether the batch was held then.
        note: why the two say what they say.
    """

    fault: Fault
    tests: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    held: bool = False
    note: str = ""


def _fault(name: str, description: str | None = None) -> Fault:
    fault = next(fault for fault in FAULTS if fault.name == name)
    return replace(fault, description=description or fault.description)


_STOPS_AT_NOON = Fault(
    "stops_at_noon",
    "the events of the day end at noon",
    ("silence", "volume_drop"),
    (
        lambda delivery: delivery.changed_day(
            keep="toHour(parseDateTime64BestEffort(timestamp, 3, 'UTC')) < 12"
        ),
    ),
)

# A held day is empty for Elementary, whatever is wrong with it.
_EMPTY_DAY = ("clean_volume_anomalies", "orders_volume_anomalies", "sessions_volume_anomalies")

CASES = (
    Case(CONTROL, note="both are silent."),
    Case(
        _fault("half_the_rows"),
        tests=(*_EMPTY_DAY, "dq_metrics_share_anomalies", "dq_metrics_total_anomalies"),
        checks=("volume_drop",),
        held=True,
        note="the gate holds the day, so nothing of it is published: for Elementary the three "
        "published tables have no rows, not half of them. How many there are only the tests on "
        "`dq_metrics` say, which has the measures of held days, too. The gate also says since "
        "which hour rows are missing, which ones mostly, and what that may cost.",
    ),
    Case(
        _fault("missing_file"),
        tests=(
            *_EMPTY_DAY,
            "clean_freshness_anomalies",
            "dq_metrics_volume_anomalies",
            "orders_freshness_anomalies",
        ),
        checks=("file_missing",),
        note="the gate knows which files are expected, and one alert names the cause. Elementary "
        "knows no files: a day without rows is an anomaly of each table and of its freshness, six "
        "tests for one cause. No batch is held here, because none came; so this "
        "is the only case in which the freshness tests have an empty day to look at.",
    ),
    Case(
        _STOPS_AT_NOON,
        tests=(*_EMPTY_DAY, "dq_metrics_total_anomalies"),
        checks=("silence", "volume_drop"),
        held=True,
        note="the freshness tests leave held days out, and there would be no time in them to look "
        "at. The gap of twelve hours is in Elementary's words all the same, as "
        "`longest_gap_minutes` of `dq_metrics`, which the gate measured.",
    ),
    Case(
        _fault("dropped_referrer"),
        tests=(
            "clean_channel_anomalies",
            "dq_metrics_share_anomalies",
            "sessions_channel_anomalies",
        ),
        checks=("column_missing", "missing_referrer", "direct_share"),
        note="the day is published, so Elementary sees what a reader of the tables sees: channels "
        "that are gone. Why they are gone is in the gate's words. The tests of the schema are "
        "silent, and rightly: the published table has the column as before, with nothing in it.",
    ),
    Case(
        _fault("renamed_mandatory_column"),
        tests=(
            *_EMPTY_DAY,
            "dq_metrics_share_anomalies",
            "dq_metrics_total_anomalies",
            "rejects_reason_anomalies",
            "rejects_volume_anomalies",
        ),
        checks=("mandatory_column_missing", "reject_rate"),
        held=True,
        note="rejects are there to be seen at once, held or not: Elementary counts them and names "
        "the reason. That a column has lost its name, and in which file, only the gate says.",
    ),
    Case(
        _fault("empty_client_ids"),
        tests=(
            *_EMPTY_DAY,
            "dq_metrics_share_anomalies",
            "rejects_reason_anomalies",
            "rejects_volume_anomalies",
        ),
        checks=("missing_client_id", "reject_rate"),
        held=True,
        note="`clean_client_id_missing` can never see this: a row without a client is a reject "
        "and not published, held or not. Elementary finds it in the rejects and in `dq_metrics`.",
    ),
    Case(
        _fault("revenue_null", "revenue is null on two purchases"),
        tests=("clean_purchase_revenue_anomalies", "orders_revenue_anomalies"),
        checks=("purchases_without_revenue",),
        note="the gate says it at once, CRITICAL, but does not hold the day for it. Elementary "
        "takes a missing revenue and a revenue of 0 for the same (both are 0 in what it "
        "watches), so what it counts here is more than what the gate counts.",
    ),
)

BY_HAND = """
## What Elementary adds here

- A site with the results of all tests, the gate's own among them: per table, with owner and
  description, what comes from what, and how long each model and test took.
- Tests of what is published, as its readers see it: rows, freshness, columns and types, and the
  counts of each event, channel and device. The gate looks at the way in; a published table whose
  columns somebody changed shows here.
- A second opinion. Its baselines are 28 days, or eight of the same weekday, and its limit is 4
  standard deviations; the gate has baselines of its own, and limits in a seed.

## What it does not do

- It holds nothing. Its tests run after publishing, and warn.
- It sees what is published. A held day is a day without rows to it, whatever is wrong; what is in
  the day it knows from the rejects and from what the gate measured (`dq_metrics`).
- It knows no expected files, no time since which a fault lasts, no money at stake and no remedy.
- It has no fixed limits. A share that is always too high is usual to it, and with less than a week
  of days it judges nothing (`assert_history_suffices` says so).
"""

REAL_NOTE = """
Seven days are one too few for Elementary here: it wants seven before the judged one, and
`assert_history_suffices` says so; its other tests have passed without a judgement. The gate's
baselines need fewer, and its fixed limits none.
"""


@dataclass(frozen=True)
class Verdicts:
    """What the two say of one batch.

    Attributes:
        fired: the tests in observability/ that warned or failed, and their own words.
        alerts: what the gate's checks found.
        decision: publish, hold, or '' when there is no batch to decide on.
    """

    fired: dict[str, str]
    alerts: tuple[Alert, ...]
    decision: str

    @property
    def notified(self) -> list[Alert]:
        """The alerts that notify somebody, one a check."""
        first = {alert.check: alert for alert in reversed(self.alerts) if alert.severity != "INFO"}
        return sorted(first.values(), key=lambda alert: (alert.severity, alert.check))

    def fits(self, case: Case) -> bool:
        """Whether the note of the case speaks of this."""
        return (
            set(self.fired) == set(case.tests)
            and set(case.checks) <= {alert.check for alert in self.notified}
            and (self.decision == "hold") == case.held
        )


@dataclass(frozen=True)
class Command:
    """How the command is started.

    Attributes:
        hub_mirror: folder of a mirror of the dbt hub; None asks the hub.
        out: folder of the reports.
    """

    hub_mirror: Path | None
    out: Path

    def __call__(self, data: Path, landing: Path, as_of: datetime.datetime, *options: str) -> float:
        """Run it to its end.

        Args:
            data: the data folder; landing: the landing folder; as_of: the time that counts as now.
            options: first the name of the subcommand, run or observe.

        Returns:
            Seconds from its start to its end.

        Raises:
            RuntimeError: it could not evaluate the data.
        """
        mirror = self.hub_mirror if options[0] == "observe" else None
        began = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "sluicegate.cli", *options),
                *("--landing", str(landing), "--out", str(self.out), "--target", "embedded"),
                *("--as-of", f"{as_of:%Y-%m-%dT%H:%M:%S}", "--project-dir", str(ROOT)),
                *(("--hub-mirror", str(mirror)) if mirror else ()),
            ],
            cwd=ROOT,
            env={**os.environ, "SLUICEGATE_DATA": str(data)},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if done.returncode not in (0, 1):
            raise RuntimeError(f"sluicegate {options[0]}: {done.stderr.strip()[-2000:]}")
        return seconds


class WatchedBench(Bench):
    """A bench whose data folder Elementary watches, too."""

    def __init__(self, spec: YearSpec, folder: Path, command: Command) -> None:
        super().__init__(spec, folder)
        self.command = command

    def prepare(self) -> None:
        """Write the good days; the gate judges them, all but the last, and Elementary looks."""
        super().prepare()
        day_before = self.spec.last_date - datetime.timedelta(days=1)
        # With the site, so that what only the site needs is there when its seconds are measured.
        self._observe(day_before, "--report")
        shutil.rmtree(self._history(1))
        self._copy(self.data, self._history(1))

    def verdicts(self, fault: Fault, site: Path | None = None) -> Verdicts:
        """What is said when the last day arrives like this.

        Args:
            fault: how it arrives.
            site: where Elementary's report goes; None makes none.
        """
        self.judge(fault)
        self._observe(self.spec.last_date, *(("--report",) if site else ()))
        if site:
            site.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.command.out / "elementary" / "index.html", site)
        return self.said(self.spec.last_date)

    def said(self, date: datetime.date) -> Verdicts:
        """What the data folder has of the newest run of Elementary, and of a batch."""
        with self._engine() as query:
            results = query(FIRED)
        return Verdicts(
            {row["test_name"]: " / ".join(sorted(row["said"])) for row in results},
            tuple(alert for alert in self.alerts() if alert.batch_date == date),
            self.decisions().get(date, ""),
        )

    def seconds(self) -> dict[str, float]:
        """Seconds of the whole process for one new, good day, by command."""
        found = {}
        for options in ("run",), ("observe",), ("observe", "--report"):
            shutil.rmtree(self.data)
            self._copy(self._history(1), self.data)
            shutil.rmtree(self.delivery.landing)
            self.delivery.landing.mkdir()
            for age in range(self.spec.days):
                self.delivery.good_day(age)
            found[" ".join(options)] = self._command(self.spec.last_date, *options)
        return found

    def _observe(self, date: datetime.date, *options: str) -> None:
        self._command(date, "observe", *options)

    def _command(self, date: datetime.date, *options: str) -> float:
        return self.command(self.data, self.delivery.landing, moment(date, JUDGED_AT), *options)


def real_days(folder: Path, command: Command, work: Path) -> tuple[YearSpec, Verdicts]:
    """What is said of the newest of the days in a folder, all of them landed at once.

    Args:
        folder: the landing folder; work: an empty folder for the data.

    Returns:
        Which days there are (rows and seed mean nothing), and the verdicts on the last one.
    """
    found = (re.search(r"(\d{8})", path.name) for path in folder.glob("events_*"))
    dates = sorted({datetime.date.fromisoformat(match[1]) for match in found if match})
    spec = YearSpec(dates[-1], len(dates))
    bench = WatchedBench(spec, work, command)
    work.mkdir(parents=True)
    command(bench.data, folder, moment(spec.last_date, JUDGED_AT), "observe")
    return spec, bench.said(spec.last_date)


def report(
    spec: YearSpec,
    found: Sequence[tuple[Case, Verdicts]],
    real: tuple[YearSpec, Verdicts] | None,
    seconds: dict[str, float],
) -> str:
    """What came out, as Markdown."""
    script = Path(__file__).name
    return "\n".join(
        [
            "# What Elementary says beside the gate",
            "",
            "Written by this command: it generates files, lets both judge them, and puts side by "
            "side what they say. The texts between the tables are written by hand; where something "
            "else comes out than such a text speaks of, it is left out.",
            "",
            "```",
            f".venv/bin/python benchmarks/{script} --rows {spec.rows} --seed {spec.seed} \\",
            f"    --last-date {spec.last_date}{' --real FOLDER' if real else ''} --hub-mirror DIR"
            " --write docs/elementary.md",
            "```",
            "",
            "`DIR` is a [mirror of the package hub](operations.md#a-mirror-of-the-package-hub); "
            "without it the hub is asked. `--real FOLDER` adds the newest of the days in a "
            "folder, "
            "`--sites FOLDER` keeps Elementary's site for each case.",
            "",
            BY_HAND.strip(),
            "",
            f"## One day in {len(found)} versions",
            "",
            f"{spec.days - 1} good days of {spec.rows:,} rows on average "
            "([how they are made](detection.md)), then the last day once for every line, each "
            "time on a copy of the same data folder. Of the tests in `observability/` those that "
            "warn or fail, and what they say, shortened; of the gate's checks those that notify "
            "(CRITICAL or WARN).",
            "",
            *_table([(case.fault.description, said) for case, said in found]),
            "",
            *_notes([(case, said) for case, said in found]),
            "",
            *_real(real),
            *_seconds(seconds),
            "",
        ]
    )


def _table(lines: Sequence[tuple[str, Verdicts]]) -> list[str]:
    table = [
        "| the last day | Elementary | the gate | held |",
        "|---|---|---|---|",
    ]
    for description, said in lines:
        fired = [f"**{test}**: {_short(words)}" for test, words in said.fired.items()]
        alerts = [f"{alert.severity} {alert.check}" for alert in said.notified]
        held = {"hold": "yes", "": "no batch"}.get(said.decision, "no")
        table.append(
            f"| {description} | {'<br>'.join(fired) or 'nothing'} "
            f"| {'<br>'.join(alerts) or 'nothing'} | {held} |"
        )
    return table


def _short(words: str) -> str:
    for boilerplate in BOILERPLATE:
        words = re.sub(boilerplate, "", words)
    words = cell(words)
    if len(words) <= LONGEST_WORDS:
        return words
    begun = words[: LONGEST_WORDS - 4]
    whole, bracket, _ = begun.rpartition("), ")  # not in the middle of a value
    return f"{whole}), ..." if bracket else f"{begun.rpartition(' ')[0]} ..."


def _notes(found: Sequence[tuple[Case, Verdicts]]) -> list[str]:
    notes = []
    for case, said in found:
        if said.fits(case):
            notes.append(f"- **{case.fault.description}**: {case.note}")
        else:
            print(f"{case.fault.name}: not what the note speaks of, left out", file=sys.stderr)
    return ["Why they differ:", "", *notes] if notes else []


def _real(real: tuple[YearSpec, Verdicts] | None) -> list[str]:
    if real is None:
        return []
    spec, said = real
    return [
        f"## {spec.days} real days",
        "",
        f"{spec.dates()[0]} to {spec.last_date}, landed at once; "
        "what the gate says of each is in [the worked example](example.md). This is the last one.",
        "",
        *_table([(str(spec.last_date), said)]),
        "",
        *([REAL_NOTE.strip(), ""] if set(said.fired) == {"assert_history_suffices"} else []),
    ]


def _seconds(seconds: dict[str, float]) -> list[str]:
    alone = seconds["run"]
    return [
        "## What it costs",
        "",
        "Seconds from the start of the process to its end for one new, good day after the same "
        "history, one after the other in this run: Python, dbt with its parsing, the engine, and "
        "with `--report` the `edr` command that makes the site. The ratios say more than the "
        "seconds, which are of this machine and of what else it was doing.",
        "",
        "| command | s | more than `run` alone | ratio |",
        "|---|---:|---:|---:|",
        f"| `sluicegate run` | {alone:.1f} | | |",
        *(
            f"| `sluicegate {command}` | {taken:.1f} | {taken - alone:.1f} | {taken / alone:.1f} |"
            for command, taken in seconds.items()
            if command != "run"
        ),
    ]


def main() -> None:
    """Parse the arguments, run, print or write the report."""
    parser = arguments_of(__doc__ or "", rows=4_000)
    parser.add_argument("--real", type=Path, help="a landing folder with real days")
    parser.add_argument("--hub-mirror", type=Path, help="folder of a mirror of the dbt hub")
    parser.add_argument("--sites", type=Path, help="keep Elementary's site of each case in here")
    arguments = parsed(parser)
    mirror = arguments.hub_mirror.resolve() if arguments.hub_mirror else None
    spec = YearSpec(arguments.last_date, 7 * WEEKS + 1, arguments.rows, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="sluicegate-elementary-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        command = Command(mirror, work / "out")
        real = None
        if arguments.real and any(arguments.real.glob("events_*")):
            real = real_days(arguments.real.resolve(), command, work / "real")
        elif arguments.real:
            print(f"{arguments.real}: no real days there, left out", file=sys.stderr)
        bench = WatchedBench(spec, work, command)
        print(f"{spec.days - 1} good days ...", file=sys.stderr)
        bench.prepare()
        found = []
        for case in CASES:
            name = case.fault.name
            site = arguments.sites.resolve() / name / "index.html" if arguments.sites else None
            found.append((case, bench.verdicts(case.fault, site)))
            print(f"{name}: {', '.join(found[-1][1].fired) or 'nothing'}", file=sys.stderr)
        text = report(spec, found, real, bench.seconds())
    deliver_report(text, arguments.write)


if __name__ == "__main__":
    main()
