"""The sluicegate command."""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console

from sluicegate import __version__, interrupts
from sluicegate.errors import SluicegateError, one_line
from sluicegate.masking import shown
from sluicegate.steps import Steps

if TYPE_CHECKING:
    from sluicegate.notify.teller import Teller

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
        inside_another = folder.name == "observability" and _is_project(folder.parent)
        if _is_project(folder) and not inside_another:
            return folder
    raise SluicegateError(
        "There is no dbt_project.yml here or above: run this inside the project, "
        "or name its folder with --project-dir."
    )


def _is_project(folder: Path) -> bool:
    return (folder / "dbt_project.yml").is_file()


def fail(error: Exception) -> NoReturn:
    """Say in one line why nothing could be evaluated, and end with exit code 2."""
    click.echo(f"sluicegate: {_complaint(error)}", err=True)
    sys.exit(EXIT_NOT_EVALUATED)


def _complaint(error: Exception) -> str:
    text = str(error) if isinstance(error, SluicegateError) else one_line(str(error))
    return shown(text or type(error).__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """A data-quality gate for event streams on ClickHouse.

    Raw rows are landed, evaluated and split into clean rows and rejects; monitors judge each batch,
    and it is published only when the gate lets it through.

    \b
    Exit codes: 0  the gate is open
                1  data failed it: a CRITICAL alert (a batch is held, a file is missing, ...)
                2  it could not be evaluated: configuration, engine or dbt error
              130  interrupted (Ctrl-C); 143 by SIGTERM
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


_landing = click.option(
    "--landing",
    "landing",
    multiple=True,
    metavar="DIR | STREAM=GLOB",
    help="Where the files are: a folder, a glob, s3:// or http(s)://  [default: data/landing]",
)
_as_of = click.option(
    "--as-of",
    metavar="TIME",
    help="Time in UTC against which lateness is measured  [default: now]",
)
_fail_on = click.option(
    "--fail-on",
    type=click.Choice(["critical", "warn"]),
    default="critical",
    show_default=True,
    help="From which severity on the exit code is 1",
)
_target = click.option("--target", help="Target of the profile: embedded, server or cluster")
_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the report  [default: data/monitoring of the project]",
)
_notify = click.option(
    "--notify",
    "notifies",
    is_flag=True,
    help="Tell people what has changed: see SLUICEGATE_NOTIFY in docs/operations.md",
)


@main.command()
@_landing
@_target
@click.option("--select", help="Build only what this dbt selection says")
@click.option("--full-refresh", is_flag=True, help="Land and judge everything again")
@click.option("--unit-tests", is_flag=True, help="Also run dbt's unit tests of the rules")
@_as_of
@_out
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON")
@_notify
@_fail_on
@_project_dir
@_profiles_dir
def run(
    landing: tuple[str, ...],
    target: str | None,
    select: str | None,
    full_refresh: bool,
    unit_tests: bool,
    as_of: str | None,
    out: Path | None,
    as_json: bool,
    notifies: bool,
    fail_on: str,
    project_dir: Path | None,
    profiles_dir: Path | None,
) -> None:
    """Land new files, evaluate and judge them, publish what the gate lets through, and report.

    Files that were landed before are skipped; a changed one replaces its batch. The report goes to
    index.html, monitoring_report.json, monitoring_alerts.txt, monitoring_junit.xml and
    monitoring_metrics.prom in the --out folder.
    """
    teller = _teller(notifies, out)
    try:
        place = Place.find(project_dir, profiles_dir, out)
        if teller:
            teller.place(place.out)
        report = _build_and_report(
            place,
            target,
            landing,
            teller=teller,
            select=select,
            full_refresh=full_refresh,
            unit_tests=unit_tests,
            as_of=as_of,
        )
    except Exception as error:
        _fail_and_tell(error, teller)
    if teller:
        teller.outcome(report, whole=select is None)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(report, place.out)
    _exit(report, fail_on)


@main.command()
@_landing
@_target
@click.option("--full-refresh", is_flag=True, help="Land and judge everything again")
@_as_of
@_out
@click.option(
    "--hub-mirror",
    type=click.Path(path_type=Path),
    envvar="SLUICEGATE_HUB_MIRROR",
    metavar="DIR",
    help="Take dbt packages from here, not from the hub  [default: $SLUICEGATE_HUB_MIRROR]",
)
@click.option("--report", "makes_site", is_flag=True, help="Make Elementary's report site")
@click.option("--open", "opens", is_flag=True, help="Make the site and open it in a browser")
@_notify
@_fail_on
@_project_dir
@_profiles_dir
def observe(
    landing: tuple[str, ...],
    target: str | None,
    full_refresh: bool,
    as_of: str | None,
    out: Path | None,
    hub_mirror: Path | None,
    makes_site: bool,
    opens: bool,
    notifies: bool,
    fail_on: str,
    project_dir: Path | None,
    profiles_dir: Path | None,
) -> None:
    """Do what `run` does, with Elementary's anomaly tests and, on demand, its report site.

    Builds the dbt project in observability/, which builds the gate's; its packages are installed
    first. What the anomaly tests find are warnings: what holds a batch is decided by the gate's
    checks alone. The site is elementary/index.html in the --out folder.
    """
    teller = _teller(notifies, out)
    try:
        place = Place.find(project_dir, profiles_dir, out)
        if teller:
            teller.place(place.out)
        from sluicegate import observe as observability

        watched = observability.Observability(place.project)
        if observability.install_packages(watched, hub_mirror):
            click.echo("dbt packages installed", err=True)
        # edr starts dbt in another folder, where a relative path would be another one.
        os.environ["SLUICEGATE_DATA"] = str(
            place.project / (os.environ.get("SLUICEGATE_DATA") or "data/clickhouse")
        )
        report = _build_and_report(
            place,
            target,
            landing,
            teller=teller,
            built_project=watched.project,
            full_refresh=full_refresh,
            as_of=as_of,
            variables=observability.variables(as_of, makes_site or opens),
        )
        if makes_site or opens:
            site = place.out / "elementary" / "index.html"
            observability.make_site(watched, place.profiles, report["target"], site)
    except Exception as error:
        _fail_and_tell(error, teller)
    if teller:
        teller.outcome(report)
    _print(report, place.out)
    if makes_site or opens:
        click.echo(f"site: {site}")
    if opens and not webbrowser.open(site.as_uri()):
        click.echo("sluicegate: there is no browser here that could open it", err=True)
    _exit(report, fail_on)


@main.command()
@click.option("--stream", required=True, help="The stream")
@click.option("--batch", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The batch")
@click.option("--by", required=True, help="Who says so")
@click.option("--reason", required=True, help="Why the batch is right as it is")
@click.option("--check", help="The one check that it is about  [default: all that raised an alert]")
@_target
@_out
@_notify
@_project_dir
@_profiles_dir
def ack(
    stream: str,
    batch: datetime.datetime,
    by: str,
    reason: str,
    check: str | None,
    target: str | None,
    out: Path | None,
    notifies: bool,
    project_dir: Path | None,
    profiles_dir: Path | None,
) -> None:
    """Acknowledge what checks found in a batch; a held batch is released and published.

    Who and why is kept in dq_acknowledgements. The word holds for the files that are there now:
    when they are delivered again and fail again, the batch is held again. The exit code is 0 when
    the word was taken, 2 when it was refused.
    """
    teller = _teller(notifies, out)
    try:
        place = Place.find(project_dir, profiles_dir, out)
        if teller:
            teller.place(place.out)
        _quiet_libraries()
        from sluicegate.acknowledge import Acknowledgement, acknowledge
        from sluicegate.engine import connect, load_profile

        word = Acknowledgement(stream, batch.date(), by, reason, check)
        interrupts.finished(interrupts.unknown)
        os.chdir(place.project)
        with connect(load_profile(place.profiles, target)) as client:
            checks = acknowledge(client, word)
    except Exception as error:
        # Said to the person who asked; the gate is as it was.
        fail(error)
    try:
        # With the outbox's own tables, which a data folder of an earlier version does not have.
        select = "dq_incident_changes dq_notifications dq_gate+"
        before = "the acknowledgement is kept"
        report = _build_and_report(
            place, target, teller=teller, before=before, select=select, lands=False
        )
        errors = _run_errors(report)
        if errors:
            raise SluicegateError(f"{errors[0]} The acknowledgement is kept; run sluicegate run.")
    except Exception as error:
        _fail_and_tell(error, teller)
    click.echo(f"{stream} {word.batch_date}: acknowledged {', '.join(checks)}")
    for found in report["streams"]:
        for line in found["batches"]:
            if found["stream"] == stream and line["batch_date"] == str(word.batch_date):
                said = {"hold": "still held", "released": "released and published"}
                click.echo(f"the batch is {said.get(line['decision'], 'published')}")
                for reason_held in line["hold_reasons"]:
                    click.echo(f"  {reason_held}")


@main.command()
@_target
@_out
@_project_dir
@_profiles_dir
def notify(
    target: str | None, out: Path | None, project_dir: Path | None, profiles_dir: Path | None
) -> None:
    """Send what runs have changed to those whom it has not reached.

    Who gets what is in environment variables (SLUICEGATE_NOTIFY, ...): see docs/operations.md. The
    exit code is 0 when all were reached, 2 when one was not.
    """
    interrupts.finished(interrupts.unknown)
    try:
        place = Place.find(project_dir, profiles_dir, out)
        from sluicegate.engine import connect, load_profile
        from sluicegate.notify import read_situation
        from sluicegate.notify.teller import Teller

        teller = Teller(os.environ, place.out)
        _quiet_libraries()
        os.chdir(place.project)
        with connect(load_profile(place.profiles, target)) as client:
            situation = read_situation(client)
            deliveries = teller.incidents(client)
        deliveries += teller.pending(situation)
    except Exception as error:
        fail(error)
    sent = sum(delivery.ok for delivery in deliveries)
    click.echo(f"{sent} of {len(deliveries)} messages sent")
    sys.exit(EXIT_OPEN if sent == len(deliveries) else EXIT_NOT_EVALUATED)


@dataclass(frozen=True)
class Place:
    """Where things are: the project, its profiles, and where the report goes; absolute paths."""

    project: Path
    profiles: Path
    out: Path

    @classmethod
    def find(cls, project: Path | None, profiles: Path | None, out: Path | None) -> Place:
        """The place that the options name, with defaults for what they leave out."""
        project = (project or find_project()).absolute()
        return cls(
            project=project,
            profiles=(profiles or project / "profiles").absolute(),
            out=(out or project / "data" / "monitoring").absolute(),
        )


def _quiet_libraries() -> None:
    for noisy in ("urllib3", "urllib3.connectionpool", "clickhouse_connect", "clickhouse_driver"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _build_and_report(
    place: Place,
    target: str | None,
    landing: tuple[str, ...] = (),
    teller: Teller | None = None,
    built_project: Path | None = None,
    before: str = "",
    **wanted: Any,
) -> dict[str, Any]:
    """Build what is wanted (fields of RunOptions), write the report of it, and tell people.

    Args:
        place: where things are.
        target: the profile's target; None takes its default.
        landing: where files are, as the option says it; empty takes the project's own.
        teller: tells what changed of incidents; None when nobody is to be told.
        built_project: the dbt project to build; the gate's own by default.
        before: what the command has done before, in words, for whoever interrupts it.
    """
    steps = Steps(before)
    interrupts.finished(steps.finished)
    started = time.monotonic()
    _quiet_libraries()
    # dbt takes a second to import: --help and --version do without it.
    from sluicegate import pipeline, report
    from sluicegate.engine import connect, load_profile
    from sluicegate.summary import RunProgress

    profile = load_profile(place.profiles, target)
    is_local = profile.credentials.driver == "chdb"
    locations = pipeline.landing_locations(landing, Path.cwd() if is_local else None)
    if built_project and not locations:
        # Another project does not have the variable.
        locations = pipeline.project_landing(place.project, place.project if is_local else None)
    os.chdir(place.project)
    options = pipeline.RunOptions(
        project_dir=built_project or place.project,
        profile=profile,
        profiles_dir=place.profiles,
        landing=locations,
        **wanted,
    )
    with RunProgress(Console(stderr=True)) as progress:
        built = pipeline.build(options, [progress.on_event, steps.on_event])
    steps.is_over = True
    seconds = time.monotonic() - started
    try:
        with connect(profile) as client:
            problem: Exception | None = None
            try:
                document = report.read_report(
                    client, place.project, built, profile.target_name, seconds
                )
                report.write_report(document, place.out)
            except Exception as error:
                problem = error
            if teller:
                # Whatever became of the report.
                interrupts.finished(
                    lambda: "all tables are built; what was not told, the next run tells"
                )
                teller.incidents(client)
            if problem:
                raise problem
    except Exception:
        if not built.errors:
            raise
        document = report.make_report(built.run_id, profile.target_name, seconds, built.errors)
        report.write_report(document, place.out)
    interrupts.finished(lambda: "all tables are built and the report is written")
    return document


def _teller(notifies: bool, out: Path | None) -> Teller | None:
    """What tells people, if they are to be told; a configuration that cannot be meant ends here."""
    if not notifies:
        return None
    try:
        from sluicegate.notify.teller import Teller

        return Teller(os.environ, None if out is None else out.absolute())
    except Exception as error:
        fail(error)


def _fail_and_tell(error: Exception, teller: Teller | None) -> NoReturn:
    """``fail``, after those who are to be told were told."""
    if teller:
        teller.failure(_complaint(error))
    fail(error)


def _print(document: dict[str, Any], out: Path) -> None:
    from sluicegate.summary import print_summary

    console = Console(width=None if sys.stdout.isatty() else 140)
    print_summary(document, console, page=out / "index.html")


def _run_errors(report: dict[str, Any]) -> list[str]:
    """What kept the run from being evaluated, one line each."""
    return [alert["message"] for alert in report["alerts"] if alert["check"] == "run"]


def _exit(report: dict[str, Any], fail_on: str) -> NoReturn:
    if report["status"] == "ERROR":
        errors = _run_errors(report)
        more = f" (and {len(errors) - 1} more: see the report)" if len(errors) > 1 else ""
        click.echo(f"sluicegate: {errors[0]}{more}", err=True)
        sys.exit(EXIT_NOT_EVALUATED)
    failing = ("FAIL", "WARN") if fail_on == "warn" else ("FAIL",)
    sys.exit(EXIT_DATA_FAILED if report["status"] in failing else EXIT_OPEN)


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
    interrupts.finished(interrupts.unknown)
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


@main.group("hub-mirror")
def hub_mirror() -> None:
    """A mirror of the dbt hub's packages, for networks that do not reach the hub."""


@hub_mirror.command("pull")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--hub-url",
    metavar="URL",
    help="Another hub or mirror  [default: $DBT_PACKAGE_HUB_URL, else https://hub.getdbt.com/]",
)
@click.option(
    "--git",
    "git",
    multiple=True,
    metavar="PACKAGE=REPOSITORY",
    help="Make a package from the tags of a git clone instead: dbt-labs/dbt_utils=../dbt-utils",
)
@_project_dir
def hub_mirror_pull(
    directory: Path, hub_url: str | None, git: tuple[str, ...], project_dir: Path | None
) -> None:
    """Download the dbt packages of observability/ and of edr into DIR, and verify them.

    What is in DIR with the right checksum is not downloaded again. Checksums are in
    observability/package-checksums.yml; a package with another one, or without one, is not kept.
    The exit code is 0 when all of them are there, 2 when one is not.
    """
    interrupts.finished(interrupts.unknown)
    try:
        from sluicegate.hub.mirror import pull
        from sluicegate.hub.packages import read_checksums
        from sluicegate.hub.sources import parse_git
        from sluicegate.observe import Observability

        watched = Observability(Place.find(project_dir, None, None).project)
        watched.check()
        checksums = read_checksums(watched.checksums)
        packages = pull(directory, watched.locks, checksums, hub_url, parse_git(git))
    except Exception as error:
        fail(error)
    for package in packages:
        click.echo(f"{package}  {checksums[package]}")
    click.echo(f"{len(packages)} packages are in {directory}")


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
    steps = Steps()
    interrupts.finished(steps.finished)
    cli.main(args=list(arguments), prog_name="dbt", obj={"callbacks": [steps.on_event]})


if __name__ == "__main__":
    interrupts.install()
    main()
