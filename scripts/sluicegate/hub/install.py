"""The packages of dbt projects, installed from a hub or a mirror of it, and verified."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jinja2
import requests
import yaml

from sluicegate.errors import SluicegateError
from sluicegate.hub.mirror import serve
from sluicegate.hub.packages import LOCK, Package, checksum, read_lock, read_lock_entries, verify
from sluicegate.hub.sources import HUB_VARIABLE, INDEX, hub_address, last_words, shown, status_code

_PROBE_TIMEOUT = (3, 10)
_INSTALL_SECONDS = 600
_HOW_TO_MIRROR = (
    "make a mirror with `sluicegate hub-mirror pull DIR` on a machine that reaches it, and give it "
    "with --hub-mirror DIR."
)


def install(
    project_dir: Path,
    checksums: Mapping[Package, str],
    hub_url: str | None = None,
    env: Mapping[str, str] | None = None,
) -> bool:
    """Install the packages that a dbt project's lock names, and verify them.

    When all of them are there already, nothing is done and no hub is needed.

    Args:
        project_dir: the folder of dbt_project.yml and package-lock.yml.
        checksums: the reviewed checksums; a package with another one, or with none, is removed.
        hub_url: address of a hub, as :func:`serve` gives; by default what DBT_PACKAGE_HUB_URL says,
            else dbt's own.
        env: the environment for dbt; by default this process's.

    Returns:
        Whether anything had to be installed.

    Raises:
        SluicegateError: the hub cannot be reached, dbt failed, or a package is not what was
            reviewed.
    """
    env = dict(os.environ if env is None else env)
    if is_installed(project_dir, checksums, env):
        return False
    if hub_url is None:
        hub_url = hub_address(None, env)
        _probe(hub_url)
    env[HUB_VARIABLE] = hub_address(hub_url, env)
    # A proxy must not be asked for what this machine serves itself.
    direct = ",".join(filter(None, (env.get("no_proxy") or env.get("NO_PROXY"), "127.0.0.1")))
    env["no_proxy"] = env["NO_PROXY"] = direct
    _check_writable(packages_folder(project_dir, env))
    _dbt_deps(project_dir, env)
    refused = []
    for package, folder in _folders(project_dir, env).items():
        if not folder.is_dir():
            raise SluicegateError(f"dbt deps has not installed {package} into {folder}.")
        try:
            verify(package, checksum(folder), checksums, f"in {folder}")
        except SluicegateError as error:
            _remove(folder)
            refused.append(error)
    if refused:
        raise refused[0]
    return True


def install_all(
    project_dirs: Sequence[Path],
    checksums: Mapping[Package, str],
    mirror: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> bool:
    """Install the packages of several dbt projects: from a mirror, or from the hub.

    Neither is needed, nor looked at, when everything is there already.

    Args:
        project_dirs: the folders of their dbt_project.yml.
        checksums: the reviewed checksums.
        mirror: folder of a mirror, as :func:`sluicegate.hub.mirror.pull` makes; None takes the hub.
        env: the environment for dbt; by default this process's.

    Returns:
        Whether anything had to be installed.

    Raises:
        SluicegateError: as :func:`install` and :func:`sluicegate.hub.mirror.serve` say.
    """
    missing = [folder for folder in project_dirs if not is_installed(folder, checksums, env)]
    if not missing:
        return False
    with serve(mirror, checksums) if mirror else nullcontext() as hub_url:
        for folder in missing:
            install(folder, checksums, hub_url, env)
    return True


def is_installed(
    project_dir: Path, checksums: Mapping[Package, str], env: Mapping[str, str] | None = None
) -> bool:
    """Whether all that a dbt project's lock names is installed, with the right checksums.

    Raises:
        SluicegateError: the project or its lock cannot be read.
    """
    env = os.environ if env is None else env
    for entry in read_lock_entries(project_dir / LOCK):
        if "local" in entry:
            origin = project_dir / str(entry["local"])
            name = entry.get("name") or _project_file(origin).get("name")
            folder = packages_folder(project_dir, env) / str(name)
            if not (folder.exists() and origin.exists() and folder.samefile(origin)):
                return False
    return all(
        _matches(folder, checksums.get(package))
        for package, folder in _folders(project_dir, env).items()
    )


def packages_folder(project_dir: Path, env: Mapping[str, str]) -> Path:
    """The folder that dbt installs a project's packages into: packages-install-path.

    Raises:
        SluicegateError: dbt_project.yml cannot be read.
    """

    def env_var(name: str, default: str = "") -> str:
        return env.get(name, default)

    setting = str(_project_file(project_dir).get("packages-install-path") or "dbt_packages")
    try:
        return project_dir / jinja2.Template(setting).render(env_var=env_var)
    except jinja2.TemplateError as error:
        raise SluicegateError(
            f"packages-install-path of {project_dir / 'dbt_project.yml'}: {error}"
        ) from error


def edr_project() -> Path:
    """The dbt project inside the edr command, whose packages it would install when it first runs.

    Raises:
        SluicegateError: edr is not installed.
    """
    found = importlib.util.find_spec("elementary")
    for place in (found and found.submodule_search_locations) or []:
        project = Path(place) / "monitor" / "dbt_project"
        if (project / LOCK).is_file():
            return project
    raise SluicegateError("edr is not installed: pip install 'sluicegate[observability]'.")


def _probe(url: str) -> None:
    """Refuse a hub that does not answer; dbt itself would try for minutes."""
    try:
        with requests.get(urljoin(url, INDEX), timeout=_PROBE_TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
    except requests.HTTPError as error:
        raise SluicegateError(
            f"The dbt package hub {shown(url)} answers HTTP {status_code(error)}: {_HOW_TO_MIRROR}"
        ) from error
    except (requests.RequestException, ValueError) as error:
        raise SluicegateError(
            f"The dbt package hub {shown(url)} cannot be reached: {_HOW_TO_MIRROR}"
        ) from error


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SluicegateError(
            f"Packages cannot be installed into {folder} ({error.strerror or error}): make it a "
            "folder that can be written."
        ) from error


def _dbt_deps(project_dir: Path, env: Mapping[str, str]) -> None:
    folder = str(project_dir.resolve())
    with tempfile.TemporaryDirectory(prefix="sluicegate-deps-") as logs:
        command = [
            *(sys.executable, "-m", "dbt.cli.main", "--quiet", "--no-use-colors"),
            *("--no-send-anonymous-usage-stats", "--log-format", "text", "--log-path", logs),
            *("deps", "--project-dir", folder, "--profiles-dir", folder),
        ]
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise SluicegateError(
                f"dbt deps in {project_dir} did not end in {_INSTALL_SECONDS} seconds."
            ) from error
    if done.returncode != 0:
        said = last_words(done.stdout) or last_words(done.stderr) or f"exit code {done.returncode}"
        raise SluicegateError(f"dbt deps failed in {project_dir}: {said}")


def _folders(project_dir: Path, env: Mapping[str, str]) -> dict[Package, Path]:
    place = packages_folder(project_dir, env)
    return {package: place / name for package, name in read_lock(project_dir / LOCK).items()}


def _matches(folder: Path, expected: str | None) -> bool:
    try:
        return folder.is_dir() and checksum(folder) == expected
    except (OSError, SluicegateError):
        return False


def _project_file(project_dir: Path) -> dict[str, Any]:
    path = project_dir / "dbt_project.yml"
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise SluicegateError(f"{path} cannot be read: {type(error).__name__}.") from error


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
