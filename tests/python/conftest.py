"""Fixtures: a project of its own for each test, on the embedded engine."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

import dbt_sluicegate

ROOT = Path(__file__).resolve().parents[2]
PUFFY = ROOT.parent / "shared" / "data" / "puffy"

HEADER = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent\n"


@functools.cache
def _packed_project(options: tuple[str, ...]) -> bytes:
    """The project as dbt parses it, in the form in which dbt itself keeps it between two runs."""
    parsed = dbtRunner().invoke(["parse", *options])
    if parsed.exception is not None:
        raise parsed.exception
    packed: bytes = parsed.result.to_msgpack()
    return packed


@dataclass
class Gate:
    """One data folder and one landing folder, and dbt run on them in this process.

    The paths are the same for all tests of a worker; what is in them is not.

    Attributes:
        folder: where both are.
        rules: the only rules that apply, by name; None applies all that are declared.
        results: the status of every node of the newest dbt command.
        compiled: the SQL of the newest dbt compile.
    """

    folder: Path
    rules: tuple[str, ...] | None = None
    results: dict[str, str] = field(default_factory=dict)
    compiled: str = ""

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def data(self) -> Path:
        return self.folder / "clickhouse"

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a landing file; every call gives it another time of change."""
        path = self.landing / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def dbt(self, *arguments: str, **variables: Any) -> bool:
        """Run a dbt command; the status of every node is in ``results`` afterwards.

        Returns whether everything passed. Errors of dbt itself are raised.
        """
        outcome = dbtRunner(manifest=None if arguments[0] == "parse" else self.project()).invoke(
            [*arguments, *self._options, json.dumps({**self._variables, **variables})]
        )
        if outcome.exception is not None:
            raise outcome.exception
        nodes = [result.node for result in getattr(outcome.result, "results", [])]
        self.compiled = nodes[-1].compiled_code if arguments[0] == "compile" and nodes else ""
        self.results = {
            result.node.name: f"{result.status}: {result.message or ''}"
            for result in getattr(outcome.result, "results", [])
        }
        return bool(outcome.success)

    def project(self) -> Manifest:
        """A copy of the project as dbt parses it, with the rules that apply.

        Parsed once: its files stay as they are, and the variables that tests change are none of
        those that matter to the parser.
        """
        project = Manifest.from_msgpack(
            _packed_project((*self._options, json.dumps(self._variables)))
        )
        self._keep_rules(project)
        return project

    @property
    def _variables(self) -> dict[str, Any]:
        return {"landing": {"web_events": str(self.landing)}}

    @property
    def _options(self) -> tuple[str, ...]:
        return (
            "--quiet",
            "--log-level-file",
            "none",
            "--no-write-json",
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT / "profiles"),
            "--target-path",
            str(self.folder / "target"),
            "--log-path",
            str(self.folder / "logs"),
            "--vars",
        )

    def _keep_rules(self, project: Manifest) -> None:
        for node in project.nodes.values():
            if self.rules is not None and "rules" in node.config.meta:
                node.config.meta["rules"] = [
                    rule for rule in node.config.meta["rules"] if rule["name"] in self.rules
                ]
        if self.rules is not None:
            project.build_flat_graph()

    def build(self, *arguments: str, **variables: Any) -> bool:
        """``dbt build`` without the unit tests, which have a test of their own."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments, **variables)

    def models(self, *arguments: str, **variables: Any) -> bool:
        """Seeds and models, without any test."""
        return self.build("--exclude-resource-type", "test", *arguments, **variables)

    def compile(self, sql: str) -> str:
        """What a query with Jinja in it becomes."""
        assert self.dbt("compile", "--inline", sql), self.results
        return self.compiled

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the data folder."""
        with self._client("sluicegate") as client:
            return [tuple(row) for row in client.query(sql).result_rows]

    def enter(self, ledger: str, **values: Any) -> None:
        """Write a row to a ledger as the gate would: its entry is the newest of all."""
        ledgers = ("dq_files", "dq_batches", "dq_acknowledgements", "dq_runs")
        newest = " union all ".join(f"select max(entry) as entry from {name}" for name in ledgers)
        columns = ", ".join(f"{value} as {name}" for name, value in values.items())
        self.query(
            f"insert into {ledger} ({', '.join(values)}, entry) "
            f"select {columns}, (select max(entry) + 1 from ({newest}))"
        )

    def acknowledge(self, stream: str, batch_date: Any, check: str = "") -> None:
        """A person's word for a batch, entered as ``sluicegate ack`` does."""
        batch = {"stream": f"'{stream}'", "batch_date": f"toDate('{batch_date}')"}
        self.enter(
            "dq_acknowledgements",
            **batch,
            check_name=f"'{check}'",
            acknowledged_by="'the shop'",
            reason="'checked'",
            acknowledged_at="now64(6, 'UTC')",
        )

    @contextmanager
    def started(self) -> Iterator[None]:
        """Let the engine run on the data folder for as long as this lasts.

        Outside of it every query and every dbt command starts the engine anew, as it is for users,
        which takes a second. Not for tests in which another process opens the folder, nor around a
        change of the folder's files.
        """
        with self._client("default"):
            yield

    @contextmanager
    def _client(self, database: str) -> Iterator[Any]:
        config = dbt_sluicegate._prepare_folder(self.data)
        client = clickhouse_connect.get_client(
            interface="chdb",
            path=str(self.data),
            chdb_options={"config-file": str(config)},
            database=database,
            settings={"session_timezone": "UTC"},
        )
        try:
            yield client
        finally:
            client.close()


@pytest.fixture(scope="session")
def gate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


@pytest.fixture
def gate(gate_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """An empty gate: no files, no data."""
    made = Gate(gate_folder)
    for folder in (made.landing, made.data):
        shutil.rmtree(folder, ignore_errors=True)
    made.landing.mkdir()
    monkeypatch.setenv("SLUICEGATE_DATA", str(made.data))
    monkeypatch.chdir(ROOT)
    return made


@pytest.fixture
def started(gate: Gate) -> Iterator[None]:
    """For tests that need no engine of its own for each command: it runs throughout the test."""
    with gate.started():
        yield


@pytest.fixture(scope="session")
def emptied_folder(gate_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to be copied: the project built on one row, and everything it wrote removed."""
    gate = Gate(gate_folder)
    folder = tmp_path_factory.mktemp("emptied") / "clickhouse"
    views = ("dq_metrics", "dq_alerts", "fct_order_items")
    seeds = ("dq_checks", "dq_calendar")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        for path in (gate.landing, gate.data):
            shutil.rmtree(path, ignore_errors=True)
        gate.landing.mkdir()
        gate.write("events_20240101.csv", HEADER + "c,u,,2024-01-01T01:00:00.000Z,page_viewed,,a\n")
        with gate.started():
            assert gate.models(), gate.results
            for (table,) in gate.query("show tables"):
                if table not in views + seeds:
                    gate.query(f"truncate table {table}")
        shutil.copytree(gate.data, folder, symlinks=True)
    return folder


@pytest.fixture
def emptied(gate: Gate, emptied_folder: Path) -> Iterator[Gate]:
    """A gate whose tables are there and empty; its engine runs throughout the test.

    For tests that write the tables themselves, and for those to which the first build is nothing.
    """
    shutil.copytree(emptied_folder, gate.data, symlinks=True)
    with gate.started():
        yield gate


@pytest.fixture
def puffy() -> Path:
    """The folder of real events; tests that need it are skipped where it is not."""
    if not PUFFY.is_dir():
        pytest.skip(f"the real events are not here: no folder {PUFFY}")
    return PUFFY
