"""The embedded engine as dbt's driver: one process a folder, all that dbt can do, other targets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import yaml
from conftest import HEADER, ROOT, Gate
from dbt.adapters.exceptions import FailedToConnectError
from dbt.cli.main import dbtRunner

import dbt_sluicegate

ONE_EVENT = HEADER + "c,https://shop.example/,,2025-01-01T00:00:00.000Z,page_viewed,,Mozilla/5.0\n"
SECRETS = ("CLICKHOUSE_HOST", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_CLUSTER")


def environment(gate: Gate) -> dict[str, str]:
    """The environment of a process of its own: its dbt artifacts out of the way, no secrets."""
    inherited = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {
        **inherited,
        "DBT_TARGET_PATH": str(gate.folder / "cli-target"),
        "DBT_LOG_PATH": str(gate.folder / "logs"),
    }


def process(gate: Gate, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the gate's folders, in the project's folder."""
    return subprocess.run(
        command, env=environment(gate), cwd=ROOT, capture_output=True, text=True, check=False
    )


def sluicegate_run(gate: Gate) -> list[str]:
    return [
        *(sys.executable, "-m", "sluicegate.cli", "run"),
        *("--landing", str(gate.landing), "--out", str(gate.folder / "out")),
    ]


# One process a folder


def test_a_second_process_on_a_folder_is_told_who_holds_it_and_harms_nothing(gate: Gate) -> None:
    gate.write("events_20250101.csv", ONE_EVENT)
    with subprocess.Popen(
        sluicegate_run(gate),
        env=environment(gate),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stderr is not None
        assert first.stderr.readline().endswith(": success\n")
        os.kill(first.pid, signal.SIGSTOP)
        try:
            second = process(gate, *sluicegate_run(gate))
        finally:
            os.kill(first.pid, signal.SIGCONT)
        first.stderr.read()
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1, second.stderr
    [complaint] = second.stderr.splitlines()
    assert complaint.startswith("sluicegate: ")
    assert f"The data folder {gate.data} is in use by process {first.pid} (" in complaint
    assert "set SLUICEGATE_DATA to another folder" in complaint

    assert first.returncode == 0
    assert gate.query("select client_id from stg_web_events__clean") == [("c",)]


def test_folders_one_after_the_other_in_one_process_do_not_meet(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.write("events_20250101.csv", ONE_EVENT)
    assert gate.models("--select", "dq_batches")
    monkeypatch.setenv("SLUICEGATE_DATA", str(tmp_path / "deep" / "other"))
    assert gate.models("--select", "dq_files")
    assert gate.query("show tables") == [("dq_batches",)]


# The data folder


@pytest.mark.parametrize("taken", ["clickhouse", ""], ids=["a file", "a file above it"])
def test_a_place_that_cannot_be_a_folder_is_one_clear_error(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    folder = tmp_path / "place" / "clickhouse"
    folder.parent.mkdir()
    if not taken:
        folder.parent.rmdir()
    (tmp_path / "place" / taken).write_text("in the way")
    monkeypatch.setenv("SLUICEGATE_DATA", str(folder))
    with pytest.raises(FailedToConnectError) as caught:
        gate.models("--select", "dq_files")
    [line] = [line.strip() for line in str(caught.value).splitlines() if str(folder) in line]
    assert f"The data folder {folder} cannot be written (" in line
    assert "set SLUICEGATE_DATA to a folder that can" in line


def test_an_address_space_too_small_for_the_engine_is_one_line(gate: Gate) -> None:
    gate.write("events_20250101.csv", ONE_EVENT)
    command = ("bash", "-c", 'ulimit -v 1700000; exec "$@"', "-", *sluicegate_run(gate))
    limited = process(gate, *command)
    assert limited.returncode == 2, limited.stderr
    [line] = [line for line in limited.stderr.splitlines() if line.startswith("sluicegate: ")]
    assert "address space of this process is limited to 1.7 GB (ulimit -v)" in line
    assert not gate.data.exists()


# Commands


def test_sluicegate_dbt_debug_connects(gate: Gate) -> None:
    debug = process(gate, sys.executable, "-m", "sluicegate.cli", "dbt", "debug")
    assert debug.returncode == 0, debug.stdout
    assert "All checks passed!" in debug.stdout
    assert "driver: chdb" in debug.stdout
    assert gate.data.is_dir()


def test_plain_dbt_build_works(gate: Gate) -> None:
    gate.write("events_20250101.csv", ONE_EVENT)
    build = process(
        gate,
        *(str(Path(sys.executable).with_name("dbt")), "build", "--profiles-dir", "profiles"),
        *("--exclude-resource-type", "unit_test"),
        *("--vars", json.dumps({"landing": {"web_events": [str(gate.landing)]}})),
    )
    assert build.returncode == 0, build.stdout
    assert gate.query("select client_id from stg_web_events__clean") == [("c",)]


# What dbt can do, on a project that has nothing of ours

PROJECT = {
    "dbt_project.yml": """
        name: corner_shop
        profile: corner_shop
        flags: {send_anonymous_usage_stats: false}
        vars: {tier: gold}
    """,
    "profiles.yml": """
        corner_shop:
          target: embedded
          outputs:
            embedded:
              type: clickhouse
              driver: chdb
              schema: corner_shop
              threads: 2
              check_exchange: false
              custom_settings: {chdb_path: "{folder}/clickhouse", session_timezone: UTC}
    """,
    "seeds/visits.csv": """
        visit_id,visitor,arrived_at
        1,ann,2020-01-01 00:00:00
        2,bob,2020-01-02 00:00:00
    """,
    "models/visitors.sql": """
        {{ config(materialized='table', order_by='visitor') }}
        select visitor, '{{ var("tier") }}' as tier, now() as arrived_at
        from {{ ref('visits') }}
        where visitor = 'ann'
    """,
    "models/regulars.sql": "select visitor from {{ ref('visitors') }} where tier = 'gold'",
    "models/schema.yml": """
        models:
          - name: visitors
            description: One row per visitor.
            columns:
              - name: visitor
                data_tests: [not_null, unique]
        sources:
          - name: shop
            schema: corner_shop
            config:
              loaded_at_field: arrived_at
              freshness: {warn_after: {count: 1, period: day}}
            tables: [{name: visits}, {name: visitors}]
    """,
    "snapshots/visitor_tiers.yml": """
        snapshots:
          - name: visitor_tiers
            relation: ref('visitors')
            config: {unique_key: visitor, strategy: check, check_cols: [tier]}
    """,
    "tests/assert_nobody_came_in_2020.sql": """
        {{ config(store_failures=true, severity='warn') }}
        select visit_id from {{ ref('visits') }} where toYear(arrived_at) = 2020
    """,
}


@dataclass(frozen=True)
class CornerShop:
    """A throw-away project that was built twice, the second time with another tier."""

    folder: Path

    def dbt(self, *arguments: str) -> Any:
        """The result of a dbt command on the project."""
        folder = str(self.folder)
        outcome = dbtRunner().invoke(
            [*arguments, "--quiet", "--project-dir", folder, "--profiles-dir", folder]
        )
        if outcome.exception is not None:
            raise outcome.exception
        assert outcome.success
        return outcome.result

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        config = dbt_sluicegate._prepare_folder(self.folder / "clickhouse")
        with clickhouse_connect.get_client(
            interface="chdb",
            path=str(self.folder / "clickhouse"),
            chdb_options={"config-file": str(config)},
            database="corner_shop",
        ) as client:
            return [tuple(row) for row in client.query(sql).result_rows]


@pytest.fixture(scope="module")
def corner_shop(tmp_path_factory: pytest.TempPathFactory) -> CornerShop:
    folder = tmp_path_factory.mktemp("corner_shop")
    for name, text in PROJECT.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip().replace("{folder}", str(folder)))
    shop = CornerShop(folder)
    shop.dbt("build")
    shop.dbt("build", "--vars", "tier: silver")
    return shop


def test_seeds_tables_and_views_are_built(corner_shop: CornerShop) -> None:
    assert corner_shop.query(
        "select name, engine from system.tables where database = 'corner_shop' order by name"
    ) == [
        ("regulars", "View"),
        ("visitor_tiers", "MergeTree"),
        ("visitors", "MergeTree"),
        ("visits", "MergeTree"),
    ]
    assert corner_shop.query("select visit_id, visitor from visits") == [(1, "ann"), (2, "bob")]


def test_a_snapshot_keeps_what_a_row_was_before(corner_shop: CornerShop) -> None:
    assert corner_shop.query(
        "select tier, dbt_valid_to is null from visitor_tiers order by dbt_valid_from"
    ) == [("gold", False), ("silver", True)]


def test_failures_of_a_test_are_stored(corner_shop: CornerShop) -> None:
    assert corner_shop.query(
        "select visit_id from corner_shop_dbt_test__audit.assert_nobody_came_in_2020 order by all"
    ) == [(1,), (2,)]


def test_source_freshness_tells_stale_from_fresh(corner_shop: CornerShop) -> None:
    result = corner_shop.dbt("source", "freshness")
    found = {entry.node.name: str(entry.status) for entry in result.results}
    assert found == {"visits": "warn", "visitors": "pass"}


def test_docs_are_generated_with_the_columns_of_the_engine(corner_shop: CornerShop) -> None:
    corner_shop.dbt("docs", "generate")
    catalog = json.loads((corner_shop.folder / "target" / "catalog.json").read_text())
    columns = catalog["nodes"]["model.corner_shop.visitors"]["columns"]
    assert {name: column["type"] for name, column in columns.items()} == {
        "visitor": "String",
        "tier": "String",
        "arrived_at": "DateTime",
    }
    assert (corner_shop.folder / "target" / "index.html").is_file()


def test_show_gives_the_rows_of_an_inline_query(corner_shop: CornerShop) -> None:
    result = corner_shop.dbt("show", "--inline", "select max(visit_id) from {{ ref('visits') }}")
    assert [tuple(row) for row in result.results[0].agate_table.rows] == [(2,)]


def test_the_engine_logs_its_queries_and_parts(corner_shop: CornerShop) -> None:
    config = dbt_sluicegate._prepare_folder(corner_shop.folder / "clickhouse")
    with clickhouse_connect.get_client(
        interface="chdb",
        path=str(corner_shop.folder / "clickhouse"),
        chdb_options={"config-file": str(config)},
        database="corner_shop",
    ) as client:
        client.command("create table logged (n UInt8) order by n")
        client.command("insert into logged select number from numbers(7)")
        client.command("system flush logs")
        queries = client.query(
            "select written_rows from system.query_log "
            "where type = 'QueryFinish' and query like 'insert into logged%'"
        )
        parts = client.query(
            "select rows from system.part_log where event_type = 'NewPart' and table = 'logged'"
        )
        client.command("drop table logged")
    assert list(queries.result_rows) == [(7,)]
    assert list(parts.result_rows) == [(7,)]


# The other targets


@pytest.mark.parametrize("target", ["server", "cluster"])
def test_a_target_parses_without_a_server_and_without_secrets(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    assert gate.dbt("parse", "--target", target)
    assert not gate.data.exists()


def test_the_profile_takes_addresses_and_secrets_from_the_environment_only() -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "profiles.yml").read_text())["sluicegate"]
    assert set(profile["outputs"]) == {"embedded", "server", "cluster"}
    for target in ("server", "cluster"):
        output = profile["outputs"][target]
        for key in ("host", "port", "user", "password", "schema"):
            assert re.fullmatch(r"\{\{ env_var\('CLICKHOUSE_[A-Z]+', '.*'\).*\}\}", output[key])
        assert "env_var('CLICKHOUSE_PASSWORD', '')" in output["password"]
    assert "env_var('CLICKHOUSE_CLUSTER'" in profile["outputs"]["cluster"]["cluster"]
