"""The sluicegate command: exit codes, what goes to stdout and to stderr, and the report's files."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from conftest import HEADER, ROOT, Gate
from test_page import browse, needs_a_browser

from sluicegate import __version__
from sluicegate.cli import main

PROGRESS = re.compile(r"\w+: (success|error|skipped)")


def day(number: int, *clients: str) -> str:
    """The file of a day of January 2025: one page view a client."""
    return HEADER + "".join(
        f"{client},https://shop.example/,,2025-01-{number:02}T08:00:00.000Z,page_viewed,,Mozilla\n"
        for client in clients
    )


WITHOUT_TIMESTAMP = HEADER.replace("timestamp,", "") + "ann,https://a.example/,,page_viewed,,M\n"


@dataclass(frozen=True)
class Run:
    """What a command left: exit code, both streams, and the files in its --out folder."""

    exit_code: int
    stdout: str
    stderr: str
    report: dict[str, Any]
    alerts: str

    @property
    def batches(self) -> dict[str, dict[str, Any]]:
        """The report's batches of web_events, by date."""
        [stream] = self.report["streams"]
        assert stream["stream"] == "web_events"
        return {batch["batch_date"]: batch for batch in stream["batches"]}

    @property
    def complaints(self) -> list[str]:
        """The lines on stderr that are not progress."""
        return [line for line in self.stderr.splitlines() if not PROGRESS.fullmatch(line)]


@dataclass(frozen=True)
class Command:
    """``sluicegate run`` on a gate's folders, in this process."""

    gate: Gate

    @property
    def out(self) -> Path:
        return self.gate.folder / "out"

    def run(self, *arguments: str, landing: str | None = None) -> Run:
        """Run it; the folder of the report is empty before."""
        shutil.rmtree(self.out, ignore_errors=True)
        result = CliRunner().invoke(
            main,
            [
                *("run", "--landing", landing or str(self.gate.landing), "--out", str(self.out)),
                *arguments,
            ],
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return self.left_by(result.exit_code, result.stdout, result.stderr)

    def left_by(self, exit_code: int, stdout: str, stderr: str) -> Run:
        assert "Traceback" not in stdout + stderr
        report = self.out / "monitoring_report.json"
        alerts = self.out / "monitoring_alerts.txt"
        return Run(
            exit_code,
            stdout,
            stderr,
            json.loads(report.read_text()) if report.exists() else {},
            alerts.read_text() if alerts.exists() else "",
        )


@contextmanager
def command_in(folder: Path) -> Iterator[Command]:
    """The command on an empty gate, its dbt artifacts out of the way of the project."""
    gate = Gate(folder)
    for path in (gate.landing, gate.data):
        shutil.rmtree(path, ignore_errors=True)
    gate.landing.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        # Not the target folder of Gate.dbt: dbt reads the project anew when variables change.
        patch.setenv("DBT_TARGET_PATH", str(folder / "cli-target"))
        patch.setenv("DBT_LOG_PATH", str(folder / "logs"))
        patch.chdir(ROOT)
        yield Command(gate)


@pytest.fixture
def command(gate_folder: Path) -> Iterator[Command]:
    with command_in(gate_folder) as made:
        yield made


def validate(report: dict[str, Any]) -> None:
    """Check a report against the published schema."""
    schema = json.loads((ROOT / "docs" / "monitoring_report.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(report)


def project_copy(folder: Path) -> Path:
    """A copy of what dbt reads of the project, to be changed by a test."""
    for name in ("macros", "models", "profiles", "seeds", "tests/generic", "tests/singular"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "dbt_project.yml", folder)
    return folder


# The gate is open


@pytest.fixture(scope="module")
def open_gate(gate_folder: Path) -> tuple[Run, Run]:
    """Two good days, run twice: as JSON, then for people."""
    with command_in(gate_folder) as command:
        command.gate.write("events_20250101.csv", day(1, "ann", "bob"))
        command.gate.write("events_20250102.csv", day(2, "ann", ""))
        return command.run("--json"), command.run()


def test_an_open_gate_is_exit_code_0(open_gate: tuple[Run, Run]) -> None:
    assert [run.exit_code for run in open_gate] == [0, 0]
    assert [run.report["status"] for run in open_gate] == ["PASS", "PASS"]


def test_results_are_on_stdout_and_progress_is_on_stderr(open_gate: tuple[Run, Run]) -> None:
    _, for_people = open_gate
    assert for_people.stdout.endswith("PASS the gate is open\n")
    # The second run has nothing to do, and says so.
    assert for_people.stdout.startswith(
        "web_events: nothing new, no batch was judged in this run; 2 up to 2025-01-02, "
        "all published\n"
    )
    for run in open_gate:
        assert "stg_web_events__clean: success" in run.stderr.splitlines()
        assert run.complaints == []


def test_json_alone_is_on_stdout_and_it_is_the_report(open_gate: tuple[Run, Run]) -> None:
    as_json, _ = open_gate
    assert json.loads(as_json.stdout) == as_json.report


def test_a_second_run_reports_the_same_batches(open_gate: tuple[Run, Run]) -> None:
    first, second = open_gate
    assert set(first.batches) == {"2025-01-01", "2025-01-02"}
    assert second.batches == first.batches
    assert second.report["run_id"] != first.report["run_id"]


def test_the_report_counts_every_row_and_says_what_became_of_it(
    open_gate: tuple[Run, Run],
) -> None:
    first, _ = open_gate
    assert first.report["date"] == "2025-01-02"
    assert first.report["alerts"] == []
    batch = first.batches["2025-01-02"]
    assert (batch["rows_raw"], batch["rows_clean"], batch["rows_rejected"]) == (2, 1, 1)
    assert batch["reject_reasons"] == {"missing_client_id": 1}
    assert batch["decision"] == "publish"


def test_the_alerts_of_an_open_gate_are_one_line_with_its_status(
    open_gate: tuple[Run, Run],
) -> None:
    first, _ = open_gate
    assert first.alerts == f"PASS 2025-01-02 run {first.report['run_id']}\n"


# Data fails the gate


@dataclass(frozen=True)
class BadData:
    """A file that cannot be read beside a good one; then, without it, a day that is held."""

    unreadable: Run
    held: Run
    published: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def bad_data(gate_folder: Path) -> BadData:
    with command_in(gate_folder) as command, command.gate.started():
        command.gate.write("events_20250101.csv", day(1, "ann"))
        broken = command.gate.write("events_20250102.parquet", "no parquet")
        unreadable = command.run()
        broken.unlink()
        command.gate.write("events_20250103.csv", day(3, "bob"))
        command.gate.write("events_20250104.csv", WITHOUT_TIMESTAMP)
        held = command.run()
        published = command.gate.query(
            "select toDayOfMonth(batch_date), client_id from stg_web_events__clean order by all"
        )
        return BadData(unreadable, held, published)


def test_a_file_that_cannot_be_read_is_exit_code_1_and_named(bad_data: BadData) -> None:
    run = bad_data.unreadable
    assert (run.exit_code, run.report["status"]) == (1, "FAIL")
    [alert] = run.report["alerts"]
    assert (alert["severity"], alert["check"]) == ("CRITICAL", "file_unreadable")
    assert alert["dimension"] == "events_20250102.parquet"
    for place in (alert["message"], run.stdout, run.alerts):
        assert "file_unreadable[events_20250102.parquet]=1 (max 0" in place
        assert "it cannot be read, none of it was landed: " in place


def test_the_other_files_are_processed_beside_it(bad_data: BadData) -> None:
    assert bad_data.unreadable.batches["2025-01-01"]["decision"] == "publish"
    assert (1, "ann") in bad_data.published


def test_a_held_batch_is_exit_code_1_and_says_why(bad_data: BadData) -> None:
    run = bad_data.held
    assert (run.exit_code, run.report["status"]) == (1, "FAIL")
    # The file that was taken away is missed, too.
    critical = [found for found in run.report["alerts"] if found["severity"] == "CRITICAL"]
    assert {(found["check"], found["batch_date"]) for found in critical} == {
        ("mandatory_column_missing", "2025-01-04"),
        ("file_missing", "2025-01-02"),
    }
    alert = critical[0]
    assert (alert["stream"], alert["batch_date"]) == ("web_events", "2025-01-04")
    assert run.batches["2025-01-04"]["decision"] == "hold"
    for place in (alert["message"], run.stdout, run.alerts):
        assert (
            "mandatory_column_missing[timestamp]=1 (max 0, usually 0), "
            "absent from events_20250104.csv"
        ) in " ".join(place.split())


def test_the_other_batches_are_published_beside_it(bad_data: BadData) -> None:
    assert bad_data.published == [(1, "ann"), (3, "bob")]


def test_data_that_fails_is_no_complaint_about_the_run(bad_data: BadData) -> None:
    for run in (bad_data.unreadable, bad_data.held):
        # The one line about the file is dbt's own message, passed on as progress.
        assert not any(line.startswith("sluicegate: ") for line in run.complaints)
        assert [line for line in run.complaints if "events_20250102.parquet" not in line] == []


def test_every_report_keeps_to_the_published_schema(
    open_gate: tuple[Run, Run], bad_data: BadData
) -> None:
    for run in (*open_gate, bad_data.unreadable, bad_data.held):
        validate(run.report)


# Warnings and broken projects, on a copy of the project


@dataclass(frozen=True)
class ChangedProject:
    """A project with a test that warns; then also with two models that cannot be built."""

    tolerated: Run
    not_tolerated: Run
    broken: Run


@pytest.fixture(scope="module")
def changed_project(gate_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ChangedProject:
    project = project_copy(tmp_path_factory.mktemp("project"))
    (project / "tests" / "singular" / "assert_nobody_came.sql").write_text(
        "{{ config(severity='warn') }}\nselect client_id from {{ ref('stg_web_events__clean') }}"
    )
    here = ("--project-dir", str(project))
    with command_in(gate_folder) as command, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(project / "target"))
        command.gate.write("events_20250101.csv", day(1, "ann", "bob"))
        with command.gate.started():
            tolerated = command.run(*here)
            not_tolerated = command.run(*here, "--fail-on", "warn")
        for number in (1, 2):
            (project / "models" / f"broken_{number}.sql").write_text(
                f"select no_such_column_{number} from {{{{ ref('dq_gate') }}}}"
            )
        (project / "models" / "skipped.sql").write_text("select * from {{ ref('broken_1') }}")
        with command.gate.started():
            broken = command.run(*here)
        return ChangedProject(tolerated, not_tolerated, broken)


def test_a_warning_is_exit_code_0_unless_asked_to_fail(changed_project: ChangedProject) -> None:
    for run, exit_code in (
        (changed_project.tolerated, 0),
        (changed_project.not_tolerated, 1),
    ):
        assert (run.exit_code, run.report["status"]) == (exit_code, "WARN")
        assert run.stdout.endswith("WARN the gate is open, with warnings\n")
        [alert] = run.report["alerts"]
        assert (alert["severity"], alert["check"]) == ("WARN", "assert_nobody_came")
        assert "assert_nobody_came=2 (max 0)" in alert["message"]
        validate(run.report)


def test_models_that_fail_are_exit_code_2_and_one_line(changed_project: ChangedProject) -> None:
    run = changed_project.broken
    assert (run.exit_code, run.report["status"]) == (2, "ERROR")
    [complaint] = run.complaints
    assert complaint.startswith("sluicegate: ")
    assert re.search(r"broken_[12] failed: .*no_such_column_[12]", complaint)
    assert "skipped" not in complaint
    validate(run.report)


# Hostile events

SCRIPT = "<script>document.title='pwned'</script><img src=x onerror=document.title='pwned'>"


@needs_a_browser
def test_scripts_in_every_column_of_an_event_are_text_on_the_page(command: Command) -> None:
    fields = [f'"{SCRIPT}{name}"' for name in HEADER.strip().split(",")]
    unknown = HEADER.strip() + f',"{SCRIPT}column"\n'
    command.gate.write("events_20250101.csv", unknown + ",".join([*fields, '"x"']) + "\n")
    command.gate.write("events_20250102.csv", HEADER + f'"{SCRIPT}line\n')
    # Of the newest batch there are samples on the page, columns of the contract as they came.
    command.gate.write(
        f"events_20250103{SCRIPT.replace('/', '')}.csv", HEADER + ",".join(fields) + "\n"
    )
    with command.gate.started():
        run = command.run()
    assert run.exit_code in (0, 1)
    validate(run.report)
    page = command.out / "index.html"
    assert "pwned" in page.read_text()
    # Even without the policy that would stop any script.
    page.write_text(
        re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    )
    dom = browse(page)
    assert "<title>pwned" not in dom
    assert not re.search(r"<(script|img|iframe)\b", dom)
    assert "&lt;script&gt;" in dom


# It cannot be evaluated


def assert_not_evaluated(run: Run, *said: str) -> None:
    """Exit code 2, and on stderr, apart from progress, one line that says all this."""
    assert run.exit_code == 2
    assert len(run.complaints) == 1, run.stderr
    assert run.complaints[0].startswith("sluicegate: ")
    for words in said:
        assert words in run.complaints[0]


def test_an_unknown_target_is_named_with_those_there_are(command: Command) -> None:
    run = command.run("--target", "moon")
    assert_not_evaluated(run, "moon", "embedded", "server", "cluster")
    assert run.stdout == ""


def test_a_missing_landing_folder_is_named(command: Command) -> None:
    gone = command.gate.folder / "gone"
    assert_not_evaluated(command.run(landing=str(gone)), f"The landing folder {gone} ", "--landing")
    assert not command.gate.data.exists()


def test_an_unknown_stream_is_named_with_those_there_are(command: Command) -> None:
    run = command.run(landing=f"mails={command.gate.landing}")
    assert_not_evaluated(run, "There is no stream mails", "web_events")


def test_a_landing_folder_without_files_is_named(command: Command) -> None:
    run = command.run()
    assert_not_evaluated(run, "No files of stream web_events", str(command.gate.landing))
    assert run.report["status"] == "ERROR"


@pytest.mark.parametrize(
    "profiles",
    [None, "", "sluicegate: {target: [", "another: {target: a, outputs: {a: {type: clickhouse}}}"],
    ids=["missing", "empty", "no YAML", "without our profile"],
)
def test_an_unusable_profile_is_named(
    command: Command, tmp_path: Path, profiles: str | None
) -> None:
    if profiles is not None:
        (tmp_path / "profiles.yml").write_text(profiles)
    assert_not_evaluated(command.run("--profiles-dir", str(tmp_path)), str(tmp_path))


def test_a_folder_that_is_no_project_is_named(command: Command, tmp_path: Path) -> None:
    assert_not_evaluated(command.run("--project-dir", str(tmp_path)), str(tmp_path))


def test_a_data_folder_that_cannot_be_one_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SLUICEGATE_DATA", str(tmp_path / "file"))
    assert_not_evaluated(command.run(), f"The data folder {tmp_path / 'file'} cannot be written")


def test_a_server_that_does_not_answer_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKHOUSE_PORT", "1")
    assert_not_evaluated(command.run("--target", "server"), "localhost:1", "CLICKHOUSE_HOST")


def test_a_report_folder_that_cannot_be_written_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_not_evaluated(command.run("--out", str(tmp_path / "file")), str(tmp_path / "file"))


@pytest.fixture
def small_disk(command: Command) -> Iterator[Path]:
    """A file system of 40 MB at the place of the data folder."""
    folder = command.gate.data
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_costs_no_published_row(
    command: Command, small_disk: Path
) -> None:
    command.gate.write("events_20250101.csv", day(1, "ann"))
    assert command.run().exit_code == 0
    # Random digits, which cannot be compressed to less than half their size.
    clients = [secrets.token_hex(500) for _ in range(70_000)]
    command.gate.write("events_20250102.csv", day(2, *clients))
    assert_not_evaluated(command.run(), "The disk is full", "run again")

    subprocess.run(["mount", "-o", "remount,size=1g", str(small_disk)], check=True)
    assert command.gate.query("select client_id from stg_web_events__clean") == [("ann",)]
    run = command.run()
    # Seventy thousand page views without a purchase are an alert, and nothing else is.
    assert [
        alert["check"] for alert in run.report["alerts"] if alert["severity"] == "CRITICAL"
    ] == ["purchases_present"]
    assert run.batches["2025-01-02"]["rows_clean"] == 70_000


# The command line


def test_help_names_the_exit_codes() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert re.search(
        r"Exit codes: 0 .*gate is open\n\s+1 .*data failed.*\n\s+2 .*not be evaluated",
        result.stdout,
    )
    assert "--fail-on" in CliRunner().invoke(main, ["run", "--help"]).stdout


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"sluicegate, version {__version__}\n")


@pytest.fixture(scope="module")
def own_process(gate_folder: Path) -> Run:
    """The command as a process of its own, on one of two files, which has to be held."""
    with command_in(gate_folder) as command:
        command.gate.write("events_20250101.csv", WITHOUT_TIMESTAMP)
        command.gate.write("events_20250102.csv", day(2, "ann"))
        shutil.rmtree(command.out, ignore_errors=True)
        landing = f"web_events={command.gate.landing}/events_*01.csv"
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "sluicegate.cli", "run", "--json"),
                *("--landing", landing, "--out", str(command.out)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return command.left_by(ended.returncode, ended.stdout, ended.stderr)


def test_a_process_of_its_own_ends_with_the_exit_code(own_process: Run) -> None:
    assert own_process.exit_code == 1
    assert json.loads(own_process.stdout) == own_process.report
    assert own_process.complaints == []


def test_landing_takes_a_glob_for_a_stream(own_process: Run) -> None:
    assert set(own_process.batches) == {"2025-01-01"}


# Real files

# Counted with Python's csv and json modules: rows, empty client_id, empty referrer, synthetic
# referrer, purchases, revenue, purchases with revenue 0.
COUNTED = {
    "2025-02-23": (4070, 22, 2970, 345, 21, 20408, 0),
    "2025-02-24": (3769, 55, 2908, 244, 26, 25457.6, 1),
    "2025-02-25": (3470, 34, 2601, 242, 16, 13543, 1),
    "2025-02-26": (3177, 46, 2246, 278, 15, 18629, 0),
    "2025-02-27": (3393, 34, 2419, 280, 21, 18148, 1),
    "2025-02-28": (3263, 27, 1947, 455, 19, 18669, 1),
    "2025-03-01": (3489, 23, 1266, 911, 29, 33183, 0),
}
# Days on which two different purchases bear one transaction_id.
COLLISIONS = {"2025-02-26", "2025-02-27", "2025-03-01"}


def test_the_report_of_real_files_says_what_was_counted_in_them(
    command: Command, puffy: Path
) -> None:
    with command.gate.started():
        run = command.run(landing=str(puffy))
        purchases = dict(
            command.gate.query(
                "select toString(batch_date), toUInt64(numerator) from dq_metrics "
                "where metric = 'purchases' and dimension = ''"
            )
        )
    assert run.exit_code == 0
    found = {
        date: (
            batch["rows_raw"],
            batch["reject_reasons"]["missing_client_id"],
            batch["warnings"]["missing_referrer"],
            batch["warnings"]["synthetic_referrer"],
            purchases[date],
            batch["revenue_raw"],
            batch["warnings"].get("zero_value_checkout", 0),
        )
        for date, batch in run.batches.items()
    }
    assert found == COUNTED
    for date, batch in run.batches.items():
        collisions = batch["warnings"].get("transaction_id_collision", 0)
        assert collisions == (2 if date in COLLISIONS else 0)
        # Each purchase with revenue 0 has one item, whose fields are all null.
        assert batch["warnings"].get("corrupt_items", 0) == COUNTED[date][6]
        assert batch["rows_clean"] + batch["rows_rejected"] == batch["rows_raw"]
        assert batch["revenue_clean"] + batch["revenue_rejected"] == pytest.approx(COUNTED[date][5])
        assert set(batch["reject_reasons"]) <= {"missing_client_id", "duplicate_event"}
        assert batch["decision"] == "publish"
