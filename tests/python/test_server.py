"""The target server: what it is sent, and what is said when something is wrong with it.

The server is one on loopback that answers from chDB and fails as ClickHouse does; dbt-clickhouse
and its driver are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from loopback import DROPPED, Answer, Loopback, Refusal, Silence, loopback

from sluicegate.engine import connect, load_profile
from sluicegate.errors import SluicegateError

# As ClickHouse 25.8 says it: src/Access/AccessControl.cpp, src/Access/ContextAccess.cpp.
WRONG_PASSWORD = Refusal(
    403,
    516,
    "AUTHENTICATION_FAILED",
    "shop: Authentication failed: password is incorrect, or there is no user with such name.\n\n"
    "If you use ClickHouse Cloud, the password can be reset at https://clickhouse.cloud/\n"
    "on the settings page for the corresponding service.\n\n.",
)
NO_PRIVILEGE = Refusal(
    500,
    497,
    "ACCESS_DENIED",
    "shop: Not enough privileges. To execute this query, it's necessary to have the grant "
    "CREATE DATABASE ON fresh.*.",
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("SLUICEGATE_TARGET", "server")
    monkeypatch.setenv("CLICKHOUSE_HOST", "127.0.0.1")
    monkeypatch.setenv("CLICKHOUSE_DATABASE", "fresh")
    with loopback(tmp_path / "server") as started:
        monkeypatch.setenv("CLICKHOUSE_PORT", str(started.port))
        yield started


def complaint(timeout: int | None = None) -> str:
    """What the command says, in its one line, when it cannot use the server."""
    profile = load_profile(ROOT / "profiles", None)
    if timeout:
        profile.credentials.send_receive_timeout = timeout
    with pytest.raises(SluicegateError) as caught, connect(profile) as client:
        client.query("select 1")
    return str(caught.value)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            WRONG_PASSWORD,
            "ClickHouse refuses the user shop or the password: set CLICKHOUSE_USER and "
            "CLICKHOUSE_PASSWORD.",
        ),
        (
            DROPPED,
            "The connection to ClickHouse at 127.0.0.1:{port} was lost while it worked (a restart, "
            "or something between that cuts connections). Running again is safe, and does the "
            "rest.",
        ),
        (
            Silence(3),
            "ClickHouse at 127.0.0.1:{port} did not finish a statement within 1 seconds: raise "
            "send_receive_timeout in profiles.yml, or lower max_rows_per_statement. Running again "
            "is safe.",
        ),
    ],
    ids=["wrong password", "dropped connection", "time-out"],
)
def test_what_is_wrong_with_a_server_is_said_in_one_line(
    server: Loopback, failure: Answer, said: str
) -> None:
    server.failures = {"": failure}
    assert complaint(timeout=1) == said.format(port=server.port)


def test_a_missing_privilege_keeps_its_cause(server: Loopback) -> None:
    server.failures = {"^create database": NO_PRIVILEGE}
    assert complaint() == (
        "The database fresh cannot be created: Code: 497. shop: Not enough privileges. To execute "
        "this query, it's necessary to have the grant CREATE DATABASE ON fresh.*. (ACCESS_DENIED) "
        "Have it created, or have this user granted what is missing."
    )


def test_a_host_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_TARGET", "server")
    monkeypatch.setenv("CLICKHOUSE_HOST", "no-such-host.invalid")
    assert complaint() == (
        "There is no host of the name in no-such-host.invalid:8123: set CLICKHOUSE_HOST to the "
        "right one."
    )


def test_a_relative_landing_folder_reaches_the_server_as_it_is(
    server: Loopback, tmp_path: Path
) -> None:
    server.failures = {r"from\s+file\(": DROPPED}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "sluicegate", "run", "--select", "dq_files raw_web_events"),
            *("--landing", "shop/events", "--out", str(tmp_path / "out")),
        ],
        env={
            **os.environ,
            "DBT_TARGET_PATH": str(tmp_path / "target"),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    listings = [sql for sql in server.statements if "file(" in sql]
    assert listings
    assert all("file('shop/events/" in sql for sql in listings)
    # The connection is lost in the midst of the build.
    assert run.returncode == 2, run.stderr
    last = run.stderr.splitlines()[-1]
    assert last.startswith("sluicegate: model raw_web_events failed: The connection to ClickHouse")
    assert last.endswith("Running again is safe, and does the rest.")
    report = json.loads((tmp_path / "out" / "monitoring_report.json").read_text())
    assert report["status"] == "ERROR"
