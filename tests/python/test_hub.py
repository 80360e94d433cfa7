"""The hub mirror: packages of a real git repository and a real web server, installed by dbt."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from sluicegate.errors import SluicegateError
from sluicegate.hub.install import edr_project, install, install_all, is_installed
from sluicegate.hub.mirror import pull, serve
from sluicegate.hub.packages import Package, checksum, read_checksums, read_lock
from sluicegate.hub.sources import last_words, parse_git

PARCELS_1 = Package("acme/parcels", "1.0.0")
PARCELS_2 = Package("acme/parcels", "1.1.0")
LABELS = Package("acme/labels", "0.3.0")
OTHER = "h1:" + "A" * 43 + "="


@pytest.fixture(autouse=True)
def nothing_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other address would go through a proxy that is not there."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("DBT_PACKAGE_HUB_URL", raising=False)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# Packages: two in git repositories, one of them with two versions, and the same in tarballs


@dataclass
class Packages:
    """Git repositories with tags, and the files of each tag in a folder."""

    folder: Path
    repositories: dict[str, Path] = field(default_factory=dict)
    checksums: dict[Package, str] = field(default_factory=dict)

    def release(self, package: Package, tag: str, files: dict[str, str]) -> None:
        repository = self.folder / package.name
        self.repositories[package.id] = repository
        git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@a.example"]
        if not repository.is_dir():
            repository.mkdir(parents=True)
            subprocess.run([*git, "init", "--quiet"], check=True)
        for name, content in files.items():
            path = repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", tag], check=True)
        subprocess.run([*git, "tag", tag], check=True)
        shutil.copytree(
            repository,
            self.files(package),
            ignore=shutil.ignore_patterns(".git"),
            symlinks=True,
        )
        self.checksums[package] = by_coreutils(self.files(package))

    def files(self, package: Package) -> Path:
        return self.folder / "files" / package.id / package.version


def by_coreutils(folder: Path) -> str:
    """A checksum as the documentation of Go's modules puts it, without Go and without our code."""
    said = subprocess.run(
        "find -L * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
        shell=True,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return "h1:" + base64.b64encode(bytes.fromhex(said.split()[0])).decode()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    made = Packages(tmp_path_factory.mktemp("packages"))
    for package, tag, word in ((PARCELS_1, "1.0.0", "hello"), (PARCELS_2, "v1.1.0", "salut")):
        made.release(
            package,
            tag,
            {
                "dbt_project.yml": "name: parcels\nversion: 0.0.1\nconfig-version: 2\n"
                "require-dbt-version: ['>=1.3.0', '<3.0.0']\n",
                "macros/greet.sql": f"{{% macro greet() %}}{word}{{% endmacro %}}\r\n",
                "macros/Zoo/über uns.sql": "-- a name that sorts by bytes\n",
            },
        )
    made.release(
        LABELS,
        "0.3.0",
        {
            "dbt_project.yml": "name: acme_labels\nversion: 0.3.0\nconfig-version: 2\n",
            "packages.yml": 'packages:\n  - package: acme/parcels\n    version: [">=1.0.0"]\n',
            "macros/greet.sql": "{% macro label() %}{% endmacro %}\n",
        },
    )
    return made


def tarball(folder: Path, top: str, time_of_change: int = 0) -> bytes:
    """A folder's tarball with a top folder and times of its own."""

    def as_elsewhere(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = time_of_change
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        tar.add(folder, arcname=top, filter=as_elsewhere)
    return buffer.getvalue()


def tar_of(*members: tuple[str, str] | tarfile.TarInfo) -> bytes:
    """A tarball of (path, content) pairs and of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1].encode()))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@dataclass
class Upstream:
    """A hub on this machine, as dbt's own one is: JSON, and tarballs at absolute addresses."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    failing: int = 0

    def add(self, package: Package, content: bytes, **said: Any) -> None:
        place = f"/codeload/{package.id}/{package.version}"
        self.files[place] = content
        path = f"/api/v1/{package.id}.json"
        document = json.loads(self.files.get(path, b'{"versions": {}}'))
        document |= {"name": package.name, "namespace": "acme", "description": "for tests"}
        document["versions"][package.version] = {
            "id": f"{package.id}/{package.version}",
            "name": package.name,
            "version": package.version,
            "packages": [],
            "downloads": {"tarball": self.url.rstrip("/") + place, "sha1": "unused"},
        } | said
        self.files[path] = json.dumps(document).encode()
        names = json.loads(self.files.get("/api/v1/index.json", b"[]"))
        self.files["/api/v1/index.json"] = json.dumps(sorted({*names, package.id})).encode()


@pytest.fixture
def upstream(packages: Packages) -> Iterator[Upstream]:
    hub = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked[self.path] += 1
            content = hub.files.get(self.path)
            hub.failing -= 1
            if hub.failing >= 0:
                self.send_error(503)
            elif content is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}/"
        for package in packages.checksums:
            content = tarball(packages.files(package), f"{package.name}-{package.version}-4711")
            said = {"name": "acme_labels"} if package == LABELS else {}
            hub.add(package, content, **said)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield hub
        server.shutdown()


def write_lock(path: Path, *wanted: Package, **names: str) -> Path:
    entries = [
        {"package": package.id, "version": package.version}
        | ({"name": names[package.name]} if package.name in names else {})
        for package in wanted
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"packages": entries, "sha1_hash": "unused"}))
    return path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return write_lock(tmp_path / "package-lock.yml", PARCELS_2, LABELS)


@pytest.fixture
def older_lock(tmp_path: Path) -> Path:
    """Names an older version of one package, and another that the first lock names as well."""
    return write_lock(tmp_path / "older" / "package-lock.yml", PARCELS_1, LABELS)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(action: Callable[[], object]) -> str:
    """The one line with which something is refused."""
    with pytest.raises(SluicegateError) as refused:
        action()
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) < 900, line
    return line


# Checksums


def test_a_checksum_is_what_sha256sum_makes_of_the_files(packages: Packages) -> None:
    for package, expected in packages.checksums.items():
        assert checksum(packages.files(package)) == expected
    assert len(set(packages.checksums.values())) == 3


def test_a_link_out_of_an_installed_package_has_no_checksum(tmp_path: Path) -> None:
    package = tmp_path / "parcels"
    package.mkdir()
    (package / "passwd").symlink_to("/etc/passwd")
    assert "'passwd'" in refusal(lambda: checksum(package))


def test_the_checksums_file_is_read_and_a_garbled_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "package-checksums.yml"
    entry = f"- {{package: acme/parcels, version: 1.0.0, checksum: '{OTHER}'}}\n"
    path.write_text("packages:\n" + entry)
    assert read_checksums(path) == {PARCELS_1: OTHER}
    for text, complaint in (
        ("", "needs a list named packages"),
        ("packages: {}", "needs a list named packages"),
        ("packages: [", "cannot be read"),
        ("packages: [acme/parcels]", "needs a list named packages"),
        ("packages: [{package: acme/parcels, version: 1.0.0}]", "is not of the form h1:"),
        ("packages: [{package: acme/parcels, version: 1.0}]", "needs one version, as text"),
        ("packages: [{package: ../../x, version: 1.0.0}]", "no package of the dbt hub"),
        ("packages: [{package: acme/parcels, version: 1/../0}]", "no package of the dbt hub"),
        ("packages:\n" + entry + entry.replace("AAA", "BBB"), "has two checksums"),
    ):
        path.write_text(text)
        assert complaint in refusal(lambda: read_checksums(path))
    path.unlink()
    assert f"There is no {path}" in refusal(lambda: read_checksums(path))


def test_a_lock_names_hub_packages_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "package-lock.yml"
    path.write_text(
        "packages:\n  - {local: ../, name: sluicegate}\n"
        "  - {package: acme/labels, version: 0.3.0, name: acme_labels}\n"
    )
    assert read_lock(path) == {LABELS: "acme_labels"}
    path.write_text("packages: [{git: 'https://git.example/a.git', revision: 5f}]")
    assert "git: https://git.example/a.git" in refusal(lambda: read_lock(path))
    path.write_text("packages: [{package: acme/labels, version: 0.3.0, name: ../labels}]")
    assert "../labels" in refusal(lambda: read_lock(path))


# Pulling


def test_a_hub_and_git_make_the_same_mirror(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path, older_lock: Path
) -> None:
    locks = [lock, older_lock]
    from_hub, from_git = tmp_path / "hub", tmp_path / "git"
    bare = tmp_path / "bare.git"
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", packages.repositories["acme/labels"], bare],
        check=True,
    )
    wanted = [LABELS, PARCELS_1, PARCELS_2]
    assert pull(from_hub, locks, packages.checksums, upstream.url) == wanted
    git = parse_git([f"acme/parcels={packages.repositories['acme/parcels']}"])
    git |= parse_git([f"acme/labels={bare}"])
    assert pull(from_git, locks, packages.checksums, "http://127.0.0.1:1/", git) == wanted

    made = contents(from_hub)
    assert sorted(made) == [
        "api/v1/acme/labels.json",
        "api/v1/acme/parcels.json",
        "api/v1/index.json",
        "tarballs/acme/labels/0.3.0.tar.gz",
        "tarballs/acme/parcels/1.0.0.tar.gz",
        "tarballs/acme/parcels/1.1.0.tar.gz",
    ]
    assert json.loads(made["api/v1/index.json"]) == ["acme/labels", "acme/parcels"]
    labels = json.loads(made["api/v1/acme/labels.json"])
    assert labels["versions"]["0.3.0"] == {
        "id": "acme/labels/0.3.0",
        "name": "acme_labels",
        "version": "0.3.0",
        "packages": [{"package": "acme/parcels", "version": [">=1.0.0"]}],
        "require_dbt_version": [],
        "downloads": {"tarball": "tarballs/acme/labels/0.3.0.tar.gz", "format": "tgz"},
    }
    parcels = json.loads(made["api/v1/acme/parcels.json"])
    assert list(parcels["versions"]) == ["1.0.0", "1.1.0"]
    assert parcels["versions"]["1.1.0"]["require_dbt_version"] == [">=1.3.0", "<3.0.0"]

    same = contents(from_git)
    assert sorted(same) == sorted(made)
    for name in made:
        assert (same[name] == made[name]) == name.endswith(".json")
    assert same["tarballs/acme/labels/0.3.0.tar.gz"][:2] == b"\x1f\x8b"


def test_pulling_again_downloads_only_what_is_not_right(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path, older_lock: Path
) -> None:
    mirror = tmp_path / "mirror"
    pull(mirror, [older_lock], packages.checksums, upstream.url)
    assert upstream.asked["/api/v1/acme/parcels.json"] == 1
    upstream.asked.clear()
    pull(mirror, [older_lock, lock], packages.checksums, upstream.url)
    assert set(upstream.asked) == {"/api/v1/acme/parcels.json", "/codeload/acme/parcels/1.1.0"}
    before = contents(mirror)
    upstream.asked.clear()
    pull(mirror, [lock], packages.checksums, upstream.url)
    pull(mirror, [older_lock], packages.checksums, "http://127.0.0.1:1/")
    assert not upstream.asked
    damaged = mirror / "tarballs/acme/parcels/1.0.0.tar.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    (mirror / "api/v1/acme/labels.json").write_text("{")
    pull(mirror, [older_lock], packages.checksums, upstream.url)
    assert contents(mirror) == before


def test_the_environment_names_the_hub(
    tmp_path: Path,
    packages: Packages,
    upstream: Upstream,
    lock: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", upstream.url.rstrip("/"))
    assert pull(tmp_path / "mirror", [lock], packages.checksums) == [LABELS, PARCELS_2]


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path
) -> None:
    mirror = tmp_path / "mirror"
    pull(mirror, [lock], packages.checksums, upstream.url)
    line = refusal(
        lambda: pull(mirror, [lock], packages.checksums | {PARCELS_2: OTHER}, upstream.url)
    )
    for part in ("acme/parcels 1.1.0", packages.checksums[PARCELS_2], OTHER, upstream.url):
        assert part in line
    assert not [name for name in contents(mirror) if "parcels" in name]
    assert json.loads((mirror / "api/v1/index.json").read_text()) == ["acme/labels"]
    git = {"acme/parcels": packages.repositories["acme/parcels"]}
    assert str(git["acme/parcels"]) in refusal(
        lambda: pull(mirror, [lock], packages.checksums | {PARCELS_2: OTHER}, git=git)
    )


def test_a_missing_checksum_is_refused_with_the_one_to_add(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path
) -> None:
    mirror = tmp_path / "mirror"
    line = refusal(lambda: pull(mirror, [lock], {}, upstream.url))
    assert not contents(mirror)
    to_add = tmp_path / "package-checksums.yml"
    to_add.write_text(f"packages: [{line[line.index('{') : line.rindex('}') + 1]}]")
    added = read_checksums(to_add)
    assert added == {name: packages.checksums[name] for name in (LABELS, PARCELS_2)}
    assert pull(mirror, [lock], added, upstream.url) == [LABELS, PARCELS_2]


PROJECT = ("parcels-1/dbt_project.yml", "name: parcels\n")
OUTSIDE = "leads out of its folder"
HOSTILE = {
    "a path above the folder": (tar_of(PROJECT, ("parcels-1/../../evil", "x")), OUTSIDE),
    "an absolute path": (tar_of(PROJECT, ("/tmp/sluicegate-evil", "x")), OUTSIDE),
    "a path with a dot": (tar_of(PROJECT, ("./", "")), OUTSIDE),
    "two top folders": (tar_of(PROJECT, ("evil/x", "x")), "2 top folders"),
    "no folder": (tar_of(("dbt_project.yml", "name: parcels\n")), "no folder at its top"),
    "an empty archive": (tar_of(), "0 top folders"),
    "a link out": (
        tar_of(PROJECT, link("parcels-1/x", "/etc/passwd")),
        "is no file but a link or a device",
    ),
    "a link above": (
        tar_of(PROJECT, link("parcels-1/x", "../../../x")),
        "is no file but a link or a device",
    ),
    "a link beside": (
        tar_of(PROJECT, link("parcels-1/x", "../x")),
        "is no file but a link or a device",
    ),
    "a link to a folder": (
        tar_of(PROJECT, link("parcels-1/x", ".")),
        "is no file but a link or a device",
    ),
    "a write through a link": (
        tar_of(PROJECT, link("parcels-1/x", "/tmp"), ("parcels-1/x/evil", "x")),
        "is no file but a link or a device",
    ),
    "a hard link out": (
        tar_of(PROJECT, link("parcels-1/x", "../../etc/passwd", tarfile.LNKTYPE)),
        "is no file but a link or a device",
    ),
    "a device": (
        tar_of(PROJECT, link("parcels-1/x", "", tarfile.CHRTYPE)),
        "is no file but a link or a device",
    ),
    "a pipe": (
        tar_of(PROJECT, link("parcels-1/x", "", tarfile.FIFOTYPE)),
        "is no file but a link or a device",
    ),
    "a file as a folder": (tar_of(PROJECT, ("parcels-1/dbt_project.yml/x", "x")), "is refused"),
    "a truncated gzip": (tar_of(PROJECT)[:-30], "no sound .tar.gz"),
    "a flipped byte": (tar_of(PROJECT)[:-6] + b"\0" + tar_of(PROJECT)[-5:], "no sound .tar.gz"),
    "a web page": (b"<html>Sign in</html>", "no sound .tar.gz"),
    "nothing": (b"", "no sound .tar.gz"),
    "no dbt project": (tar_of(("parcels-1/README.md", "hello")), "no dbt package"),
    "a garbled project": (tar_of((PROJECT[0], "name: [")), "no dbt package"),
    "a project without a name": (tar_of((PROJECT[0], "- x")), "no dbt package"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_or_garbled_tarball_is_refused(
    what: str, tmp_path: Path, upstream: Upstream
) -> None:
    content, complaint = HOSTILE[what]
    upstream.add(PARCELS_1, content)
    lock = write_lock(tmp_path / "package-lock.yml", PARCELS_1)
    mirror = tmp_path / "mirror"
    line = refusal(lambda: pull(mirror, [lock], {PARCELS_1: OTHER}, upstream.url))
    assert complaint in line
    assert "acme/parcels 1.0.0" in line or "parcels-1" in line
    assert not contents(mirror)
    assert not Path("/tmp/sluicegate-evil").exists()


def test_a_tarball_made_to_fill_the_disk_is_refused(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluicegate.hub.packages.LARGEST_PACKAGE_BYTES", 100_000)
    upstream.add(PARCELS_1, tar_of(PROJECT, ("parcels-1/zeros", "0" * 100_000)))
    lock = write_lock(tmp_path / "package-lock.yml", PARCELS_1)
    line = refusal(lambda: pull(tmp_path / "mirror", [lock], {PARCELS_1: OTHER}, upstream.url))
    assert "larger than any package of dbt" in line


def test_what_a_hub_does_not_have_is_said(tmp_path: Path, upstream: Upstream) -> None:
    def pulling(package: Package) -> str:
        lock = write_lock(tmp_path / "package-lock.yml", package)
        return refusal(lambda: pull(tmp_path / "mirror", [lock], {}, upstream.url))

    assert "does not give acme/nothing" in pulling(Package("acme/nothing", "1.0.0"))
    assert "no version 9.0.0 of acme/parcels" in pulling(Package("acme/parcels", "9.0.0"))
    del upstream.files["/codeload/acme/parcels/1.0.0"]
    line = pulling(PARCELS_1)
    assert "does not give the tarball of acme/parcels 1.0.0" in line
    assert "HTTP 404" in line
    upstream.files["/api/v1/acme/parcels.json"] = b"<html>Sign in</html>"
    assert "is no dbt package hub" in pulling(PARCELS_1)
    assert not contents(tmp_path / "mirror")


def test_a_hub_that_fails_twice_is_asked_again(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path
) -> None:
    upstream.failing = 2
    assert pull(tmp_path / "mirror", [lock], packages.checksums, upstream.url)
    upstream.failing = 3
    with pytest.raises(SluicegateError, match="HTTP 503"):
        pull(tmp_path / "other", [lock], packages.checksums, upstream.url)


def test_a_hub_that_cannot_be_reached_is_said_without_its_password(
    tmp_path: Path, packages: Packages, lock: Path
) -> None:
    port = closed_port()
    line = refusal(
        lambda: pull(
            tmp_path / "mirror", [lock], packages.checksums, f"http://me:s3cret@127.0.0.1:{port}"
        )
    )
    assert f"cannot be reached for acme/labels: http://127.0.0.1:{port}/api" in line
    assert "s3cret" not in line
    assert "--hub-url" in line
    for nonsense in ("hub.example", "http://[", "file:///etc"):
        assert "cannot be reached" in refusal(
            partial(pull, tmp_path / "mirror", [lock], packages.checksums, nonsense)
        )


def test_a_mirror_that_cannot_be_written_is_said(
    tmp_path: Path, packages: Packages, upstream: Upstream, lock: Path
) -> None:
    in_the_way = tmp_path / "mirror"
    in_the_way.write_text("a file")
    for place in (in_the_way, in_the_way / "below"):
        line = refusal(partial(pull, place, [lock], packages.checksums, upstream.url))
        assert f"The mirror {place} cannot be written" in line
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tarballs").write_text("a file")
    line = refusal(lambda: pull(tmp_path / "other", [lock], packages.checksums, upstream.url))
    assert "cannot be written" in line
    assert "\n" not in line


def test_what_git_does_not_have_is_said(
    tmp_path: Path, packages: Packages, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pulling(repository: Path, package: str = "acme/labels") -> str:
        git = {package: repository}
        return refusal(
            lambda: pull(tmp_path / "mirror", [lock], packages.checksums, "http://127.0.0.1:1", git)
        )

    assert "no git repository" in pulling(tmp_path / "nowhere")
    labels = packages.repositories["acme/labels"]
    assert "no git repository" in pulling(labels / "macros")
    assert "no tag 0.3.0 or v0.3.0" in pulling(packages.repositories["acme/parcels"])
    assert "--git names acme/other" in pulling(labels, "acme/other")
    assert "--git labels" in refusal(lambda: parse_git(["labels"]))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in pulling(labels)


def test_a_git_hook_may_make_a_mirror(
    tmp_path: Path, packages: Packages, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    assert pull(tmp_path / "mirror", [lock], packages.checksums, git=packages.repositories)


# Serving


@pytest.fixture
def mirror(tmp_path: Path, packages: Packages, lock: Path, older_lock: Path) -> Path:
    """A mirror of all three, made from git."""
    made = tmp_path / "mirror"
    pull(made, [lock, older_lock], packages.checksums, git=packages.repositories)
    return made


def asked(url: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """The answer to a path that is sent exactly as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_mirror_is_served_as_a_hub_with_absolute_addresses(
    mirror: Path, packages: Packages
) -> None:
    with serve(mirror, packages.checksums) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        assert requests.get(url + "api/v1/index.json").json() == ["acme/labels", "acme/parcels"]
        document = requests.get(url + "api/v1/acme/parcels.json").json()
        for version, said in document["versions"].items():
            address = f"{url}tarballs/acme/parcels/{version}.tar.gz"
            assert said["downloads"]["tarball"] == address
            stored = mirror / f"tarballs/acme/parcels/{version}.tar.gz"
            assert requests.get(address).content == stored.read_bytes()
        assert list(document["versions"]) == ["1.0.0", "1.1.0"]
    with pytest.raises(requests.ConnectionError):
        requests.get(url + "api/v1/index.json")


def test_nothing_but_the_mirrors_packages_is_served(mirror: Path, packages: Packages) -> None:
    (mirror.parent / "secret").write_text("s3cret")
    (mirror / "tarballs/acme/notes.txt").write_text("s3cret")
    with serve(mirror, {PARCELS_1: packages.checksums[PARCELS_1]}) as url:
        assert requests.get(url + "api/v1/index.json").json() == ["acme/parcels"]
        assert list(requests.get(url + "api/v1/acme/parcels.json").json()["versions"]) == ["1.0.0"]
        for path in (
            "/",
            "/api/v1/",
            "/../secret",
            "/tarballs/../../secret",
            "/tarballs/..%2f..%2fsecret",
            "/%2e%2e/secret",
            "//etc/passwd",
            f"{mirror.parent}/secret",
            "/tarballs/acme/notes.txt",
            "/tarballs/acme/parcels/1.1.0.tar.gz",
            "/api/v1/acme/labels.json",
        ):
            status, body = asked(url, path)
            assert (status, b"s3cret" in body) == (404, False), path
        for method in ("POST", "PUT", "DELETE", "HEAD"):
            assert asked(url, "/api/v1/index.json", method)[0] == 501


def test_a_mirror_that_is_not_what_was_reviewed_is_not_served(
    mirror: Path, packages: Packages
) -> None:
    def serving(checksums: dict[Package, str], directory: Path = mirror) -> str:
        def enter() -> None:
            with serve(directory, checksums):
                raise AssertionError("it is served")

        return refusal(enter)

    line = serving(packages.checksums | {LABELS: OTHER})
    for part in ("acme/labels 0.3.0", str(mirror), OTHER, packages.checksums[LABELS]):
        assert part in line
    line = serving(packages.checksums | {Package("acme/more", "2.0.0"): OTHER})
    assert f"The mirror {mirror} lacks acme/more 2.0.0" in line
    assert "hub-mirror pull" in line
    line = serving(packages.checksums, mirror / "nowhere")
    assert "lacks acme/parcels 1.0.0, acme/parcels 1.1.0, acme/labels 0.3.0" in line
    (mirror / "tarballs/acme/labels/0.3.0.tar.gz").write_bytes(b"damaged")
    assert "acme/labels 0.3.0 is refused" in serving(packages.checksums)


# Installing


@dataclass(frozen=True)
class Project:
    """A dbt project that uses a local package and two of the hub, as observability/ does."""

    folder: Path

    @property
    def installed(self) -> Path:
        return self.folder / "dbt_packages"

    @property
    def macro(self) -> str:
        return (self.installed / "parcels" / "macros" / "greet.sql").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "dbt_project.yml").write_text("name: root_project\nconfig-version: 2\n")
    folder = tmp_path / "second"
    folder.mkdir()
    (folder / "dbt_project.yml").write_text(
        "name: second\nconfig-version: 2\n"
        "packages-install-path: \"{{ env_var('SECOND_PACKAGES', 'dbt_packages') }}\"\n"
    )
    wanted: list[dict[str, str]] = [
        {"local": "../"},
        {"package": "acme/labels", "version": "0.3.0"},
        {"package": "acme/parcels", "version": "1.1.0"},
    ]
    (folder / "packages.yml").write_text(yaml.safe_dump({"packages": wanted}))
    names = ("root_project", "acme_labels", "parcels")
    locked = [entry | {"name": name} for entry, name in zip(wanted, names, strict=True)]
    # What dbt compares packages.yml with is told by dbt itself, not computed here.
    from dbt.config.project import package_config_from_data
    from dbt.task.deps import _create_sha1_hash

    hashed = _create_sha1_hash(
        package_config_from_data({"packages": wanted}, {"packages": wanted}).packages
    )
    (folder / "package-lock.yml").write_text(
        yaml.safe_dump({"packages": locked, "sha1_hash": hashed})
    )
    return Project(folder)


def test_dbt_installs_from_a_mirror_and_a_second_time_nothing_is_needed(
    project: Project,
    mirror: Path,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = (project.folder / "package-lock.yml").read_bytes()
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    assert install_all([project.folder], packages.checksums, mirror)
    assert "salut" in project.macro
    assert (project.installed / "acme_labels" / "dbt_project.yml").is_file()
    assert (project.installed / "root_project").samefile(tmp_path)
    assert (project.folder / "package-lock.yml").read_bytes() == before
    left = {path.name for path in project.folder.iterdir()}
    assert left == {"dbt_project.yml", "packages.yml", "package-lock.yml", "dbt_packages"}

    shutil.rmtree(mirror)
    assert not install_all([project.folder], packages.checksums, mirror)
    assert not install(project.folder, packages.checksums)
    assert not is_installed(project.folder, packages.checksums | {LABELS: OTHER})
    elsewhere = dict(os.environ, SECOND_PACKAGES=str(tmp_path / "elsewhere"))
    assert not is_installed(project.folder, packages.checksums, elsewhere)
    greet = project.installed / "parcels" / "macros" / "greet.sql"
    greet.write_text("changed")
    assert not is_installed(project.folder, packages.checksums)
    greet.unlink()
    greet.symlink_to("/etc/passwd")
    assert not is_installed(project.folder, packages.checksums)


def test_what_a_hub_gives_dbt_is_verified_and_removed_when_it_is_wrong(
    project: Project, packages: Packages, upstream: Upstream, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    shutil.copytree(packages.files(PARCELS_2), evil, symlinks=True)
    (evil / "macros" / "greet.sql").write_text("{% macro greet() %}evil{% endmacro %}")
    upstream.add(PARCELS_2, tarball(evil, "parcels-1.1.0"))
    checksums = packages.checksums | {LABELS: OTHER}
    env = os.environ | {
        "DBT_PACKAGE_HUB_URL": upstream.url.rstrip("/"),
        "SECOND_PACKAGES": str(tmp_path / "elsewhere"),
    }
    line = refusal(lambda: install(project.folder, checksums, env=env))
    assert "acme/labels 0.3.0" in line
    assert OTHER in line
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["root_project"]
    assert not project.installed.exists()


def test_a_failure_of_dbt_is_said_on_one_line(
    project: Project, mirror: Path, packages: Packages
) -> None:
    with serve(mirror, {LABELS: packages.checksums[LABELS]}) as url:
        (project.folder / "packages.yml").write_text(
            "packages: [{package: acme/parcels, version: 1.1.0}]"
        )
        line = refusal(lambda: install(project.folder, packages.checksums, url))
    assert line.startswith(f"dbt deps failed in {project.folder}: ")
    assert "acme/parcels" in line


def test_packages_that_cannot_be_written_are_said_before_dbt_runs(
    project: Project, mirror: Path, packages: Packages
) -> None:
    project.installed.write_text("a file in the way")
    line = refusal(lambda: install_all([project.folder], packages.checksums, mirror))
    assert f"Packages cannot be installed into {project.installed}" in line


def test_of_a_traceback_only_the_last_line_is_said() -> None:
    said = (
        "07:15:00  Encountered an error:\nTraceback (most recent call last):\n  x\nOSError: [1] y\n"
    )
    assert last_words(said) == "OSError: [1] y"
    assert last_words("\x1b[31m07:15:00  Runtime Error\n  No\n") == "Runtime Error No"


@pytest.mark.parametrize("hub", ["https://hub.getdbt.com/", "closed", "not a hub"])
def test_a_hub_that_does_not_answer_is_said_at_once_with_what_to_do(
    hub: str, project: Project, packages: Packages, upstream: Upstream
) -> None:
    env = dict(os.environ)
    if hub == "closed":
        env["DBT_PACKAGE_HUB_URL"] = f"http://me:s3cret@127.0.0.1:{closed_port()}"
    elif hub == "not a hub":
        env["DBT_PACKAGE_HUB_URL"] = upstream.url + "elsewhere/"
    line = refusal(lambda: install_all([project.folder], packages.checksums, env=env))
    assert line.endswith(
        "make a mirror with `sluicegate hub-mirror pull DIR` on a machine that reaches it, and "
        "give it with --hub-mirror DIR."
    )
    assert ("HTTP 404" if hub == "not a hub" else "cannot be reached") in line
    assert "s3cret" not in line
    assert not project.installed.exists()


def test_the_packages_of_edr_are_named_by_its_lock() -> None:
    pytest.importorskip("elementary")
    names = {package.id for package in read_lock(edr_project() / "package-lock.yml")}
    assert names == {"dbt-labs/dbt_utils", "elementary-data/elementary"}
