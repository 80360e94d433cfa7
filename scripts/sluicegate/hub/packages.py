"""Packages of the dbt hub: which versions a lock names, and whether what came is what was meant."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import io
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from sluicegate.errors import SluicegateError

LOCK = "package-lock.yml"
CHECKSUMS = "package-checksums.yml"
# dbt packages hold some hundred kilobytes: far more than that is an archive made to fill a disk.
LARGEST_PACKAGE_BYTES = 256 * 1024 * 1024

_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_VERSION = re.compile(r"\d[\w.+-]*", re.ASCII)
_CHECKSUM = re.compile(r"h1:[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True, order=True)
class Package:
    """One version of a package of the dbt hub.

    Attributes:
        id: namespace and name, as ``dbt-labs/dbt_utils``.
        version: as ``1.3.3``.

    Raises:
        SluicegateError: a part of it cannot be part of an address or a path.
    """

    id: str
    version: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or not _VERSION.fullmatch(self.version):
            raise SluicegateError(
                f"{str(self)[:120]!r} is no package of the dbt hub: write it as in "
                "package-lock.yml, package: dbt-labs/dbt_utils, version: 1.3.3."
            )

    def __str__(self) -> str:
        return f"{self.id} {self.version}"

    @property
    def name(self) -> str:
        """The part of the id after the namespace."""
        return self.id.partition("/")[2]


def read_checksums(path: Path) -> dict[Package, str]:
    """The reviewed checksums of packages, from a file of this form::

        packages:
          - package: dbt-labs/dbt_utils
            version: 1.3.3
            checksum: h1:...

    Raises:
        SluicegateError: the file is missing or says something else.
    """
    checksums: dict[Package, str] = {}
    for entry in _entries(path, "It holds the checksum of every package: see docs/operations.md."):
        package = _package(entry, path)
        text = str(entry.get("checksum"))
        if not _CHECKSUM.fullmatch(text):
            raise SluicegateError(f"{path}: the checksum of {package} is not of the form h1:...=.")
        if checksums.setdefault(package, text) != text:
            raise SluicegateError(f"{path} has two checksums for {package}: keep the right one.")
    return checksums


def read_lock(path: Path) -> dict[Package, str]:
    """The hub packages of a package-lock.yml, and the folder of dbt_packages that each goes into.

    Local packages are left out: they come from no hub.

    Raises:
        SluicegateError: the file is missing or no lock, or names a package that only git or a web
            address has.
    """
    packages = {}
    for entry in read_lock_entries(path):
        if "local" in entry:
            continue
        if "package" not in entry:
            what = next((f"{key}: {value}" for key, value in entry.items()), "nothing")
            raise SluicegateError(
                f"{path} has a package that is not from the dbt hub ({what}): use a release of the "
                "hub, so that it can be mirrored and its checksum be verified."
            )
        package = _package(entry, path)
        name = str(entry.get("name", package.name))
        if not _NAME.fullmatch(name):
            raise SluicegateError(f"{path}: {package} has a name that no package can have: {name}.")
        packages[package] = name
    return packages


def read_lock_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a package-lock.yml as they stand there.

    Raises:
        SluicegateError: the file is missing or no lock.
    """
    return _entries(path, "dbt deps --lock makes it.")


def _entries(path: Path, hint: str) -> list[dict[str, Any]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = document["packages"]
    except FileNotFoundError:
        raise SluicegateError(f"There is no {path}. {hint}") from None
    except (OSError, UnicodeError, yaml.YAMLError, TypeError, KeyError) as error:
        raise SluicegateError(
            f"{path} cannot be read ({type(error).__name__}): it needs a list named packages."
        ) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SluicegateError(f"{path} cannot be read: it needs a list named packages.")
    return entries


def _package(entry: Mapping[str, Any], path: Path) -> Package:
    version = entry.get("version")
    if not isinstance(version, str):
        raise SluicegateError(
            f"{path}: {entry.get('package')} needs one version, as text: version: 1.3.3."
        )
    return Package(str(entry.get("package")), version)


def checksum(folder: Path) -> str:
    """The checksum of a package's files, whatever archive they came in.

    It is the ``h1:`` hash of Go modules: the SHA-256, in base64, of a line
    ``<SHA-256 of the file in hex>  <path>`` for each file, sorted by path; paths are relative to
    the folder. The same files have the same checksum, so that GitHub's tarball of a tag and one
    made by ``git archive`` can be compared although they are not the same bytes (compression,
    times and the top folder's name differ), and so can a package that dbt has installed.

    Source: Hash1 of https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash

    Args:
        folder: the package's top folder, the one of its dbt_project.yml.

    Raises:
        SluicegateError: something in it is no file of the package, as a link that leads out of it.
    """
    files = []
    inside = folder.resolve()
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for path in (Path(parent) / name for name in (*names, *links)):
            relative = path.relative_to(folder).as_posix()
            if not path.is_file() or inside not in path.resolve().parents or "\n" in relative:
                raise SluicegateError(
                    f"{folder.name} holds {relative!r}, which is no file of the package (a link to "
                    "elsewhere or to a folder, a device): it is refused."
                )
            files.append((os.fsencode(relative), path))
    lines = b"".join(
        hashlib.sha256(path.read_bytes()).hexdigest().encode() + b"  " + relative + b"\n"
        for relative, path in sorted(files)
    )
    return "h1:" + base64.b64encode(hashlib.sha256(lines).digest()).decode()


def verify(package: Package, found: str, checksums: Mapping[Package, str], where: str) -> None:
    """Refuse a package that is not the reviewed one.

    Args:
        package: what it is meant to be.
        found: the checksum of what it is.
        checksums: the reviewed ones.
        where: where it lies, for the message.

    Raises:
        SluicegateError: the checksum is another one, or there is none to compare it with.
    """
    if package not in checksums:
        raise SluicegateError(without_checksum({package: found}))
    if found != checksums[package]:
        raise SluicegateError(
            f"The package {package} {where} is refused: its checksum is {found}, {CHECKSUMS} says "
            f"{checksums[package]}. It is not what was reviewed: take it from another place, or "
            "review it and change the checksum."
        )


def without_checksum(found: Mapping[Package, str]) -> str:
    """The message about packages that have no reviewed checksum, with what a person can add."""
    lines = ", ".join(
        f"{{package: {package.id}, version: {package.version}, checksum: {text}}}"
        for package, text in found.items()
    )
    return f"{CHECKSUMS} does not know what is refused therefore: review and add {lines}."


@contextmanager
def unpacked(archive: bytes, what: str) -> Iterator[Path]:
    """The top folder of a package's .tar.gz, unpacked where it vanishes afterwards.

    Args:
        archive: the file's content.
        what: what it is, for messages.

    Raises:
        SluicegateError: it is garbled, has not exactly one top folder, or anything in it would land
            or lead outside that folder.
    """
    with tempfile.TemporaryDirectory(prefix="sluicegate-package-") as place:
        try:
            # Read to its end, where gzip's own checksum is.
            with gzip.GzipFile(fileobj=io.BytesIO(archive)) as file:
                content = file.read(LARGEST_PACKAGE_BYTES + 1)
            _refuse_too_large(len(content), what)
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
                members = tar.getmembers()
                _refuse_too_large(sum(member.size for member in members), what)
                top = _top_folder(members, what)
                for member in members:
                    _unpack(tar, member, Path(place), what)
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
            why = " ".join(str(error).split())
            raise SluicegateError(
                f"{what} is refused: it is no sound .tar.gz of a package ({why})."
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SluicegateError(f"{what} is refused: {error.strerror or error}.") from error
        folder = Path(place) / top
        if not folder.is_dir():
            raise SluicegateError(f"{what} is refused: it has no folder at its top.")
        yield folder


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path, what: str) -> None:
    """Write one file or folder; dbt packages have nothing else, neither links nor devices."""
    path = place / member.name
    content = tar.extractfile(member) if member.isfile() else None
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
    else:
        raise SluicegateError(
            f"{what} is refused: {member.name!r} in it is no file but a link or a device."
        )


def _refuse_too_large(size_bytes: int, what: str) -> None:
    if size_bytes > LARGEST_PACKAGE_BYTES:
        raise SluicegateError(f"{what} is refused: it is larger than any package of dbt.")


def _top_folder(members: list[tarfile.TarInfo], what: str) -> str:
    parts = [PurePosixPath(member.name).parts for member in members]
    if any(not path or path[0] == "/" or ".." in path for path in parts):
        raise SluicegateError(f"{what} is refused: a path in it leads out of its folder.")
    tops = {path[0] for path in parts}
    if len(tops) != 1:
        raise SluicegateError(f"{what} is refused: it has {len(tops)} top folders, not one.")
    return tops.pop()
