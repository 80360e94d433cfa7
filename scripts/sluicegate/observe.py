"""The project in observability/: its packages, its build, and Elementary's report site."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluicegate.errors import SluicegateError
from sluicegate.files import write_whole
from sluicegate.hub.install import edr_project, install_all
from sluicegate.hub.packages import CHECKSUMS, LOCK, read_checksums
from sluicegate.hub.sources import last_words

# edr's settings: it must not call home, look for newer versions or install anything.
_EDR_CONFIG = """\
anonymous_usage_tracking: false
disable_elementary_version_check: true
disable_elementary_logo_print: true
run_dbt_deps_if_needed: false
"""

# Nothing that only the site shows is written by a build whose site nobody makes.
_WITHOUT_ARTIFACTS = {
    "disable_dbt_artifacts_autoupload": True,
    "disable_dbt_invocation_autoupload": True,
    "disable_run_results": True,
}


@dataclass(frozen=True)
class Observability:
    """The second dbt project, beside the one that holds the gate.

    Attributes:
        root: folder of the gate's dbt_project.yml.
    """

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "observability"

    @property
    def checksums(self) -> Path:
        return self.project / CHECKSUMS

    @property
    def locks(self) -> list[Path]:
        """The locks that name all packages: the project's, and the one inside edr."""
        return [self.project / LOCK, edr_project() / LOCK]

    @property
    def edr_folder(self) -> Path:
        """Where edr finds its packages and writes what it needs; it may be deleted at any time."""
        return self.project / "target" / "edr"

    def check(self) -> None:
        """Refuse a folder without the project.

        Raises:
            SluicegateError: it is not there.
        """
        if not (self.project / "dbt_project.yml").is_file():
            raise SluicegateError(
                f"There is no dbt project in {self.project}: run this in a whole checkout, or name "
                "its folder with --project-dir."
            )


def install_packages(place: Observability, mirror: Path | None) -> bool:
    """Install the dbt packages of the project and of edr, unless they are there.

    Args:
        place: where the project is.
        mirror: folder of a mirror made by ``sluicegate hub-mirror pull``; None asks the dbt hub.

    Returns:
        Whether anything had to be installed.

    Raises:
        SluicegateError: as ``hub.install.install_all`` says.
    """
    place.check()
    checksums = read_checksums(place.checksums)
    return install_all([place.project, edr_project()], checksums, mirror, _edr_env(place))


def variables(as_of: str | None, with_site: bool) -> dict[str, Any]:
    """The variables of Elementary for one build.

    Args:
        as_of: time in UTC that counts as now, ISO 8601; None takes the clock.
        with_site: whether the site is made afterwards; without it only the tests matter.
    """
    found: dict[str, Any] = {} if with_site else dict(_WITHOUT_ARTIFACTS)
    if as_of:
        # What is no time is refused by the gate's own macro, with what to write.
        with suppress(ValueError):
            moment = datetime.datetime.fromisoformat(as_of)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
            found["custom_run_started_at"] = moment.isoformat()
    return found


def make_site(place: Observability, profiles: Path, target: str, path: Path) -> None:
    """Write Elementary's report of what was built so far: one HTML file.

    Args:
        place: where the project is.
        profiles: folder of profiles.yml, which has the profile ``elementary``.
        target: name of the target.
        path: the file; the one there is replaced when the new one is whole.

    Raises:
        SluicegateError: edr failed.
    """
    folder = place.edr_folder
    (folder / "home" / ".edr").mkdir(parents=True, exist_ok=True)
    (folder / "home" / ".edr" / "config.yml").write_text(_EDR_CONFIG, encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = folder / "report.html"
    written.unlink(missing_ok=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "elementary.cli.cli", "report"),
            *("--profiles-dir", str(profiles), "--profile-target", target),
            *("--config-dir", str(folder / "home" / ".edr")),
            *("--target-path", str(folder / "edr_target"), "--file-path", str(written)),
            *("--project-name", "Sluicegate", "--env", target),
            *("--disable-samples", "true", "--open-browser", "false", "--quiet-logs"),
        ],
        # edr makes a folder edr_target wherever it is started.
        cwd=folder,
        env=_edr_env(place),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 or not written.is_file():
        said = last_words(done.stderr) or last_words(done.stdout) or "it said nothing"
        raise SluicegateError(
            f"edr report failed (exit code {done.returncode}): {said} "
            f"More is in {folder / 'edr_target' / 'edr.log'}."
        )
    write_whole(path, written.read_bytes())


def _edr_env(place: Observability) -> dict[str, str]:
    """The environment in which edr neither calls home nor writes into the installed packages."""
    folder = place.edr_folder.absolute()
    return {
        **os.environ,
        # It looks for its settings there, whatever --config-dir says.
        "HOME": str(folder / "home"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "DBT_PACKAGES_FOLDER": str(folder / "packages"),
        "EDR_INTERNAL_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
