"""Where the tarballs of dbt packages come from: a hub, or tags of a git repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from sluicegate.errors import SluicegateError
from sluicegate.hub.packages import Package

HUB = "https://hub.getdbt.com/"
# The variable by which dbt finds a hub.
HUB_VARIABLE = "DBT_PACKAGE_HUB_URL"
INDEX = "api/v1/index.json"

_TIMEOUT = (5, 30)


def hub_address(url: str | None, env: Mapping[str, str]) -> str:
    """The address of a hub: the one given, else the environment's, else dbt's own; ends with /."""
    return (url or env.get(HUB_VARIABLE) or HUB).rstrip("/") + "/"


def shown(url: str) -> str:
    """An address without a user, a password and what a query holds."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(its address)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def status_code(error: requests.HTTPError) -> int:
    """The HTTP status that a server refused with."""
    return error.response.status_code if error.response is not None else 0


class Hub:
    """A dbt hub at an address; what it says of a package is asked for once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._versions: dict[str, Any] = {}

    def tarball(self, package: Package) -> bytes:
        """The tarball of a package.

        Raises:
            SluicegateError: the hub or the tarball's host does not answer, or has no such thing.
        """
        if package.id not in self._versions:
            answer = self._get(f"api/v1/{package.id}.json", package.id)
            try:
                self._versions[package.id] = json.loads(answer)["versions"]
            except (ValueError, KeyError, TypeError):
                raise SluicegateError(
                    f"{shown(self.url)} is no dbt package hub: its answer about {package.id} "
                    "has no versions."
                ) from None
        try:
            address = self._versions[package.id][package.version]["downloads"]["tarball"]
            return self._get(address, f"the tarball of {package}")
        except (KeyError, TypeError):
            raise SluicegateError(
                f"The dbt package hub {shown(self.url)} has no version {package.version} of "
                f"{package.id}: correct the version in packages.yml, and run dbt deps --lock."
            ) from None

    def _get(self, address: str, what: str) -> bytes:
        url = self.url
        try:
            url = urljoin(self.url, address)
            return _download(url)
        except requests.HTTPError as error:
            raise SluicegateError(
                f"The dbt package hub does not give {what}: {shown(url)} answers "
                f"HTTP {status_code(error)}."
            ) from error
        except (requests.RequestException, ValueError) as error:
            raise SluicegateError(
                f"The dbt package hub cannot be reached for {what}: {shown(url)} "
                f"({type(error).__name__}). Name another hub with --hub-url, or a git repository "
                "with --git PACKAGE=REPOSITORY."
            ) from error


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return status_code(error) == 429 or status_code(error) >= 500
    passing = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, passing)


@retry(
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.25),
    retry=retry_if_exception(_may_pass),
    reraise=True,
)
def _download(url: str) -> bytes:
    # Without this header some servers send .tar.gz files as .tar files compressed on the way.
    answer = requests.get(url, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})
    answer.raise_for_status()
    return answer.content


def git_archive(repository: Path, package: Package) -> bytes:
    """The .tar.gz of a package's tag (``1.3.3`` or ``v1.3.3``), as GitHub makes it.

    Args:
        repository: the top folder of a checkout, or a bare repository.
        package: the package whose repository it is.

    Raises:
        SluicegateError: there is no git, no repository or no such tag.
    """
    repository = repository.resolve()
    if _git(repository, "rev-parse", "--git-dir").returncode != 0:
        raise SluicegateError(
            f"{repository} is no git repository: give the top folder of a clone of {package.id}."
        )
    for tag in (package.version, f"v{package.version}"):
        commit = f"refs/tags/{tag}^{{commit}}"
        if _git(repository, "rev-parse", "--verify", "--quiet", commit).returncode == 0:
            break
    else:
        raise SluicegateError(
            f"{repository} has no tag {package.version} or v{package.version} of {package.id}: "
            "fetch its tags with git fetch --tags."
        )
    prefix = f"--prefix={package.name}-{package.version}/"
    made = _git(repository, "archive", "--format=tar.gz", prefix, f"refs/tags/{tag}")
    if made.returncode != 0:
        raise SluicegateError(
            f"git cannot make an archive of {package} in {repository}: "
            f"{last_words(made.stderr.decode(errors='replace'))}"
        )
    return made.stdout


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # In a hook of git these variables name that repository; and a folder that is none must not be
    # taken for part of one above it.
    ignored = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
    env = {name: value for name, value in os.environ.items() if name not in ignored}
    env["GIT_CEILING_DIRECTORIES"] = str(repository.parent)
    same_bytes = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *same_bytes, *arguments], env=env, capture_output=True
        )
    except FileNotFoundError:
        raise SluicegateError("git is not installed, and --git needs it.") from None


def last_words(output: str, limit: int = 500) -> str:
    """The end of what a command said, on one line; of a traceback only its last line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    said = re.sub(r"^\d\d:\d\d:\d\d\s", "", plain, flags=re.MULTILINE).strip()
    line = " ".join((said.splitlines()[-1] if "Traceback (most" in said else said).split())
    return line if len(line) <= limit else "…" + line[1 - limit :]


def parse_git(options: Sequence[str]) -> dict[str, Path]:
    """What --git PACKAGE=REPOSITORY says, for :func:`sluicegate.hub.mirror.pull`.

    Raises:
        SluicegateError: one is not of that form.
    """
    repositories = {}
    for option in options:
        package, _, repository = option.partition("=")
        if not package or not repository:
            raise SluicegateError(
                f"--git {option} is not understood: write dbt-labs/dbt_utils=path/of/repository."
            )
        repositories[package] = Path(repository)
    return repositories
