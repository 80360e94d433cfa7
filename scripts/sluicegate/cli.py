"""The sluicegate command."""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from sluicegate import __version__
from sluicegate.errors import SluicegateError, one_line

EXIT_OPEN = 0
EXIT_DATA_FAILED = 1
EXIT_NOT_EVALUATED = 2


def find_project() -> Path:
    """The folder of dbt_project.yml: this folder or one above it, else where the package lies.

    Raises:
        SluicegateError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "dbt_project.yml").is_file():
            return folder
    raise SluicegateError(
        "There is no dbt_project.yml here or above: run this inside the project, "
        "or name its folder with --project-dir."
    )


def fail(error: Exception) -> NoReturn:
    """Say in one line why nothing could be evaluated, and end with exit code 2."""
    text = str(error) if isinstance(error, SluicegateError) else one_line(str(error))
    click.echo(f"sluicegate: {text or type(error).__name__}", err=True)
    sys.exit(EXIT_NOT_EVALUATED)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """A data-quality gate for event streams on ClickHouse.

    Raw rows are landed, evaluated and split into clean rows and rejects; a batch is published only
    when the gate lets it through.

    \b
    Exit codes: 0  the gate is open
                1  data failed it: a batch is held, a file cannot be read, a test failed
                2  it could not be evaluated: configuration, engine or dbt error
    """


_project_dir = click.option(
    "--project-dir",
    type=click.Path(path_type=Path),
    help="Folder of dbt_project.yml  [default: this folder or one above it]",
)
_profiles_dir = click.option(
    "--profiles-dir",
    type=click.Path(path_type=Path),
    help="Folder of profiles.yml  [default: profiles/ of the project]",
)


@main.command()
@click.option(
    "--landing",
    "landing",
    multiple=True,
    metavar="DIR | STREAM=GLOB",
    help="Where the files are: a folder, a glob, s3:// or http(s)://  [default: data/landing]",
)
@click.option("--target", help="Target of the profile: embedded, server or cluster")
@click.option("--select", help="Build only what this dbt selection says")
@click.option("--full-refresh", is_flag=True, help="Land and judge everything again")
@click.option("--unit-tests", is_flag=True, help="Also run dbt's unit tests of the rules")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the report  [default: data/monitoring of the project]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON")
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "warn"]),
    default="critical",
    show_default=True,
    help="From which severity on the exit code is 1",
)
@_project_dir
@_profiles_dir
def run(
    landing: tuple[str, ...],
    target: str | None,
    select: str | None,
    full_refresh: bool,
    unit_tests: bool,
    out: Path | None,
    as_json: bool,
    fail_on: str,
    project_dir: Path | None,
    profiles_dir: Path | None,
) -> None:
    """Land new files, evaluate them, publish what the gate lets through, and report.

    Files that were landed before are skipped; a changed one replaces its batch. The report goes to
    monitoring_report.json and monitoring_alerts.txt in the --out folder.
    """
    try:
        project = (project_dir or find_project()).absolute()
        report_folder = (out or project / "data" / "monitoring").absolute()
        profiles = (profiles_dir or project / "profiles").absolute()
        report = _run(project, profiles, landing, target, select, full_refresh, unit_tests)
        _write(report, report_folder)
    except Exception as error:
        fail(error)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(report)
    if report["status"] == "ERROR":
        errors = [alert["message"] for alert in report["alerts"] if alert["check"] == "run"]
        more = f" (and {len(errors) - 1} more: see the report)" if len(errors) > 1 else ""
        click.echo(f"sluicegate: {errors[0]}{more}", err=True)
        sys.exit(EXIT_NOT_EVALUATED)
    failing = ("FAIL", "WARN") if fail_on == "warn" else ("FAIL",)
    sys.exit(EXIT_DATA_FAILED if report["status"] in failing else EXIT_OPEN)


def _run(
    project: Path,
    profiles: Path,
    landing: tuple[str, ...],
    target: str | None,
    select: str | None,
    full_refresh: bool,
    unit_tests: bool,
) -> dict[str, Any]:
    for noisy in ("urllib3", "urllib3.connectionpool", "clickhouse_connect", "clickhouse_driver"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    # dbt takes a second to import: --help and --version do without it.
    from sluicegate import pipeline, report
    from sluicegate.engine import connect, load_profile
    from sluicegate.summary import RunProgress

    locations = pipeline.landing_locations(landing)
    os.chdir(project)
    profile = load_profile(profiles, target)
    options = pipeline.RunOptions(
        project_dir=project,
        profile=profile,
        profiles_dir=profiles,
        landing=locations,
        select=select,
        full_refresh=full_refresh,
        unit_tests=unit_tests,
    )
    with RunProgress(Console(stderr=True)) as progress:
        built = pipeline.build(options, progress.on_event)
    try:
        with connect(profile) as client:
            streams = report.read_streams(client)
            alerts = report.read_alerts(client, streams, built.tests)
    except Exception:
        if not built.errors:
            raise
        streams, alerts = [], []
    return report.make_report(built.run_id, profile.target_name, streams, alerts, built.errors)


def _write(document: dict[str, Any], folder: Path) -> None:
    from sluicegate.report import write_report

    write_report(document, folder)


def _print(document: dict[str, Any]) -> None:
    from sluicegate.summary import print_summary

    console = Console(width=None if sys.stdout.isatty() else 140)
    print_summary(document, console)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--days", default=14, show_default=True, help="How many daily files")
@click.option("--rows", default=3000, show_default=True, help="Rows a day, about")
@click.option(
    "--first-date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="[default: so that the last day is yesterday]",
)
@click.option("--seed", default=42, show_default=True, help="Another seed gives another shop")
def sample(
    directory: Path, days: int, rows: int, first_date: datetime.datetime | None, seed: int
) -> None:
    """Write sample files of a made-up shop's events into DIRECTORY."""
    try:
        from sluicegate.sample import SampleSpec, write_sample

        yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
        first = first_date.date() if first_date else yesterday - datetime.timedelta(days=days - 1)
        paths = write_sample(
            directory, SampleSpec(first_date=first, days=days, rows_per_day=rows, seed=seed)
        )
    except Exception as error:
        fail(error)
    click.echo(f"{len(paths)} files written to {directory}")


@main.command("dbt", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dbt_command(arguments: tuple[str, ...]) -> None:
    """Run any dbt command on the project, with the embedded engine known to it.

    Plain `dbt build --profiles-dir profiles` works as well; `dbt debug` only through here, because
    dbt opens the connection there before it imports plugin modules.
    """
    from dbt.cli.main import cli

    import dbt_sluicegate  # noqa: F401

    try:
        project = find_project()
    except SluicegateError as error:
        fail(error)
    os.chdir(project)
    os.environ.setdefault("DBT_PROFILES_DIR", str(project / "profiles"))
    cli.main(args=list(arguments), prog_name="dbt")


if __name__ == "__main__":
    main()
