"""The gate under Elementary: sluicegate observe, and the project in observability/.

What needs Elementary's dbt packages takes them from a mirror of the hub: the one that
SLUICEGATE_HUB_MIRROR names, or sluicegate/hub-mirror in the user's cache folder.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from conftest import ROOT, Gate
from dbt.config.profile import Profile, read_profile
from dbt.config.project import package_config_from_data
from dbt.config.renderer import ProfileRenderer
from dbt.task.deps import _create_sha1_hash
from test_cli import command_in
from test_page import browse, needs_a_browser

from sluicegate.cli import find_project, main
from sluicegate.engine import load_profile
from sluicegate.hub.mirror import serve
from sluicegate.hub.packages import Package, read_checksums, read_lock
from sluicegate.observe import Observability, install_packages
from sluicegate.sample import SampleSpec, write_sample

PROJECT = ROOT / "observability"
OBSERVED = Observability(ROOT)
LAST = datetime.date(2025, 3, 20)


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The mirror of Elementary's packages on this machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = os.environ.get("SLUICEGATE_HUB_MIRROR")
    folder = Path(named) if named else cache / "sluicegate" / "hub-mirror"
    if not folder.is_dir():
        pytest.skip(
            f"Elementary's dbt packages are not here: no mirror of the hub in {folder} "
            "(sluicegate hub-mirror pull makes one)"
        )
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout whose observability/ has nothing installed; it cannot build."""
    shutil.copy(ROOT / "dbt_project.yml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    ignored = shutil.ignore_patterns("dbt_packages", "target", "logs")
    shutil.copytree(PROJECT, tmp_path / "observability", ignore=ignored)
    return tmp_path


def sluicegate(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refusal(result: Result) -> str:
    """What a command said that could not do its work: one line, exit code 2."""
    assert result.exit_code == 2, result.output
    [line] = result.stderr.splitlines()
    return line.removeprefix("sluicegate: ")


# --- What is pinned -------------------------------------------------------------------------------


def test_package_edr_and_lock_are_of_one_version() -> None:
    packages = yaml_of(PROJECT / "packages.yml")["packages"]
    wanted = {
        Package(entry["package"], str(entry["version"])) for entry in packages if "package" in entry
    }
    assert set(read_lock(PROJECT / "package-lock.yml")) == wanted
    [elementary] = [package for package in wanted if package.name == "elementary"]
    assert f'"elementary-data=={elementary.version}"' in (ROOT / "pyproject.toml").read_text()
    assert f"\nelementary-data=={elementary.version} " in (ROOT / "requirements.lock").read_text()


def test_the_lock_is_of_the_packages_that_are_asked_for() -> None:
    packages = yaml_of(PROJECT / "packages.yml")
    wanted = package_config_from_data(packages, packages).packages
    assert yaml_of(PROJECT / "package-lock.yml")["sha1_hash"] == _create_sha1_hash(wanted)


def test_what_is_locked_has_a_checksum_and_nothing_else_has() -> None:
    locked = {package for lock in OBSERVED.locks for package in read_lock(lock)}
    assert set(read_checksums(OBSERVED.checksums)) == locked


@pytest.mark.parametrize("target", ["embedded", "server", "cluster"])
def test_edr_connects_to_the_same_targets_in_a_database_of_its_own(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEGATE_DATA", "/somewhere")
    gate = load_profile(ROOT / "profiles", target).credentials
    edr = Profile.from_raw_profiles(
        raw_profiles=read_profile(str(ROOT / "profiles")),
        profile_name="elementary",
        renderer=ProfileRenderer({}),
        target_override=target,
    ).credentials
    assert edr.schema == f"{gate.schema}_elementary"
    assert (edr.host, edr.driver, edr.cluster) == (gate.host, gate.driver, gate.cluster)
    assert edr.custom_settings == {**gate.custom_settings, "mutations_sync": 2}
    assert edr.custom_settings["join_use_nulls"] == 1
    assert edr.custom_settings["session_timezone"] == "UTC"


def test_the_gates_project_is_the_one_around_observability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT / "models")
    assert find_project() == ROOT


# --- No hub, no mirror, a wrong mirror ------------------------------------------------------------


def test_without_hub_and_mirror_one_line_says_what_to_do(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUICEGATE_HUB_MIRROR", raising=False)
    # Port 9 (discard) is served by nobody.
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9/")
    line = refusal(sluicegate("observe", "--project-dir", str(copied)))
    assert line == (
        "The dbt package hub http://127.0.0.1:9/ cannot be reached: make a mirror with "
        "`sluicegate hub-mirror pull DIR` on a machine that reaches it, and give it with "
        "--hub-mirror DIR."
    )
    assert not (copied / "data").exists()


def test_a_mirror_that_lacks_a_package_is_refused_by_name(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = refusal(
        sluicegate("observe", "--project-dir", str(copied), "--hub-mirror", str(tmp_path / "empty"))
    )
    assert "lacks dbt-labs/dbt_utils 0.8.6, dbt-labs/dbt_utils 1.3.3" in line
    assert "sluicegate hub-mirror pull" in line


def test_a_checkout_without_the_project_is_refused(tmp_path: Path) -> None:
    shutil.copy(ROOT / "dbt_project.yml", tmp_path)
    for command in (["observe"], ["hub-mirror", "pull", str(tmp_path / "mirror")]):
        line = refusal(sluicegate(*command, "--project-dir", str(tmp_path)))
        assert line.startswith(f"There is no dbt project in {tmp_path / 'observability'}")


def test_what_is_no_repository_is_refused_by_the_command(copied: Path, tmp_path: Path) -> None:
    line = refusal(
        sluicegate(
            *("hub-mirror", "pull", str(tmp_path / "mirror"), "--project-dir", str(copied)),
            *("--git", f"dbt-labs/dbt_utils={tmp_path}"),
        )
    )
    assert "is no git repository" in line


# --- With the real packages -----------------------------------------------------------------------


def test_a_mirror_is_made_of_the_real_packages_by_the_command(mirror: Path, tmp_path: Path) -> None:
    checksums = read_checksums(OBSERVED.checksums)
    with serve(mirror, checksums) as hub:
        result = sluicegate("hub-mirror", "pull", str(tmp_path / "new"), "--hub-url", hub)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        *(f"{package}  {text}" for package, text in sorted(checksums.items())),
        f"3 packages are in {tmp_path / 'new'}",
    ]
    with serve(tmp_path / "new", checksums):
        pass


@dataclass(frozen=True)
class Observed:
    """What one ``sluicegate observe --report`` left."""

    result: Result
    gate: Gate
    out: Path

    @property
    def site(self) -> Path:
        return self.out / "elementary" / "index.html"

    def statuses(self, kind: str) -> dict[str, str]:
        """The status of each of Elementary's results of a kind, by the test's name."""
        return dict(
            self.gate.query(
                "select test_name, max(status) from sluicegate_elementary.elementary_test_results "
                f"where test_type = '{kind}' group by test_name"
            )
        )


@pytest.fixture(scope="module")
def observed(mirror: Path, gate_folder: Path) -> Iterator[Observed]:
    """Eleven good days and one on which every visitor has a phone and half of the carts are lost.

    Judged as of the morning after, as a scheduler would.
    """
    with command_in(gate_folder) as command, pytest.MonkeyPatch.context() as patch:
        # Not dbt's artifacts of the gate's own project.
        patch.delenv("DBT_TARGET_PATH")
        patch.setenv("SLUICEGATE_HUB_MIRROR", str(mirror))
        # What is taken from here must be in the mirror: there is no other way out.
        patch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9/")
        first = LAST - datetime.timedelta(days=11)
        paths = write_sample(command.gate.landing, SampleSpec(first, days=12, rows_per_day=2000))
        lines = paths[-1].read_text().splitlines(keepends=True)
        phone = next(line for line in lines if "iPhone" in line).rpartition(",")[2]
        paths[-1].write_text(
            lines[0]
            + "".join(
                line.rpartition(",")[0] + "," + phone
                for number, line in enumerate(lines[1:])
                if "product_added_to_cart" not in line or number % 2
            )
        )
        result = sluicegate(
            *("observe", "--report", "--landing", str(command.gate.landing)),
            *(
                "--out",
                str(command.out),
                "--as-of",
                f"{LAST + datetime.timedelta(days=1)}T06:00:00",
            ),
        )
        yield Observed(result, command.gate, command.out)


def test_it_ends_with_the_gates_exit_code_and_says_where_the_site_is(observed: Observed) -> None:
    assert observed.result.exception is None or isinstance(observed.result.exception, SystemExit)
    report = json.loads((observed.out / "monitoring_report.json").read_text())
    assert report["status"] != "ERROR", observed.result.output
    expected = {"PASS": 0, "WARN": 0, "FAIL": 1}[report["status"]]
    assert observed.result.exit_code == expected, observed.result.output
    assert observed.result.stdout.splitlines()[-1] == f"site: {observed.site}"
    assert "Traceback" not in observed.result.output


def test_the_gates_own_tests_and_models_are_in_elementarys_tables(observed: Observed) -> None:
    own = observed.statuses("dbt_test")
    assert own["every_landed_row_is_clean_or_a_reject"] == "pass"
    assert own["sessions_client_id_started_at_unique"] == "pass"
    models = {
        name
        for (name,) in observed.gate.query(
            "select name from sluicegate_elementary.dbt_models where package_name = 'sluicegate'"
        )
    }
    assert {"stg_web_events__evaluated", "dq_gate", "fct_sessions"} <= models


def test_the_anomaly_tests_judge_the_newest_day(observed: Observed) -> None:
    found = observed.statuses("anomaly_detection")
    assert found["clean_device_anomalies"] == "warn"
    assert found["sessions_device_anomalies"] == "warn"
    assert found["clean_client_id_missing"] == "pass"
    assert found["dq_metrics_volume_anomalies"] == "pass"
    [(message,)] = observed.gate.query(
        "select any(test_results_description) from sluicegate_elementary.elementary_test_results "
        "where test_name = 'sessions_device_anomalies'"
    )
    assert re.search(r"device_class: mobile \(\d+\.0, avg \d+", message), message


def test_every_test_that_is_written_down_has_a_result(observed: Observed) -> None:
    written = set(
        re.findall(
            r"^ +name: (\w+)$|^ +- elementary\.\w+:\n +name: (\w+)",
            "\n".join(path.read_text() for path in (PROJECT / "models").glob("*.yml")),
            flags=re.MULTILINE,
        )
    )
    names = {first or second for first, second in written}
    found = observed.gate.query(
        "select distinct test_name from sluicegate_elementary.elementary_test_results"
    )
    assert names
    assert names <= {name for (name,) in found}


def test_nothing_that_a_visitor_sent_is_kept_by_elementary(observed: Observed) -> None:
    clients = observed.gate.query(
        "select client_id from sluicegate.stg_web_events__clean where client_id != '' limit 200"
    )
    site = observed.site.read_text()
    assert clients
    assert not [client for (client,) in clients if client in site]
    kept = observed.gate.query(
        "select result_rows from sluicegate_elementary.elementary_test_results "
        "where result_rows != ''"
    )
    assert kept
    assert not [row for (row,) in kept for (client,) in clients if client in row]


def test_the_site_has_plots_owners_and_what_comes_from_what(observed: Observed) -> None:
    """Read from the data that its pages are drawn from."""
    encoded = re.search(
        r"window\.elementaryData = JSON\.parse\(atob\('([^']+)'\)\)", observed.site.read_text()
    )
    assert encoded
    data = json.loads(base64.b64decode(encoded[1]))
    results = {
        result["metadata"]["test_unique_id"].split(".")[2]: result
        for found in data["test_results"].values()
        for result in found
    }
    volume = results["dq_metrics_volume_anomalies"]["test_results"]
    assert [point for point in volume["metrics"] if point["value"] and point["average"]]
    sessions = results["sessions_device_anomalies"]["metadata"]
    assert sessions["latest_run_status"] == "warn"
    owned = data["models"]["model.sluicegate.fct_sessions"]
    assert (owned["owners"], owned["tags"]) == (["web_analytics"], ["gate"])
    assert [
        "model.sluicegate.stg_web_events__clean",
        "model.sluicegate.stg_web_events__evaluated",
    ] in data["lineage"]["edges"]


def test_dbt_parses_the_project_without_a_warning(mirror: Path, tmp_path: Path) -> None:
    from dbt.cli.main import dbtRunner

    install_packages(OBSERVED, mirror)
    outcome = dbtRunner().invoke(
        [
            *("parse", "--no-partial-parse", "--project-dir", str(PROJECT)),
            *("--profiles-dir", str(ROOT / "profiles"), "--target-path", str(tmp_path)),
            *("--warn-error-options", '{"error": "all"}', "--quiet"),
        ]
    )
    assert outcome.success, outcome.exception


def words(observed: Observed, page: str, folder: Path) -> str:
    """What a reader sees of a page of the site."""
    wrapper = folder / "wrapper.html"
    address = json.dumps(f"{observed.site.as_uri()}#/report/{page}")
    wrapper.write_text(f"<!doctype html><script>location.replace({address})</script>")
    dom = browse(wrapper, "--virtual-time-budget=10000", "--window-size=1400,1000")
    without_code = re.sub(r"<script.*?</script>|<style.*?</style>", "", dom, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", without_code).split())


@needs_a_browser
def test_the_sites_pages_show_tests_models_and_lineage(observed: Observed, tmp_path: Path) -> None:
    [(tests, warnings)] = observed.gate.query(
        "select uniqExact(test_unique_id, ifNull(test_sub_type, '')), "
        "uniqExactIf((test_unique_id, ifNull(test_sub_type, '')), status = 'warn') "
        "from sluicegate_elementary.elementary_test_results"
    )
    assert f"{tests} Tests" in words(observed, "dashboard", tmp_path)
    results = words(observed, "test-results", tmp_path)
    assert f"All ({tests})" in results
    assert f"Warnings ({warnings})" in results
    assert re.search(
        r"obs_sessions - dimension_anomalies dimension dbt [\d/:, APM]+ Warning", results
    )
    lineage = words(observed, "lineage", tmp_path)
    assert "sluicegate_observability" in lineage
