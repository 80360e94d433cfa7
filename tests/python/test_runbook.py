"""The runbook: a section for every name that an alert or a reject can have, queries that run."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from click.testing import CliRunner
from conftest import HEADER, ROOT, Gate
from test_publishing import story

from sluicegate.cli import main

RUNBOOK = ROOT / "docs" / "runbook.md"
ANALYSES = ROOT / "analyses"
RULES = ROOT / "models" / "staging" / "web_events" / "stg_web_events__evaluated.yml"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^```.*?^```[^\n]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
QUERY = re.compile(r"\btriage_[a-z0-9_]+")


def prose(path: Path) -> str:
    """The document without what stands between code fences."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def headings(path: Path) -> list[str]:
    return [found.group(2) for found in HEADING.finditer(prose(path))]


def sections() -> dict[str, str]:
    """What stands under each heading of the runbook."""
    text = prose(RUNBOOK)
    found = list(HEADING.finditer(text))
    ends = [heading.start() for heading in found[1:]] + [len(text)]
    return {
        heading.group(2): text[heading.end() : end]
        for heading, end in zip(found, ends, strict=True)
    }


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and GitLab make them."""
    slugs: set[str] = set()
    counted: Counter[str] = Counter()
    for heading in headings(path):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        slugs.add(f"{slug}-{counted[slug]}" if counted[slug] else slug)
        counted[slug] += 1
    return slugs


def checks() -> list[dict[str, str]]:
    with (ROOT / "seeds" / "dq_checks.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def queries() -> set[str]:
    return {path.stem for path in ANALYSES.glob("*.sql")}


CHECKS = {check["check_name"]: check for check in checks()}

# The index at the top of the runbook: the checks by tier, and the rules.
INDEX = re.compile(r"^\| (tier \d|reject reasons|warnings)[^|]*\| (.+) \|$", re.MULTILINE)

shipped = pytest.mark.skipif(
    not os.environ.get("SLUICEGATE_SHIPPED"),
    reason="compares checks and rules with the runbook, which describes what the project ships; "
    "SLUICEGATE_SHIPPED=1 asks for it where nobody has added their own",
)


def indexed(*kinds: str) -> list[str]:
    """The names in those rows of the index that begin so."""
    return [
        name
        for kind, names in INDEX.findall(RUNBOOK.read_text(encoding="utf-8"))
        if kind.startswith(kinds)
        for name in re.findall(r"\[(\w+)\]", names)
    ]


@pytest.mark.parametrize("name", indexed("tier"))
def test_a_check_has_one_section_with_a_query_that_exists(name: str) -> None:
    assert headings(RUNBOOK).count(name) == 1
    named = set(QUERY.findall(sections()[name]))
    assert named
    assert named <= queries()


@pytest.mark.parametrize("name", indexed("reject reasons", "warnings"))
def test_a_rule_has_one_section(name: str) -> None:
    assert headings(RUNBOOK).count(name) == 1


@shipped
def test_every_check_and_every_rule_is_in_the_index() -> None:
    [model] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["models"]
    rules = {rule["name"] for rule in model["config"]["meta"]["rules"]}
    assert sorted(indexed("tier")) == sorted(CHECKS)
    assert set(indexed("reject reasons", "warnings")) == rules


@shipped
@pytest.mark.parametrize("name", indexed("tier"))
def test_a_section_states_severity_and_limits_of_the_seed(name: str) -> None:
    check = CHECKS[name]
    first = " ".join(sections()[name].strip().split("\n\n")[0].split())
    assert first.startswith(f"{check['severity']}")
    assert (", holds the batch." in first) == (check["is_blocking"] == "true")
    for cell in ("warn_limit", "fail_limit", "guard", "min_volume", "min_history"):
        number = float(check[cell] or 0)
        if number:
            written = rf"(?<![\d.])({number:g}|{number * 100:g} %)(?![\d.]*\d)"
            assert re.search(written, first), (cell, number)


def test_every_query_is_named_in_the_runbook_and_described() -> None:
    named = set(QUERY.findall(RUNBOOK.read_text(encoding="utf-8")))
    listed = yaml.safe_load((ANALYSES / "analyses.yml").read_text(encoding="utf-8"))["analyses"]
    assert named - {"triage_"} == queries()
    assert {query["name"] for query in listed if query["description"].strip()} == queries()


def test_the_columns_of_the_seed_are_explained() -> None:
    written = set(re.findall(r"`(\w+)`", sections()["Adding a check"]))
    assert set(checks()[0]) <= written


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


# The queries on two days told by hand: a good one, and one on which much is wrong.

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
GOOD, BAD = "2025-01-06", "2025-01-07"


def view(date: str, clock: str, client: str) -> str:
    return f"{client},https://shop.example/,,{date}T{clock}:00.000Z,page_viewed,,{BROWSER}\n"


def purchase(date: str, clock: str, client: str, number: int, revenue: int) -> str:
    data = (
        f'{{"transaction_id":"T-{number}","revenue":{revenue},'
        '"items":[{"item_id":"1","item_price":100,"quantity":1}]}'
    ).replace('"', '""')
    return (
        f"{client},https://shop.example/,,{date}T{clock}:00.000Z,checkout_completed,"
        f'"{data}",{BROWSER}\n'
    )


def without_referrer(text: str) -> str:
    """The file with the column referrer, empty in every row, gone and another one added."""
    header, *lines = text.splitlines()
    changed = [header.replace(",referrer", "") + ",source"]
    changed += [line.replace("shop.example/,,", "shop.example/,", 1) + ",paper" for line in lines]
    return "\n".join(changed) + "\n"


@pytest.fixture(scope="module")
def built(gate_folder: Path, emptied_folder: Path) -> Iterator[Gate]:
    hours = [f"{hour:02}:00" for hour in range(24)]
    with story(gate_folder, emptied_folder) as gate:
        good = [view(GOOD, clock, f"c{clock[:2]}") for clock in hours]
        bad = [view(BAD, clock, f"c{clock[:2]}") for clock in hours if not "09" < clock[:2] < "13"]
        gate.write(
            "events_20250106.csv", HEADER + "".join([*good, purchase(GOOD, "10:05", "c10", 1, 100)])
        )
        gate.write(
            "events_20250107.csv",
            without_referrer(
                HEADER
                + "".join(
                    [
                        *bad,
                        purchase(BAD, "14:05", "stranger", 5, 10_000),
                        purchase(BAD, "14:25", "c14", 2, 100),
                        view(BAD, "15:10", ""),
                        view(BAD, "15:20", ""),
                    ]
                )
            ),
        )
        gate.build()
        yield gate


def answer(gate: Gate, name: str, **variables: str) -> list[tuple[Any, ...]]:
    """What a query of analyses/ gives, as dbt compiles it."""
    assert gate.dbt("compile", "--select", name, **variables)
    path = gate.folder / "target" / "compiled" / "sluicegate" / "analyses" / f"{name}.sql"
    return gate.query(path.read_text(encoding="utf-8") + "\nsettings join_use_nulls = 1")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {
            "batch": GOOD,
            "reason": "missing_client_id",
            "metric": "reject_rows",
            "dimension": "missing_client_id",
            "check": "reject_rate",
            "minutes": 5,
            "bots": False,
        },
    ],
    ids=["defaults", "chosen"],
)
def test_every_query_runs(built: Gate, variables: dict[str, Any]) -> None:
    assert built.dbt("show", "--select", "path:analyses", "--limit", "5", **variables)
    assert set(built.results) == queries()
    assert all(result.startswith("success") for result in built.results.values()), built.results


def test_the_queries_find_what_was_done_to_the_newest_day(built: Gate) -> None:
    by_hour = {row[0]: row[1:3] for row in answer(built, "triage_volume_by_hour")}
    assert by_hour["09"] == (1, 1)
    assert by_hour["10"] == (0, 2)
    assert by_hour["14"] == (3, 1)

    silent_from, silent_until, minutes, usual, *_ = answer(built, "triage_silence")[0]
    assert (f"{silent_from:%H:%M}", f"{silent_until:%H:%M}", minutes) == ("09:00", "13:00", 240)
    # 09:00 to 13:00 of the good day: four views and a purchase.
    assert usual == 5

    columns = {(row[0], row[1]): row[2:4] for row in answer(built, "triage_missing_column")}
    assert columns["referrer", "events_20250107.csv"] == ("missing", 0)
    assert columns["source", "events_20250107.csv"] == ("unknown", 1)
    assert columns["referrer", "events_20250106.csv"] == ("there", 0)

    rejects = [row[:4] for row in answer(built, "triage_rejects_by_reason")]
    assert rejects == [("missing_client_id", "events_20250107.csv", "15", 2)]

    orphans = [(row[0], row[1]) for row in answer(built, "triage_orphan_orders")]
    assert orphans == [("T-5", "stranger")]

    first, second = answer(built, "triage_checkouts")
    assert (first[1], first[4]) == ("T-5", 100)
    assert set(first[0]) == {"revenue_items_mismatch", "ten_times_usual"}
    assert (second[1], list(second[0]), second[4]) == ("T-2", [], 1)

    [gap] = [row[:3] for row in answer(built, "triage_order_numbers")]
    assert gap == (2, 5, 2)

    parts = {row[0]: row[1:3] for row in answer(built, "triage_conservation")}
    assert parts["landed"] == (25, 10_100)
    assert parts["evaluated, clean"] == (23, 10_100)
    assert parts["rejects"] == (2, 0)


def test_the_queries_show_the_batch_that_is_asked_for(built: Gate) -> None:
    parts = {row[0]: row[1:3] for row in answer(built, "triage_conservation", batch=GOOD)}
    assert parts["landed"] == parts["published"] == (25, 100)
    history = answer(built, "triage_check_history", check="reject_rate", batch=GOOD)
    assert [(str(row[0]), row[1]) for row in history] == [(GOOD, "low_volume")]


def test_the_command_that_the_runbook_shows_works(
    built: Gate, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    [command] = re.findall(
        r"^sluicegate (dbt show .*--select.*)$", RUNBOOK.read_text(), re.MULTILINE
    )
    monkeypatch.setenv("DBT_PROFILES_DIR", str(ROOT / "profiles"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(built.folder / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(built.folder / "logs"))
    result = CliRunner().invoke(main, shlex.split(command.replace("2026-07-14", GOOD)))
    assert result.exit_code == 0, result.output
    shown = result.output + capfd.readouterr().out
    assert "difference_so_far" in shown
    assert len(re.findall(r"^\| \d\d +\|", shown, re.MULTILINE)) == 24


def test_the_rule_and_the_check_of_the_readme_turn_no_test_red(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [rule] = re.findall(r"^```yaml\n( +- name: large_order\n.*?)^```", readme, re.M | re.S)
    [check] = re.findall(r"^check_name,.*\n(\w+,web_events,.*)$", readme, re.M)
    project = tmp_path / "project"
    hidden = shutil.ignore_patterns(".*", "data", "target", "logs", "dbt_packages", "__pycache__")
    shutil.copytree(ROOT, project, ignore=hidden)
    rules = project / RULES.relative_to(ROOT)
    first = "          - name: malformed_line\n"
    text = rules.read_text(encoding="utf-8")
    assert text.count(first) == 1
    rules.write_text(text.replace(first, rule + first), encoding="utf-8")
    with (project / "seeds" / "dq_checks.csv").open("a", encoding="utf-8") as seed:
        seed.write(check + "\n")
    tests = ("test_runbook.py", "test_reference.py", "test_checks.py")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(f"tests/python/{name}" for name in tests),
            *("-k", "section or index or beyond_all_bounds or bad_row"),
        ],
        cwd=project,
        env={**os.environ, "SLUICEGATE_SHIPPED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " failed" not in done.stdout
