"""One run of the gate: dbt build in this process, and what came out of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.config.profile import Profile
from dbt_common.invocation import get_invocation_id

from sluicegate.errors import SluicegateError, one_line

STREAMS = ("web_events",)
REMOTE = ("s3://", "http://", "https://")


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked to do.

    Attributes:
        project_dir: folder of dbt_project.yml.
        profile: the target to run on, as ``engine.load_profile`` gives it.
        profiles_dir: folder of profiles.yml, where the profile was read.
        landing: locations per stream; empty takes the project's own.
        select: dbt selection; None builds everything.
        full_refresh: land and judge everything again.
        unit_tests: also run dbt's unit tests of the rules.
        as_of: time in UTC against which lateness is measured, ISO 8601; None takes the clock.
        lands: whether files are landed, so that their folder must be there.
        variables: more variables for dbt.
    """

    project_dir: Path
    profile: Profile
    profiles_dir: Path
    landing: dict[str, list[str]] = field(default_factory=dict)
    select: str | None = None
    full_refresh: bool = False
    unit_tests: bool = False
    as_of: str | None = None
    lands: bool = True
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TestResult:
    """A dbt test that did not pass.

    Attributes:
        name: the test's name.
        status: fail or warn.
        failures: how many rows it returned.
        model: the model it is attached to; '' for a singular test.
        message: what dbt says of it.
    """

    name: str
    status: str
    failures: int
    model: str
    message: str


@dataclass(frozen=True)
class BuildResult:
    """What dbt build did.

    Attributes:
        run_id: dbt's invocation id.
        tests: the tests that failed or warned.
        errors: what could not be built or evaluated, one line each; empty when all could.
    """

    run_id: str
    tests: list[TestResult]
    errors: list[str]


def landing_locations(
    arguments: tuple[str, ...], folder: Path | None = None
) -> dict[str, list[str]]:
    """The locations of each stream, from ``DIR`` or ``STREAM=GLOB`` arguments.

    A bare location holds for every stream; a stream may have several.

    Args:
        arguments: as they were given.
        folder: where relative paths count from, so that local ones become absolute; None leaves
            them as they are, for a server that reads them below a folder of its own.

    Raises:
        SluicegateError: an unknown stream.
    """
    locations: dict[str, list[str]] = {}
    for argument in arguments:
        stream, equals, location = argument.partition("=")
        if not equals or stream.startswith(REMOTE) or "/" in stream:
            for name in STREAMS:
                locations.setdefault(name, []).append(_absolute(argument, folder))
        elif stream in STREAMS:
            locations.setdefault(stream, []).append(_absolute(location, folder))
        else:
            raise SluicegateError(
                f"There is no stream {stream}: --landing takes a folder or STREAM=GLOB, and the "
                f"streams are {', '.join(STREAMS)}."
            )
    return locations


def _absolute(location: str, folder: Path | None) -> str:
    if folder is None or location.startswith(REMOTE):
        return location
    return str((folder / location).resolve())


def check_landing(locations: dict[str, list[str]]) -> None:
    """Refuse local folders that are not there, before anything is opened.

    Raises:
        SluicegateError: naming the folder.
    """
    for stream, location in (
        (stream, location) for stream, listed in locations.items() for location in listed
    ):
        if location.startswith(REMOTE):
            continue
        fixed = Path(location)
        while any(sign in fixed.name for sign in "*?{") and fixed.parent != fixed:
            fixed = fixed.parent
        if not fixed.exists():
            raise SluicegateError(
                f"The landing folder {fixed} of stream {stream} does not exist: create it and put "
                "files named events_YYYYMMDD.csv there, or point --landing at where they are."
            )
        if fixed.is_dir() and not os.access(fixed, os.R_OK | os.X_OK):
            raise SluicegateError(
                f"The landing folder {fixed} of stream {stream} cannot be read: "
                "give this user the right to list and read it."
            )


def build(options: RunOptions, on_event: Sequence[Callable[[Any], None]] = ()) -> BuildResult:
    """Run ``dbt build`` in this process.

    Args:
        options: what to run.
        on_event: called with each of dbt's log events, for a progress display.

    Raises:
        SluicegateError: dbt could not even begin (project, landing folder, data folder in use).
    """
    if options.lands and options.profile.credentials.driver == "chdb":
        check_landing(options.landing or project_landing(options.project_dir, options.project_dir))
    arguments = [
        "build",
        "--project-dir",
        str(options.project_dir),
        "--profiles-dir",
        str(options.profiles_dir),
        "--log-level",
        "none",
        "--log-level-file",
        "info",
        "--target",
        options.profile.target_name,
    ]
    variables = dict(options.variables)
    if options.landing:
        variables["landing"] = options.landing
    if options.as_of:
        variables["as_of"] = options.as_of
    if variables:
        arguments += ["--vars", json.dumps(variables)]
    if options.select:
        arguments += ["--select", *options.select.split()]
    if options.full_refresh:
        arguments += ["--full-refresh"]
    if not options.unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    outcome = dbtRunner(callbacks=list(on_event)).invoke(arguments)
    return _summarise(outcome)


def project_landing(project_dir: Path, folder: Path | None) -> dict[str, list[str]]:
    """The landing locations that dbt_project.yml gives.

    Args:
        project_dir: folder of dbt_project.yml.
        folder: as in ``landing_locations``.

    Raises:
        SluicegateError: the file cannot be read.
    """
    try:
        project = yaml.safe_load((project_dir / "dbt_project.yml").read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SluicegateError(
            f"There is no readable dbt_project.yml in {project_dir}: {one_line(str(error))}"
        ) from error
    landing = (project.get("vars") or {}).get("landing") or {}
    return {
        stream: [
            _absolute(location, folder)
            for location in ([listed] if isinstance(listed, str) else listed)
        ]
        for stream, listed in landing.items()
    }


def _summarise(outcome: dbtRunnerResult) -> BuildResult:
    results = getattr(outcome.result, "results", None)
    if results is None:
        reason = str(outcome.exception) if outcome.exception else "dbt ended without results"
        raise SluicegateError(one_line(reason))
    tests: list[TestResult] = []
    errors: list[str] = []
    for result in results:
        node = result.node
        status = str(result.status)
        if node.resource_type == "test" and status in ("fail", "warn"):
            attached = getattr(node, "attached_node", None) or ""
            tests.append(
                TestResult(
                    name=node.name,
                    status=status,
                    failures=int(result.failures or 0),
                    model=attached.rpartition(".")[2],
                    message=one_line(result.message or ""),
                )
            )
        elif status in ("error", "fail", "runtime error", "partial success"):
            errors.append(
                f"{node.resource_type} {node.name} failed: {one_line(result.message or '')}"
            )
    return BuildResult(run_id=get_invocation_id(), tests=tests, errors=errors)
