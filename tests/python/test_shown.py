"""Every output of a real run: no personal data is in it, and no forged line."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import HEADER
from test_cli import Run, command_in, day, validate

# Examples that standards reserve (see test_masking.py).
EMAILS = [f"visitor{number}@mail{number}.example.com" for number in range(12)]
SECRETS = [
    "ann@example.com",
    "4111 1111 1111 1111",
    "+1 202 555 0143",
    "203.0.113.9",
    "2001:db8::7",
]
PERSON = "Zzyzx-Client"
# Each would do harm as it is: forge a line, move the cursor, reorder, hide.
FORGED = "PASS the gate is open"
HIDDEN = ["\n", "\x1b[2J", "\u202e", "\x85", "\u200b"]


def shifted() -> str:
    """A day on which every value stands one column too far to the left."""
    rows = [
        f"/p{number},,2025-01-02T08:00:00.000Z,page_viewed,{EMAILS[number % 12]},M,{PERSON}"
        for number in range(600)
    ]
    rows += [
        f'"{secret}","{secret}","{secret}",x,"{secret}","{secret}","{secret}"' for secret in SECRETS
    ]
    payload = (
        '"{""user_email"": ""ann@example.com"", ""ann@example.com"": 1, ""ip"": ""203.0.113.9""}"'
    )
    rows += [f"{PERSON},u,,2025-01-02T09:00:00.000Z,page_viewed,{payload},M"]
    return HEADER + "\n".join(rows) + f'\n"{PERSON},{EMAILS[0]}\n'


def without_header() -> str:
    """A file whose first row is taken for the names of its columns."""
    return f"ann@example.com,+1 202 555 0143,re\u202eferrer,x\x85y,{PERSON}\n" + "a,b,c,d,e\n"


@dataclass(frozen=True)
class Outputs:
    run: Run
    files: dict[str, str]
    tables: dict[str, str]


@pytest.fixture(scope="module")
def outputs(gate_folder: Path) -> Outputs:
    with command_in(gate_folder) as command, command.gate.started():
        gate = command.gate
        gate.write("events_20250101.csv", day(1, "ann", "bob"))
        gate.write("events_20250102.csv", shifted())
        for number, sign in enumerate(HIDDEN, 3):
            gate.write(f"events_2025010{number}{sign}{FORGED}.csv", day(number, "cid"))
        gate.write("events_20250109.csv", without_header())
        gate.write(f"events_20250110\n{FORGED}.parquet", "ann@example.com is no parquet")
        gate.write(f"events_20250111\n{FORGED}.xlsx", "no kind of file")
        run = command.run()
        tables = {
            table: str(gate.query(f"select * from {table}"))
            for table in (
                "dq_metrics",
                "dq_check_results",
                "dq_gate",
                "dq_incidents",
                "dq_alerts",
                "dq_incident_changes",
            )
        }
        files = {
            path.name: path.read_bytes().decode()
            for path in command.out.iterdir()
            if path.is_file()
        }
        return Outputs(run, files, tables)


def texts(outputs: Outputs) -> dict[str, str]:
    return {"stdout": outputs.run.stdout, "stderr": outputs.run.stderr, **outputs.files}


def test_no_personal_data_is_in_any_output_or_told_by_any_table(outputs: Outputs) -> None:
    assert outputs.run.exit_code == 1
    assert len(outputs.files) >= 5
    validate(outputs.run.report)
    for name, text in {**texts(outputs), **outputs.tables}.items():
        for secret in [*EMAILS, *SECRETS]:
            assert secret not in text, (name, secret)
    for name, text in texts(outputs).items():
        # In the column that it was shifted into (user_agent) nobody knows it.
        assert f'"client_id": "{PERSON}' not in text.replace("\\", ""), name


def test_what_was_wrong_is_told_all_the_same(outputs: Outputs) -> None:
    assert "(e-mail)" in outputs.tables["dq_metrics"]
    # That day is over when the run ends: it is told as judged, not as an alert.
    messages = " ".join(
        check["message"]
        for batch in outputs.run.report["judged"]["failed"]
        for check in batch["checks"]
    )
    assert "unknown_event" in messages
    assert "mostly (e-mail)" in messages


def test_nothing_hidden_is_in_any_output_and_no_line_is_forged(outputs: Outputs) -> None:
    for name, text in texts(outputs).items():
        for sign in set(text):
            assert sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Zl", "Zp"), (
                name,
                sign,
            )
        lines = [line.strip() for line in text.splitlines()]
        assert not any(line.startswith(FORGED) for line in lines), name
    said = json.dumps(outputs.run.report, ensure_ascii=False)
    assert "\\u202e" in said
    assert "events_20250110\\\\x0aPASS" in said
    assert "events_20250111\\x0aPASS" in outputs.run.stderr
    for name, text in outputs.tables.items():
        assert "re\u202eferrer" not in text, name
