"""What the data folder weighs after many runs, against one that a single run built.

    python benchmarks/data_folder.py --runs 100 --redeliveries 50

Every run is a process of its own, as it is for users. In one folder days arrive one after the
other, are delivered again with other content, idle runs lie between, and at the end there are a
--full-refresh and an idle run; the other folder gets the files as they are then, in one run.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DAYS = 14
FIRST_DATE = datetime.date(2026, 6, 1)


@dataclass(frozen=True)
class Weight:
    """What a folder weighs: number of files, bytes on the disk (a hard link counts once)."""

    files: int
    size: int

    @classmethod
    def of(cls, folder: Path) -> Weight:
        found = {
            (stat.st_dev, stat.st_ino): stat.st_blocks * 512
            for stat in (path.lstat() for path in folder.rglob("*") if path.is_file())
        }
        return cls(len(found), sum(found.values()))


def sample(folder: Path, rows: int, seed: int) -> list[Path]:
    """The files of all days of a made-up shop, oldest first."""
    subprocess.run(
        [
            *(sys.executable, "-m", "sluicegate.cli", "sample", str(folder)),
            *("--days", str(DAYS), "--rows", str(rows), "--seed", str(seed)),
            *("--first-date", str(FIRST_DATE)),
        ],
        check=True,
        capture_output=True,
    )
    return sorted(folder.iterdir())


def run(folder: Path, data: str, *arguments: str) -> float:
    """One run of the gate; returns its seconds.

    Raises:
        SystemExit: it could not be evaluated.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sluicegate.cli", "run", "--landing", str(folder / "landing")),
            *("--out", str(folder / "out"), "--project-dir", str(ROOT)),
            *("--as-of", "2026-06-15", *arguments),
        ],
        env={
            **os.environ,
            "SLUICEGATE_DATA": str(folder / data),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        },
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"a run failed: {done.stderr}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="runs, the re-deliveries among them")
    parser.add_argument("--redeliveries", type=int, default=50)
    parser.add_argument("--rows", type=int, default=300, help="rows a day, about")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="sluicegate-data-folder-") as temporary:
        folder = Path(temporary)
        landing = folder / "landing"
        landing.mkdir()
        versions = [sample(folder / f"shop{seed}", arguments.rows, seed) for seed in (1, 2)]

        def deliver(number: int) -> None:
            """The days arrive one after the other; then they come again, with other content."""
            path = versions[number // DAYS % 2][number % DAYS]
            written = landing / f".{path.name}"
            shutil.copyfile(path, written)
            # Two deliveries within a second would have the same time of change.
            os.utime(written, (1_780_000_000 + number, 1_780_000_000 + number))
            written.rename(landing / path.name)

        deliveries = DAYS + arguments.redeliveries
        seconds = []
        for number in range(arguments.runs):
            # Spread evenly from the first run on, idle runs in between.
            due = range(
                math.ceil(number * deliveries / arguments.runs),
                math.ceil((number + 1) * deliveries / arguments.runs),
            )
            for delivery in due:
                deliver(delivery)
            seconds.append(run(folder, "many"))
        after_runs = Weight.of(folder / "many")
        run(folder, "many", "--full-refresh")
        run(folder, "many")
        many = Weight.of(folder / "many")
        run(folder, "one")
        one = Weight.of(folder / "one")

        landed = Weight.of(landing)
        print(f"| folder | files | MB | against one run |\n|{'---|' * 4}")
        for name, weight in (
            ("files landed", landed),
            ("built in one run", one),
            (f"{arguments.runs} runs, {arguments.redeliveries} re-deliveries", after_runs),
            ("and a --full-refresh, and an idle run", many),
        ):
            against = f"{weight.files / one.files:.2f} files, {weight.size / one.size:.2f} bytes"
            print(f"| {name} | {weight.files:,} | {weight.size / 1e6:.1f} | {against} |")
        print(f"\nseconds of the last ten runs: {statistics.median(seconds[-10:]):.1f} (median)")


if __name__ == "__main__":
    main()
