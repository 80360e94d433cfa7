"""A mirror of the dbt hub's packages for networks that do not reach it: made, served, installed.

A mirror is a folder in the layout of the hub::

    api/v1/index.json                            the names of the packages
    api/v1/<namespace>/<name>.json               their versions; the tarballs' addresses are
                                                 relative to the mirror's top
    tarballs/<namespace>/<name>/<version>.tar.gz

What is in it, what it serves and what dbt installs is compared with reviewed checksums every time:
see :func:`sluicegate.hub.packages.checksum`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from sluicegate.errors import SluicegateError
from sluicegate.files import write_whole
from sluicegate.hub.packages import Package, checksum, read_lock, unpacked, verify, without_checksum
from sluicegate.hub.sources import INDEX, Hub, git_archive, hub_address, shown

# Making a mirror


def pull(
    directory: Path,
    locks: Sequence[Path],
    checksums: Mapping[Package, str],
    hub_url: str | None = None,
    git: Mapping[str, Path] | None = None,
) -> list[Package]:
    """Make a mirror of what locks name, or bring one up to date.

    What is there with the right checksum is not downloaded again; other packages stay.

    Args:
        directory: the mirror's folder; made when it is missing.
        locks: paths of package-lock.yml files.
        checksums: the reviewed checksums; a package with another one, or with none, is not kept.
        hub_url: where the hub is; by default what DBT_PACKAGE_HUB_URL says, else dbt's own.
        git: by a package's id (``dbt-labs/dbt_utils``) the git repository, with a work tree or
            bare, from whose tags it is to be made instead.

    Returns:
        What the locks name, all of it in the mirror now.

    Raises:
        SluicegateError: something cannot be had, is not what was reviewed, or cannot be written.
    """
    wanted = sorted({package for lock in locks for package in read_lock(lock)})
    git = git or {}
    strange = git.keys() - {package.id for package in wanted}
    if strange:
        raise SluicegateError(
            f"--git names {', '.join(sorted(strange))}, which no lock does: "
            f"the packages are {', '.join(sorted({package.id for package in wanted}))}."
        )
    hub = Hub(hub_address(hub_url, os.environ))
    unknown = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for package in wanted:
            path = directory / _tarball(package)
            if package in checksums and _holds(path, package, checksums[package]):
                archive, source = path.read_bytes(), f"in {directory}"
            else:
                _forget(directory, package)
                if package.id in git:
                    repository = git[package.id]
                    archive, source = git_archive(repository, package), f"from {repository}"
                else:
                    archive, source = hub.tarball(package), f"from {shown(hub.url)}"
            found, version = _read(package, archive)
            if package not in checksums:
                unknown[package] = found
                continue
            verify(package, found, checksums, source)
            _keep(directory, package, archive, version)
    except OSError as error:
        raise SluicegateError(
            f"The mirror {directory} cannot be written: {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename else ''}."
        ) from error
    if unknown:
        raise SluicegateError(without_checksum(unknown))
    return wanted


def _tarball(package: Package) -> str:
    return f"tarballs/{package.id}/{package.version}.tar.gz"


def _holds(path: Path, package: Package, expected: str) -> bool:
    try:
        return _read(package, path.read_bytes())[0] == expected
    except (FileNotFoundError, SluicegateError):
        return False


def _read(package: Package, archive: bytes) -> tuple[str, dict[str, Any]]:
    """A tarball's checksum, and what the hub says of such a version, read from its own files."""
    with unpacked(archive, f"The tarball of {package}") as folder:
        found = checksum(folder)
        try:
            project = yaml.safe_load((folder / "dbt_project.yml").read_text(encoding="utf-8"))
            packages = next(
                (
                    yaml.safe_load((folder / name).read_text(encoding="utf-8"))
                    for name in ("packages.yml", "dependencies.yml")
                    if (folder / name).is_file()
                ),
                None,
            )
            return found, {
                "id": f"{package.id}/{package.version}",
                "name": project["name"],
                "version": package.version,
                "packages": (packages or {}).get("packages") or [],
                "require_dbt_version": project.get("require-dbt-version") or [],
                "downloads": {"tarball": _tarball(package), "format": "tgz"},
            }
        except (
            OSError,
            UnicodeError,
            yaml.YAMLError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            raise SluicegateError(
                f"The tarball of {package} is no dbt package: its dbt_project.yml or packages.yml "
                f"cannot be read ({type(error).__name__})."
            ) from error


def _keep(directory: Path, package: Package, archive: bytes, version: dict[str, Any]) -> None:
    _write(directory / _tarball(package), archive)
    versions = _versions(directory, package.id) | {package.version: version}
    _write_versions(directory, package.id, versions)


def _forget(directory: Path, package: Package) -> None:
    (directory / _tarball(package)).unlink(missing_ok=True)
    versions = _versions(directory, package.id)
    if versions.pop(package.version, None):
        _write_versions(directory, package.id, versions)


def _versions(directory: Path, package: str) -> dict[str, Any]:
    try:
        document = json.loads((directory / f"api/v1/{package}.json").read_bytes())
        return dict(document["versions"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}


def _write_versions(directory: Path, package: str, versions: dict[str, Any]) -> None:
    path = directory / f"api/v1/{package}.json"
    if versions:
        _write(path, _document(package, versions))
    else:
        path.unlink(missing_ok=True)
    known = (directory / "api/v1").glob("*/*.json")
    _write(directory / INDEX, _json(sorted(f"{path.parent.name}/{path.stem}" for path in known)))


def _document(package: str, versions: dict[str, Any]) -> bytes:
    namespace, _, name = package.partition("/")
    return _json({"name": name, "namespace": namespace, "versions": dict(sorted(versions.items()))})


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is right is left alone."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, mode=0o644)


# Serving a mirror


@contextmanager
def serve(directory: Path, checksums: Mapping[Package, str]) -> Iterator[str]:
    """Serve a mirror on this machine while the context lasts.

    All that the checksums name is verified first and held in memory; that, and nothing else, is
    served.

    Args:
        directory: the mirror's folder.
        checksums: the reviewed checksums.

    Yields:
        The address for DBT_PACKAGE_HUB_URL, with a slash at its end.

    Raises:
        SluicegateError: a package is missing in the mirror, or is not what was reviewed.
    """
    tarballs, documents = _verified(directory, checksums)
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.partition("?")[0].removeprefix("/"))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            kind = "json" if self.path.endswith(".json") else "gzip"
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        for versions in documents.values():
            for version in versions.values():
                version["downloads"]["tarball"] = url + version["downloads"]["tarball"]
        files |= tarballs
        files |= {f"api/v1/{name}.json": _document(name, documents[name]) for name in documents}
        files[INDEX] = _json(sorted(documents))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield url
        finally:
            server.shutdown()


def _verified(
    directory: Path, checksums: Mapping[Package, str]
) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """The tarballs of a mirror by their paths, and by package what the hub says of each version."""
    tarballs: dict[str, bytes] = {}
    documents: dict[str, dict[str, Any]] = {}
    missing = []
    for package in checksums:
        path = directory / _tarball(package)
        try:
            archive = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(str(package))
            continue
        except OSError as error:
            raise SluicegateError(f"{path} cannot be read: {error.strerror}.") from error
        found, version = _read(package, archive)
        verify(package, found, checksums, f"in the mirror {directory}")
        tarballs[_tarball(package)] = archive
        documents.setdefault(package.id, {})[package.version] = version
    if missing:
        raise SluicegateError(
            f"The mirror {directory} lacks {', '.join(missing)}: bring it up to date with "
            f"`sluicegate hub-mirror pull {directory}` on a machine that reaches the hub."
        )
    return tarballs, documents
