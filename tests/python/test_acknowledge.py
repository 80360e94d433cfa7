"""Releasing a held batch and telling people, by the command, on a batch that is really held."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import HEADER
from test_cli import Command, command_in

from sluicegate.cli import main

GOOD = "{0},https://s/,,2025-01-0{1}T10:00:00.000Z,page_viewed,,agent\n"
WITHOUT_TIMESTAMP = HEADER.replace(",timestamp", ",when") + GOOD.format("cat", 2)
WHO = ("--stream", "web_events", "--batch", "2025-01-02", "--by", "the shop")


@dataclass
class Receiver:
    """A webhook on this machine that keeps what arrives and answers with a status."""

    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            kept.received.append(json.loads(self.rfile.read(length)))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"json://127.0.0.1:{server.server_port}/hook"
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Story:
    """What each command said, in the order in which they were called, and what was published."""

    said: dict[str, Result]
    clean: dict[str, list[str]]
    audit: list[tuple[Any, ...]]
    messages: dict[str, list[str]]
    report: dict[str, Any]


@pytest.fixture(scope="module")
def story(gate_folder: Path, receiver: Receiver) -> Iterator[Story]:
    said: dict[str, Result] = {}
    clean: dict[str, list[str]] = {}
    messages: dict[str, list[str]] = {}
    with command_in(gate_folder) as command, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_NOTIFY_CRITICAL", receiver.url)

        def call(name: str, *arguments: str, out: bool = True) -> None:
            before = len(receiver.received)
            place = ("--out", str(command.out)) if out else ()
            said[name] = CliRunner().invoke(main, [*arguments, *place])
            messages[name] = [message["message"] for message in receiver.received[before:]]

        def see(name: str) -> None:
            rows = command.gate.query("select client_id from stg_web_events__clean order by all")
            clean[name] = [client for (client,) in rows]

        run = ("run", "--landing", str(command.gate.landing), "--notify")
        command.gate.write("events_20250101.csv", HEADER + GOOD.format("ann", 1))
        command.gate.write("events_20250102.csv", HEADER + GOOD.format("bob", 2))
        call("before anything", "ack", *WHO, "--reason", "x")
        with command.gate.started():
            call("good", *run)
            see("good")
            command.gate.write("events_20250102.csv", WITHOUT_TIMESTAMP)
            receiver.status = 500
            call("held, and nobody reached", *run)
            receiver.status = 200
            call("told later", "notify")
            call("told already", "notify")
            see("held")
            call("no reason", "ack", *WHO, "--reason", " ")
            call("no name", "ack", *WHO[:-1], "", "--reason", "x")
            call("another batch", "ack", *WHO[:3], "2025-01-01", *WHO[4:], "--reason", "x")
            call("another stream", "ack", "--stream", "shop", *WHO[2:], "--reason", "x")
            call("another check", "ack", *WHO, "--reason", "x", "--check", "reject_rate")
            see("refused")
            call("released", "ack", *WHO, "--reason", "it's right; drop table x\\", "--notify")
            see("released")
            report = json.loads((command.out / "monitoring_report.json").read_text())
            call("after", *run)
            audit = command.gate.query(
                "select toString(batch_date), check_name, acknowledged_by, reason "
                "from dq_acknowledgements"
            )
        yield Story(said, clean, audit, messages, report)


def test_before_anything_was_judged_there_is_nothing_to_acknowledge(story: Story) -> None:
    result = story.said["before anything"]
    assert result.exit_code == 2
    assert "Nothing has been judged yet: run sluicegate run first." in result.stderr


def test_an_open_gate_tells_nobody(story: Story) -> None:
    assert story.said["good"].exit_code == 0
    assert story.messages["good"] == []


def test_a_notifier_that_fails_is_one_line_and_the_verdict_stays(story: Story) -> None:
    result = story.said["held, and nobody reached"]
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if "not notified" in line]
    assert "SLUICEGATE_NOTIFY_CRITICAL" in line
    assert "tried 3 times" in line


def test_what_was_not_delivered_is_sent_by_notify_and_only_once(story: Story) -> None:
    assert story.said["told later"].exit_code == 0
    [message] = story.messages["told later"]
    assert "mandatory_column_missing[timestamp]" in message
    assert "sluicegate ack --stream web_events --batch 2025-01-02" in message
    assert story.messages["told already"] == []


def test_a_held_batch_leaves_what_was_published(story: Story) -> None:
    assert story.clean["good"] == story.clean["held"] == story.clean["refused"] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no reason", "--reason is empty: say why the batch is right as it is."),
        ("no name", "--by is empty: say who releases it."),
        ("another batch", "Batch 2025-01-01 of web_events has no alert"),
        ("another stream", "There is no stream shop: the streams are web_events."),
        ("another check", "reject_rate raised no alert for batch 2025-01-02"),
    ],
)
def test_an_acknowledgement_that_cannot_be_taken_is_refused(
    story: Story, name: str, said: str
) -> None:
    result = story.said[name]
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_released_batch_is_published_at_once(story: Story) -> None:
    result = story.said["released"]
    assert result.exit_code == 0
    assert "acknowledged" in result.stdout
    assert result.stdout.endswith("the batch is released and published\n")
    # All its rows are rejects: what is published of the day is nothing.
    assert story.clean["released"] == ["ann"]
    [stream] = story.report["streams"]
    assert [
        (batch["batch_date"], batch["decision"], batch["released_by"])
        for batch in stream["batches"]
    ] == [("2025-01-01", "publish", None), ("2025-01-02", "released", "the shop")]


def test_who_and_why_is_kept_to_the_letter(story: Story) -> None:
    assert story.audit == [("2025-01-02", "", "the shop", "it's right; drop table x\\")]


def test_the_release_is_told_as_resolved(story: Story) -> None:
    [message] = story.messages["released"]
    assert "resolved" in message.lower()


def test_after_the_release_the_gate_is_open(story: Story) -> None:
    assert story.said["after"].exit_code == 0
    assert story.messages["after"] == []


def test_notifying_nobody_is_refused_before_anything_is_done(
    gate_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUICEGATE_NOTIFY_CRITICAL", raising=False)
    with command_in(gate_folder) as command:
        run: Command = command
        result = run.run("--notify")
        assert result.exit_code == 2
        assert "SLUICEGATE_NOTIFY" in result.complaints[0]
        assert not command.gate.data.exists()
