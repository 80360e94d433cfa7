"""What the gate costs, against a bare load of the same files: one command, one table.

    python benchmarks/gate.py --rows 10000000

Every line is measured in a process of its own, one after the other, in this one run; compare them
with one another, not with another machine's. Columns: seconds that the engine worked (the sum of
its queries' times from system.query_log, helpers of the first line aside), seconds of the whole
process from start to end, rows a second of the whole process, peak memory of the process.

Of a new day a second table says for which part of the gate the cores worked. Parts run side by
side, so by the clock they would count waiting for one another.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"
FIRST_DATE = datetime.date(2026, 6, 1)


# Which part of the gate a dbt node belongs to, by the beginning of its name.
PARTS = {
    "landing and evaluating": ("raw_", "stg_web_events__evaluated", "stg_web_events__rejects"),
    "sessions and orders": ("int_web_events__session_parts", "int_web_events__sessions",
                            "int_web_events__orders"),
    "monitors": ("dq_", "int_web_events__event_metrics", "int_web_events__session_metrics"),
    "publishing": ("stg_web_events__clean", "fct_"),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One line of the table; times in seconds, memory in bytes.

    Attributes:
        nodes: by dbt node how long its queries lasted, and how long cores worked for them.
    """

    name: str
    rows: int
    engine: float
    process: float
    memory: int
    nodes: dict[str, tuple[float, float]]

    def part(self, name: str) -> float:
        """Seconds that cores worked for one of PARTS, or for the rest (tests, hooks)."""
        if name in PARTS:
            return sum(
                worked for node, (_, worked) in self.nodes.items() if node.startswith(PARTS[name])
            )
        everything = sum(worked for _, worked in self.nodes.values())
        return everything - sum(self.part(other) for other in PARTS)


# What the measured processes run. Each prints the engine's seconds per node as its last line.
BARE = """
import sys, chdb
folder, files, columns = sys.argv[1:]
types = ", ".join(name + " String" for name in columns.split(","))
connection = chdb.connect(folder)
connection.query(f"create table bare ({types}) engine = MergeTree order by tuple()")
import time
start = time.perf_counter()
connection.query(f"insert into bare select * from file('{files}', 'CSVWithNames', '{types}')")
import json
print(json.dumps({"bare": (time.perf_counter() - start, time.process_time())}))
"""
BUILD = """
import json, os, sys
from pathlib import Path
import clickhouse_connect
import dbt_sluicegate
folder, landing, *arguments = sys.argv[1:]
config = dbt_sluicegate._prepare_folder(Path(folder))
# Held open so that the engine, and with it its query_log, outlives dbt's own connections.
client = clickhouse_connect.get_client(
    interface="chdb", path=folder, chdb_options={"config-file": str(config)}
)
from dbt.cli.main import dbtRunner
outcome = dbtRunner().invoke([
    "build", "--profiles-dir", "profiles", "--exclude-resource-type", "unit_test",
    "--log-level", "error", "--vars", json.dumps({"landing": {"web_events": landing}}), *arguments,
])
# A day of another size than its history raises alerts, as it should; nothing may break.
broken = [result.message for result in outcome.result or [] if result.status == "error"]
if outcome.exception or broken:
    sys.exit(f"the build failed: {outcome.exception or broken}")
client.command("system flush logs")
print(json.dumps({node: seconds for node, *seconds in client.query(
    # dbt writes into every statement which node it is for.
    "select extract(query, 'node_id[^a-z]+[a-z]+[.]sluicegate[.]([a-z0-9_]+)') as node, "
    "sum(query_duration_ms) / 1000, sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6 "
    "from system.query_log where type = 'QueryFinish' group by node"
).result_rows}))
"""


def measure(name: str, rows: int, script: str, arguments: list[str], project: Path) -> Measured:
    """Run a script in a process of its own and time it.

    Raises:
        SystemExit: the process failed; what it printed is shown.
    """
    environment = dict(os.environ, SLUICEGATE_DATA=arguments[0])
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{name} failed:\n{output}")
    print(f"{name}: {seconds:.1f} s", file=sys.stderr)
    nodes = json.loads(output.strip().splitlines()[-1])
    lasted = sum(node[0] for node in nodes.values())
    return Measured(name, rows, lasted, seconds, resource_bytes(usage), nodes)


def resource_bytes(usage: resource.struct_rusage) -> int:
    """Peak resident memory in bytes (Linux counts it in KiB, macOS in bytes)."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def project_with_rules(folder: Path, rules: int) -> Path:
    """A copy of the project whose evaluated model has so many rules (10 of its own, or more)."""
    copy = folder / f"project_{rules}_rules"
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(
            ".git", ".venv", "data", "target", "logs", "python", "observability"
        ),
    )
    path = copy / "models/staging/web_events/stg_web_events__evaluated.yml"
    head, listed = path.read_text().split("        rules:\n", 1)
    listed, columns = listed.split("    columns:\n", 1)
    own = re.split(r"(?m)^(?=          - name: )", listed)[1:]
    extra = [
        f"          - name: extra_{number}\n"
        f"            predicate: {predicate}\n"
        "            action: warn\n"
        "            description: One more rule.\n"
        "            remediation: None.\n"
        for number, predicate in enumerate(
            [
                template.format(number)
                for number in range(rules)
                for template in (
                    "length(page_url) > {0} + 2000",
                    "endsWith(page_url, '/nowhere-{0}')",
                    "event_name = 'never_{0}'",
                    "row_number % 1000003 = {0} and ifNull(revenue > 1000000, false)",
                    "startsWith(client_id, 'x{0}x')",
                )
            ]
        )
    ]
    path.write_text(
        head + "        rules:\n" + "".join((own + extra)[:rules]) + "    columns:\n" + columns
    )
    for tests in copy.glob("models/staging/web_events/*unit_tests.yml"):
        tests.unlink()
    return copy


def run(rows: int, days: int, work: Path, files: Path | None) -> list[Measured]:
    """All measurements, in the order of the table.

    Args:
        rows: rows in all files together, about.
        days: number of daily files, at least 5.
        work: an empty folder for data.
        files: folder of files written before by this benchmark; None writes them.
    """
    if files is None:
        from sluicegate.sample import SampleSpec, write_sample

        files = work / "files"
        write_sample(files, SampleSpec(FIRST_DATE, days=days, rows_per_day=rows // days))
    names = sorted(path.name for path in files.glob("events_*.csv"))
    counts = {
        name: sum(chunk.count(b"\n") for chunk in _chunks(files / name)) - 1 for name in names
    }
    total, newest = sum(counts.values()), counts[names[-1]]

    def landing(name: str, chosen: list[str]) -> Path:
        folder = work / name
        folder.mkdir(exist_ok=True)
        for file in chosen:
            if not (folder / file).exists():
                os.link(files / file, folder / file)
        return folder

    def build(
        name: str, rows: int, data: str, folder: Path, *arguments: str, project: Path = ROOT
    ) -> Measured:
        return measure(name, rows, BUILD, [str(work / data), str(folder), *arguments], project)

    results = [
        measure(
            "bare load into a MergeTree of Strings",
            total,
            BARE,
            [str(work / "bare"), str(files / "events_*.csv"), COLUMNS],
            ROOT,
        )
    ]
    shutil.rmtree(work / "bare")
    everything = landing("everything", names)
    results.append(build(f"first build, {days} days", total, "whole", everything))
    results.append(build("nothing new", 0, "whole", everything))
    shutil.rmtree(work / "whole")

    for history in (3, days - 1):
        folder = landing(f"history_{history}", names[days - 1 - history : days - 1])
        build(f"(history of {history} days)", 0, "grown", folder)
        landing(f"history_{history}", names[-1:])
        results.append(build(f"one new day beside {history}", newest, "grown", folder))
        shutil.rmtree(work / "grown")

    # A year of small days: what checks read of the past does not depend on its rows.
    from sluicegate.sample import SampleSpec, write_sample

    year = work / "year"
    write_sample(
        year,
        SampleSpec(FIRST_DATE - datetime.timedelta(days=365), days=365, rows_per_day=300),
    )
    build("(a year of small days)", 0, "year_data", year)
    first_day = f"events_{FIRST_DATE:%Y%m%d}.csv"
    os.link(files / first_day, year / first_day)
    results.append(build("one new day beside a year", counts[first_day], "year_data", year))
    shutil.rmtree(work / "year_data")

    for rules in (10, 100):
        project = project_with_rules(work, rules)
        results.append(
            build(f"first build, {rules} rules", total, "rules", everything, project=project)
        )
        shutil.rmtree(work / "rules")
    return results


def _chunks(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(iter(lambda: file.read(1 << 24), b""))


def table(results: list[Measured]) -> str:
    """The results as a Markdown table, with ratios to the first line."""
    bare = results[0]
    lines = [
        "| what | rows | engine s | process s | rows/s | peak memory | engine / bare |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        rate = f"{result.rows / result.process:,.0f}" if result.rows else ""
        lines.append(
            f"| {result.name} | {result.rows:,} | {result.engine:.1f} | {result.process:.1f} "
            f"| {rate} | {result.memory / 1e9:.1f} GB | {result.engine / bare.engine:.2f} |"
        )
    parts = [*PARTS, "tests and the rest"]
    lines += [
        "",
        "| core seconds for | " + " | ".join(parts) + " | monitors / landing and evaluating |",
        "|---|" + "---:|" * (len(parts) + 1),
    ]
    for result in results:
        if result.name.startswith("one new day"):
            seconds = [result.part(part) for part in parts]
            lines.append(
                f"| {result.name} | "
                + " | ".join(f"{number:.2f}" for number in seconds)
                + f" | {seconds[2] / seconds[0]:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows in all, about")
    parser.add_argument("--days", type=int, default=14, help="daily files, at least 5")
    parser.add_argument("--files", type=Path, help="folder of files to use, written before")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluicegate-benchmark-") as work:
        results = run(arguments.rows, arguments.days, Path(work), arguments.files)
    if arguments.json:
        print(json.dumps([vars(result) for result in results], indent=2))
    else:
        print(table(results))


if __name__ == "__main__":
    main()
