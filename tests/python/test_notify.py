"""Notifications: what arrives at real receivers on loopback (HTTP, SMTP), and what never does."""

from __future__ import annotations

import datetime
import email
import email.policy
import json
import logging
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from apprise import Apprise
from apprise.decorators import notify as apprise_service

from sluicegate.errors import SluicegateError
from sluicegate.notify import (
    Change,
    Delivery,
    Mark,
    Outbox,
    Retry,
    Target,
    failure_lines,
    runbook_url,
    send,
    targets,
)
from sluicegate.notify.delivery import deliver, masked
from sluicegate.notify.message import Message, compose, plain
from sluicegate.notify.teller import Teller, _situation

# Mail is sent to this machine only.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")

FAST = Retry(tries=3, wait_seconds=0.01, timeout_seconds=5)
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
HOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
ID = "0123456789abcdef"
PAGER = "pagerduty://integrationkey4711@apikey0815/gate?action=map&dedup=sluicegate"


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a connection to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)


# Receivers


@dataclass
class Web:
    """A web server that accepts what is posted to it, but for a few places.

    /flaky refuses twice, /down always, /hang never answers; ``says`` has the answers that a place
    gives first (status, headers).
    """

    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    accepted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    says: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    down: set[str] = field(default_factory=lambda: {"/down"})
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, user: str = "") -> str:
        return f"json://{user}127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """What was accepted at a path, oldest first."""
        return [payload for where, payload in self.accepted if where == path]

    def bodies(self, path: str) -> str:
        return "\n".join(payload["message"] for payload in self.at(path))

    def answer(self, path: str, payload: dict[str, Any]) -> tuple[int, dict[str, str]] | None:
        self.asked[path] += 1
        if path == "/hang":
            self.closing.wait(20)
            return None
        if self.says.get(path):
            return self.says[path].pop(0)
        if path in self.down or (path == "/flaky" and self.asked[path] < 3):
            return 503, {}
        self.accepted.append((path, payload))
        return 200, {}


@contextmanager
def web_server() -> Iterator[Web]:
    receiver = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.headers.append(dict(self.headers))
            answer = receiver.answer(self.path, json.loads(content))
            if answer is not None:
                code, headers = answer
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def do_GET(self) -> None:
            receiver.asked[f"GET {self.path}"] += 1
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    receiver.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as receiver:
        yield receiver


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    with web_server() as receiver:
        yield receiver


@pytest.fixture
def memory() -> Memory:
    return Memory()


@dataclass
class Post:
    """A mail server that wants the user ``gate`` with the password ``s3cret-of-mail``."""

    port: int
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    def url(self, password: str = "s3cret-of-mail") -> str:
        return (
            f"mailto://gate:{password}@127.0.0.1:{self.port}"
            "?from=gate@example.com&to=ops@example.com,boss@example.com"
        )

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        message = email.message_from_bytes(
            envelope.original_content or b"", policy=email.policy.default
        )
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def post() -> Iterator[Post]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        receiver = Post(free.getsockname()[1])

    def known(_server: Any, _session: Any, _envelope: Any, _how: str, who: Any) -> AuthResult:
        right = isinstance(who, LoginPassword) and who.password == b"s3cret-of-mail"
        return AuthResult(success=right and who.login == b"gate", handled=False)

    controller = Controller(
        receiver,
        hostname="127.0.0.1",
        port=receiver.port,
        authenticator=known,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    yield receiver
    controller.stop()


# Reports


def incident(check: str = "reject_rate", **facts: Any) -> dict[str, Any]:
    """An incident of a report, opened by its run."""
    return {
        "incident_id": f"id of {check} {facts.get('dimension', '')}",
        "stream": "web_events",
        "check": check,
        "dimension": "",
        "severity": "CRITICAL",
        "status": "opened",
        "changed": True,
        "first_batch": "2026-07-13",
        "last_batch": "2026-07-14",
        "batches": 2,
        "held_batches": [],
        "since": None,
        "opened_at": "2026-07-14T05:15:00Z",
        "resolved_at": None,
        "money_at_stake": None,
        "owner": "data-team@example.com",
        "channel": "data_team",
        "message": f"{check}=0.0582 (max 0.05)",
        "remediation": "Ask the producer.",
        "runbook": f"docs/runbook.md#{check}",
        "acknowledged_by": None,
        **facts,
    }


def report(*incidents: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """A report of a run on 14 July."""
    return {
        "schema_version": "1.2",
        "run_id": "run-14",
        "generated_at": "2026-07-15T05:15:00+00:00",
        "target": "embedded",
        "date": "2026-07-14",
        "status": "FAIL",
        "duration_seconds": 3.5,
        "streams": [],
        "judged": {"batches": 0, "failed": []},
        "checks": [],
        "incidents": list(incidents),
        "alerts": [],
        "samples": [],
        **facts,
    }


def run_error(message: str) -> dict[str, Any]:
    return {
        "severity": "CRITICAL",
        "check": "run",
        "stream": None,
        "batch_date": None,
        "observed": None,
        "limit": None,
        "message": message,
    }


def changes_of(document: dict[str, Any]) -> list[Change]:
    """What a report's run has to tell: incidents that it changed, and its errors."""
    run: dict[str, Any] = {"run_id": document["run_id"], "recorded_at": document["generated_at"]}
    found = [
        Change(
            id=f"{document['run_id']} {alert['message']}",
            key="gate run",
            kind="error",
            severity="CRITICAL",
            check="run",
            message=alert["message"],
            **run,
        )
        for alert in document["alerts"]
        if alert["check"] == "run"
    ]
    for known in document["incidents"]:
        if known["changed"]:
            same: dict[str, Any] = {
                name: known[name] or "" for name in (*TEXTS, "since", "acknowledged_by")
            }
            found.append(
                Change(
                    id=f"{document['run_id']} {known['incident_id']}",
                    key=known["incident_id"],
                    kind={"ongoing": "escalated"}.get(known["status"], known["status"]),
                    batches=known["batches"],
                    held_batches=tuple(known["held_batches"]),
                    money_at_stake=known["money_at_stake"],
                    number=1 if known["status"] == "opened" else 2,
                    **same,
                    **run,
                )
            )
    return found


TEXTS = (
    *("stream", "check", "dimension", "severity", "message", "owner", "channel"),
    *("remediation", "runbook", "first_batch", "last_batch"),
)


@dataclass
class Memory:
    """An outbox for as long as the test lasts; those in the product have tests of their own."""

    outbox: Outbox = field(default_factory=Outbox)

    def read(self) -> Outbox:
        return Outbox(list(self.outbox.changes), list(self.outbox.marks))

    def add(self, mark: Mark) -> None:
        self.outbox.marks.append(mark)
        if mark.status == "settled":
            known = [one for one in self.outbox.changes if one.id not in mark.change_ids]
            self.outbox.changes = known


def notify(
    document: dict[str, Any],
    environ: dict[str, str],
    memory: Memory | None = None,
    retry: Retry = FAST,
) -> list[Delivery]:
    """Record what a run has to tell, once, and send what is to be sent."""
    memory = memory or Memory()
    there = {change.id for change in memory.outbox.changes}
    told = {id_ for mark in memory.outbox.marks for id_ in mark.change_ids}
    memory.outbox.changes += [
        change for change in changes_of(document) if change.id not in there | told
    ]
    return send(memory, targets(environ), _situation(document), runbook_url(environ), retry)


def message(*incidents: dict[str, Any], length: int = 12_000, **settings: Any) -> Message:
    """The message about a report for a URL that gets everything."""
    everything = Target("json://x", ("SLUICEGATE_NOTIFY", "SLUICEGATE_NOTIFY_INFO"))
    document = report(*incidents)
    return compose(
        changes_of(document), _situation(document), everything, ID, length=length, **settings
    )


def ok(deliveries: list[Delivery]) -> list[bool]:
    return [delivery.ok for delivery in deliveries]


# Routing


@pytest.mark.parametrize(
    ("variable", "arrives"),
    [
        ("SLUICEGATE_NOTIFY", {"critical", "warn", "other_team"}),
        ("SLUICEGATE_NOTIFY_CRITICAL", {"critical", "other_team"}),
        ("SLUICEGATE_NOTIFY_WARN", {"warn"}),
        ("SLUICEGATE_NOTIFY_INFO", {"info"}),
        ("SLUICEGATE_NOTIFY_CHANNEL_DATA_TEAM", {"critical", "warn"}),
        ("SLUICEGATE_NOTIFY_CHANNEL_SHOP_2", {"other_team"}),
        ("SLUICEGATE_NOTIFY_CHANNEL_NOBODY", set()),
    ],
)
def test_each_variable_lets_through_its_severities_and_its_channel(
    web: Web, variable: str, arrives: set[str]
) -> None:
    document = report(
        incident("critical"),
        incident("warn", severity="WARN"),
        incident("info", severity="INFO"),
        incident("other_team", channel="shop-2"),
    )
    notify(document, {variable: web.url("/a")}, retry=FAST)
    assert len(web.accepted) == (1 if arrives else 0)
    checks = ("critical", "warn", "info", "other_team")
    assert {check for check in checks if f": {check}\n" in web.bodies("/a")} == arrives


def test_a_url_reached_by_several_routes_gets_one_message_with_each_incident_once(
    web: Web,
) -> None:
    url = web.url("/a")
    environ = {
        "SLUICEGATE_NOTIFY": f"{url} {url}",
        "SLUICEGATE_NOTIFY_CRITICAL": url,
        "SLUICEGATE_NOTIFY_CHANNEL_DATA_TEAM": url,
        "SLUICEGATE_NOTIFY_INFO": url,
    }
    notify(report(incident(), incident("bots", severity="INFO")), environ, retry=FAST)
    [payload] = web.at("/a")
    assert payload["message"].count("CRITICAL opened: reject_rate") == 1
    assert payload["message"].count("INFO opened: bots") == 1


def test_urls_are_separated_by_blanks_line_breaks_and_commas_with_a_blank() -> None:
    value = " json://a/x,y,  json://b\n\tmailto://u:p@h?to=a@b.example,c@d.example , json://c,\n"
    assert [target.url for target in targets({"SLUICEGATE_NOTIFY": value})] == [
        "json://a/x,y",
        "json://b",
        "mailto://u:p@h?to=a@b.example,c@d.example",
        "json://c",
    ]


@pytest.mark.parametrize("environ", [{}, {"SLUICEGATE_NOTIFY": " , "}, {"OTHER": "json://a"}])
def test_with_nobody_to_notify_the_error_names_the_variables(environ: dict[str, str]) -> None:
    with pytest.raises(SluicegateError, match=r"set SLUICEGATE_NOTIFY .*CHANNEL_<NAME>"):
        notify(report(), environ)


@pytest.mark.parametrize(
    "variable", ["SLUICEGATE_NOTIFY_CRITCAL", "SLUICEGATE_NOTIFY_CHANNEL_", "SLUICEGATE_NOTIFYALL"]
)
def test_a_misspelt_variable_is_an_error_and_not_silence(variable: str) -> None:
    with pytest.raises(SluicegateError, match=f"{variable} is set but means nothing"):
        targets({variable: "json://a", "SLUICEGATE_NOTIFY": "json://b"})


@pytest.mark.parametrize("url", [SLACK, SLACK + "/#data?blocks=yes", HOOK, PAGER])
def test_slack_and_pagerduty_urls_are_usable_and_shown_without_their_tokens(url: str) -> None:
    plugin = Apprise.instantiate(url)
    assert plugin is not None
    shown = masked(plugin)
    for secret in ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ", "key4711", "apikey0815"):
        assert secret not in shown


# What is sent


@pytest.mark.parametrize("status", ["opened", "ongoing", "resolved"])
def test_only_incidents_whose_state_changed_are_sent(web: Web, status: str) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/a")}
    assert notify(report(incident(status=status, changed=False)), environ) == []
    assert web.asked == {}
    changed = report(incident(status=status))
    [delivery] = notify(changed, environ)
    assert (delivery.ok, delivery.tries, delivery.error) == (True, 1, None)


def test_a_run_that_could_not_be_evaluated_is_told_without_any_incident(web: Web) -> None:
    document = report(
        status="ERROR", date=None, alerts=[run_error("ClickHouse does not answer at db:8123")]
    )
    environ = {"SLUICEGATE_NOTIFY_CRITICAL": web.url("/a"), "SLUICEGATE_NOTIFY_WARN": web.url("/b")}
    notify(document, environ, retry=FAST)
    [payload] = web.at("/a")
    assert payload["title"] == "ERROR: the gate could not be evaluated"
    assert "what: ClickHouse does not answer at db:8123\n" in payload["message"]
    assert payload["type"] == "failure"
    assert web.at("/b") == []


def test_alerts_of_checks_are_left_to_their_incidents(web: Web) -> None:
    alert = {**run_error("reject_rate=0.0582"), "check": "reject_rate", "changed": True}
    assert notify(report(alerts=[alert]), {"SLUICEGATE_NOTIFY": web.url("/a")}, retry=FAST) == []
    assert web.asked == {}


def test_a_run_is_one_message_with_what_happened_in_its_subject(web: Web) -> None:
    document = report(
        incident("orders", severity="WARN"),
        incident("reject_rate"),
        incident("volume", status="ongoing"),
        incident("freshness", status="resolved"),
    )
    notify(document, {"SLUICEGATE_NOTIFY": web.url("/a")}, retry=FAST)
    [payload] = web.at("/a")
    assert payload["title"] == "FAIL web_events 2026-07-14: 2 opened, 1 escalated, 1 resolved"


def test_the_worst_comes_first() -> None:
    body = message(
        incident("gone", status="resolved"),
        incident("info", severity="INFO"),
        incident("warn", severity="WARN", money_at_stake=9e9),
        incident("cheap", money_at_stake=10),
        incident("dear", money_at_stake=10_000),
    ).body
    order = [body.index(f": {check}\n") for check in ("dear", "cheap", "warn", "info", "gone")]
    assert order == sorted(order)


def test_an_incident_says_what_since_when_how_much_who_and_what_to_do() -> None:
    facts = incident(
        held_batches=["2026-07-13", "2026-07-14"],
        since="2026-07-13T21:00:00-06:00",
        money_at_stake=11659.5,
        dimension="checkout_started",
        acknowledged_by="ann",
    )
    assert message(facts, runbook_url="https://wiki.example/runbook#top").body.splitlines() == [
        "CRITICAL opened: reject_rate [checkout_started]",
        "where: web_events 2026-07-13 to 2026-07-14 (2 batches)",
        "what: reject_rate=0.0582 (max 0.05)",
        "since: 2026-07-14 03:00 UTC",
        "money at stake: 11 659.50",
        "owner: data-team@example.com",
        "acknowledged by: ann",
        "to do: Ask the producer.",
        "runbook: https://wiki.example/runbook#reject_rate",
        "held: 2026-07-13, 2026-07-14",
        "to publish as it is, once someone has looked:",
        "sluicegate ack --stream web_events --batch 2026-07-13 --by NAME --reason TEXT",
        "sluicegate ack --stream web_events --batch 2026-07-14 --by NAME --reason TEXT",
        "",
        f"run run-14, message {ID}",
    ]


def test_without_a_runbook_url_the_path_in_the_project_is_given() -> None:
    assert "\nrunbook: docs/runbook.md#reject_rate\n" in message(incident()).body


def test_the_runbook_url_comes_from_the_environment(web: Web) -> None:
    environ = {
        "SLUICEGATE_NOTIFY": web.url("/a"),
        "SLUICEGATE_RUNBOOK_URL": "https://wiki.example/gate",
    }
    notify(report(incident()), environ, retry=FAST)
    assert "\nrunbook: https://wiki.example/gate#reject_rate\n" in web.bodies("/a")


def test_a_resolved_incident_asks_for_nothing() -> None:
    body = message(incident(status="resolved", held_batches=["2026-07-14"])).body
    assert "\nwas: reject_rate=0.0582" in body
    assert "to do" not in body
    assert "sluicegate ack" not in body


@pytest.mark.parametrize(
    ("incidents", "kind"),
    [
        ([incident()], "failure"),
        ([incident(severity="WARN")], "warning"),
        ([incident(severity="INFO")], "info"),
        ([incident(status="resolved")], "success"),
        ([incident(status="resolved"), incident("volume", changed=False)], "info"),
        ([incident(status="resolved"), incident("volume", severity="WARN")], "warning"),
    ],
)
def test_success_is_only_said_when_nothing_is_open(
    incidents: list[dict[str, Any]], kind: str
) -> None:
    assert message(*incidents).type.value == kind


def test_of_many_incidents_the_ten_worst_are_told() -> None:
    many = [incident(f"check_{number:02}", money_at_stake=number) for number in range(1, 34)]
    body = message(*many).body
    assert [line for line in body.splitlines() if line.startswith("CRITICAL")] == [
        f"CRITICAL opened: check_{number:02}" for number in range(33, 23, -1)
    ]
    assert "\nand 23 more, see the report\n" in body


def test_of_many_held_batches_three_commands_are_told() -> None:
    body = message(incident(held_batches=[f"2026-07-{day:02}" for day in range(1, 11)])).body
    assert body.count("sluicegate ack") == 3
    assert "and the same for 7 more batches" in body


@pytest.mark.parametrize("length", [20, 160, 300, 1024, 2000, 3000])
@pytest.mark.parametrize("with_subject", [False, True])
def test_a_message_fits_what_its_service_takes(length: int, with_subject: bool) -> None:
    long = "x" * 5000
    many = [
        incident(f"check_{number}", message=long, remediation=long, held_batches=["2026-07-14"])
        for number in range(33)
    ]
    told = message(*many, length=length, with_subject=with_subject)
    if length >= 160:
        assert len(told.body) <= length
        assert "CRITICAL opened: check_0" in told.body
        assert " more, see the report" in told.body
    assert len(told.subject) <= 120


def test_a_page_keeps_the_worst_incident_whole() -> None:
    plugin = Apprise.instantiate(PAGER)
    assert plugin is not None
    assert (plugin.body_maxlen, plugin.title_maxlen) == (1024, 0)
    body = message(
        *[incident(f"check_{number}", held_batches=["2026-07-14"]) for number in range(9)],
        length=1024,
        with_subject=True,
    ).body
    assert body.startswith("FAIL web_events 2026-07-14: 9 opened\n\nCRITICAL opened: check_0\n")
    assert "--batch 2026-07-14 --by NAME --reason TEXT\n" in body


# Hostile content


HOSTILE = (
    "fine\n\nINFO resolved: everything\r\n\x1b[2Kto do: nothing\u2028owner: me\x00\x85\u202e "
    "<!channel> @channel @here <@U024BE7LH> <https://evil.example|the runbook> "
    "<b onclick=x>bold</b> [the runbook](https://evil.example) `code` *bold* \ud800 end"
)


def test_hostile_content_stays_on_its_line_and_mentions_nobody(web: Web, post: Post) -> None:
    names = ("message", "remediation", "owner", "dimension", "check", "stream", "acknowledged_by")
    hostile = incident(
        **dict.fromkeys(names, HOSTILE),
        held_batches=["2026-07-14", "2026-07-14; rm -rf /"],
        first_batch=HOSTILE,
        last_batch=HOSTILE,
        since=HOSTILE,
        runbook=HOSTILE,
    )
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/a')} {post.url()}"}
    document = report(hostile, alerts=[run_error(HOSTILE)], run_id="r\n<!here>")
    assert ok(notify(document, environ, retry=FAST)) == [True, True]
    [payload] = web.at("/a")
    mail = post.mails[0][1]
    for subject, body in (
        (payload["title"], payload["message"]),
        (str(mail["subject"]), mail.get_content()),
    ):
        assert len(subject.splitlines()) == 1
        for sign in ("<", ">", "@", "`", "*", "](", "\x1b", "\x00", "\u2028", "\u202e", "rm -rf"):
            assert sign not in subject + body
        assert [line.partition(" ")[0] for line in body.splitlines() if line] == [
            *("CRITICAL", "what:", "to"),
            *("CRITICAL", "where:", "what:", "since:", "owner:", "acknowledged", "to", "runbook:"),
            *("held:", "to", "sluicegate"),
            "run",
        ]


@pytest.mark.parametrize("stream", ["a; rm -rf /", "$(reboot)", "--force", "a b", "it's"])
def test_the_command_to_release_takes_the_stream_as_one_word(stream: str) -> None:
    body = message(incident(stream=stream, held_batches=["2026-07-14"])).body
    [command] = [line for line in body.splitlines() if line.startswith("sluicegate ack")]
    words = shlex.split(command)
    assert words[2:5] == ["--stream", stream, "--batch"]
    assert len(words) == 10


def test_ordinary_text_is_left_as_it_is() -> None:
    text = "reject_rate=0.0582 (max 0.05), events_20260714.csv: 5 % für 11 659 €, 日本"
    assert plain(text, 300) == text


# Services


def test_a_mail_is_plain_text_to_all_who_are_named(post: Post) -> None:
    [delivery] = notify(report(incident()), {"SLUICEGATE_NOTIFY": post.url()}, retry=FAST)
    assert delivery.ok
    assert sorted(to for recipients, _ in post.mails for to in recipients) == [
        "boss@example.com",
        "ops@example.com",
    ]
    mail = post.mails[0][1]
    assert mail.get_content_type() == "text/plain"
    assert mail["from"].addresses[0].addr_spec == "gate@example.com"
    assert mail["subject"] == "FAIL web_events 2026-07-14: 1 opened"
    lines = mail.get_content().splitlines()
    assert "what: reject_rate=0.0582 (max 0.05)" in lines
    assert "owner: data-team@example.com" in lines


def test_a_receiver_that_recovers_gets_the_message_once_at_the_third_try(web: Web) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/flaky")}
    [delivery] = notify(report(incident()), environ, retry=FAST)
    assert (delivery.ok, delivery.tries, delivery.error) == (True, 3, None)
    assert (web.asked["/flaky"], len(web.at("/flaky"))) == (3, 1)


def test_a_receiver_that_refuses_is_tried_three_times_and_the_others_are_served(web: Web) -> None:
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/down')} {web.url('/a')}"}
    failed, sent = notify(report(incident()), environ, retry=FAST)
    assert (failed.ok, failed.tries, web.asked["/down"]) == (False, 3, 3)
    assert "503" in str(failed.error)
    assert sent.ok
    assert len(web.at("/a")) == 1


def test_a_receiver_that_never_answers_is_given_up_after_the_timeout(web: Web) -> None:
    begin = time.monotonic()
    environ = {"SLUICEGATE_NOTIFY": web.url("/hang")}
    [delivery] = notify(report(incident()), environ, retry=Retry(3, 0.01, timeout_seconds=0.4))
    assert 3 * 0.4 <= time.monotonic() - begin < 10
    assert (delivery.ok, delivery.tries, web.asked["/hang"]) == (False, 3, 3)
    assert "no answer in time" in str(delivery.error)


def test_the_waiting_between_tries_doubles(web: Web) -> None:
    begin = time.monotonic()
    notify(
        report(incident()),
        {"SLUICEGATE_NOTIFY": web.url("/down")},
        retry=Retry(tries=3, wait_seconds=0.2, timeout_seconds=1),
    )
    assert 0.2 + 0.4 <= time.monotonic() - begin < 10


def test_a_receiver_that_is_not_there_says_so(web: Web) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environ = {"SLUICEGATE_NOTIFY": f"json://127.0.0.1:{closed.getsockname()[1]}"}
        [delivery] = notify(report(incident()), environ, retry=FAST)
    assert "connection refused" in str(delivery.error)
    assert web.asked == {}


@pytest.mark.parametrize(
    "url", ["slak://secret-token", "secret-token", "https://secret-token.example/x", "slack://x"]
)
def test_a_url_that_cannot_be_used_names_its_variable_and_what_to_write(web: Web, url: str) -> None:
    environ = {"SLUICEGATE_NOTIFY_CRITICAL": url, "SLUICEGATE_NOTIFY": web.url("/a")}
    deliveries = notify(report(incident()), environ, retry=FAST)
    [failed] = [delivery for delivery in deliveries if not delivery.ok]
    assert failed.tries == 0
    [line] = failure_lines(deliveries)
    assert "SLUICEGATE_NOTIFY_CRITICAL holds a URL that cannot be used" in line
    assert "slack://TOKEN_A/TOKEN_B/TOKEN_C" in line
    assert "secret-token" not in line
    assert len(web.at("/a")) == 1


def test_secrets_are_never_shown(
    web: Web,
    post: Post,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    urls = [
        web.url("/down", "us3r:s3cret-of-web@"),
        web.url("/down/s3cret-path?+Authorization=Bearer%20s3cret-header&-token=s3cret-param"),
        web.url("/a", "s3cret-user@"),
        post.url("s3cret-wrong"),
        "pagerduty://s3cret-key",
        "slack://s3cret/a/b",
        "json://127.0.0.1:1/s3cret-closed",
        "bogus://s3cret-bogus",
    ]
    web.down.add("/down/s3cret-path?token=s3cret-param")
    teller = Teller({"SLUICEGATE_NOTIFY": " ".join(urls)}, tmp_path, FAST)
    deliveries = teller.failure("the engine does not answer")
    assert ok(deliveries) == [False, False, True, False, False, False, False, False]
    printed = capfd.readouterr()
    everything = "\n".join(
        [
            *failure_lines(deliveries),
            *map(repr, deliveries),
            *(printed.out, printed.err, caplog.text),
            *(path.read_text() for path in tmp_path.iterdir()),
        ]
    )
    assert "s3cret" not in everything
    assert len(failure_lines(deliveries)) == 7
    assert all(len(line.splitlines()) == 1 for line in failure_lines(deliveries))


def test_a_service_that_logs_its_url_does_not_give_the_secrets_away() -> None:
    def send(*_: Any, meta: dict[str, Any], **__: Any) -> bool:
        logging.getLogger("apprise").warning(f"no success with {meta['url']}")
        return False

    apprise_service(on="leaky")(send)  # type: ignore[no-untyped-call]
    url = "leaky://us3r:s3cret%20pass@127.0.0.1/s3cret-path?key=s3cret-key"
    [delivery] = notify(report(incident()), {"SLUICEGATE_NOTIFY": url}, retry=FAST)
    assert "no success with leaky" in str(delivery.error)
    assert "s3cret" not in repr(delivery)


# What a receiver answers


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_redirect_is_no_delivery_and_hands_the_message_to_nobody(
    web: Web, elsewhere: Web, code: int, where: str
) -> None:
    host = web if where == "here" else elsewhere
    web.says["/moved"] = [(code, {"Location": f"http://127.0.0.1:{host.port}/new"})] * 2
    memory, environ = Memory(), {"SLUICEGATE_NOTIFY": web.url("/moved") + "?redirect=yes"}
    [delivery] = notify(report(incident()), environ, memory)
    assert (delivery.ok, delivery.tries, delivery.is_refused) == (False, 1, True)
    assert f"ed ({code} to 127.0.0.1:{host.port}), which is not followed" in str(delivery.error)
    assert (web.accepted, elsewhere.asked, web.asked["GET /new"]) == ([], Counter(), 0)
    web.says.clear()
    assert ok(notify(report(incident()), environ, memory)) == [True]


def in_seconds(seconds: float) -> str:
    time_ = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return email.utils.format_datetime(time_, usegmt=True)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("is_date", [False, True])
def test_a_receiver_gets_the_message_after_the_time_that_it_asks_for(
    web: Web, code: int, is_date: bool
) -> None:
    begin = time.monotonic()
    web.says["/busy"] = [(code, {"Retry-After": in_seconds(2) if is_date else "1"})]
    [delivery] = notify(report(incident()), {"SLUICEGATE_NOTIFY": web.url("/busy")})
    assert (delivery.ok, delivery.tries, len(web.at("/busy"))) == (True, 2, 1)
    assert time.monotonic() - begin >= 0.9


@pytest.mark.parametrize(
    "asks", ["3600", "9" * 40, in_seconds(3600)], ids=["seconds", "endless", "date"]
)
def test_a_receiver_that_asks_for_too_long_gets_the_message_with_the_next_run(
    web: Web, asks: str
) -> None:
    web.says["/busy"] = [(429, {"Retry-After": asks})]
    memory, environ = Memory(), {"SLUICEGATE_NOTIFY": web.url("/busy")}
    [delivery] = notify(report(incident()), environ, memory)
    assert (delivery.ok, delivery.tries) == (False, 1)
    [line] = failure_lines([delivery])
    assert "asks to wait" in line
    assert "kept for the next run" in line
    assert ok(notify(report(incident(changed=False), run_id="run-15"), environ, memory)) == [True]
    assert len(web.at("/busy")) == 1


@pytest.mark.parametrize("asks", ["", "soon", "-5", "1.5", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_what_is_no_time_to_wait_is_not_waited_for(web: Web, asks: str) -> None:
    web.says["/busy"] = [(503, {"Retry-After": asks})]
    [delivery] = notify(report(incident()), {"SLUICEGATE_NOTIFY": web.url("/busy")})
    assert (delivery.ok, delivery.tries) == (True, 2)


@pytest.mark.parametrize(("code", "tries"), [(400, 1), (401, 1), (404, 1), (410, 1), (408, 3)])
def test_a_refusal_that_stays_is_not_tried_again_in_the_same_run(
    web: Web, code: int, tries: int
) -> None:
    web.says["/gone"] = [(code, {})] * 3
    [delivery] = notify(report(incident()), {"SLUICEGATE_NOTIFY": web.url("/gone")})
    assert (delivery.ok, delivery.tries) == (False, tries)


# Ids


def test_each_service_gets_the_id_where_it_looks_for_one(web: Web, post: Post) -> None:
    memory = Memory()
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/a')} {post.url()}"}
    notify(report(incident()), environ, memory)
    hook, mail = (mark.message_id for mark in memory.outbox.marks if mark.status == "delivered")
    [payload] = web.at("/a")
    assert payload["message_id"] == web.headers[0]["Idempotency-Key"] == hook
    assert payload["message"].endswith(f"\nrun run-14, message {hook}")
    for _, received in post.mails:
        assert received.get_all("Message-ID") == [f"<{mail}@127.0.0.1>"]
    assert hook != mail


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("pagerduty://integrationkey@apikey", ID),
        ("pagerduty://integrationkey@apikey?dedup=mine", "mine"),
        ("pagerduty://integrationkey@apikey?action=map&dedup=mine", "mine"),
    ],
)
def test_a_page_is_dropped_when_it_comes_twice(
    monkeypatch: pytest.MonkeyPatch, url: str, key: str
) -> None:
    asked: list[dict[str, Any]] = []

    def answer(*_: Any, data: str, **__: Any) -> requests.Response:
        asked.append(json.loads(data))
        accepted = requests.Response()
        accepted.status_code = 202
        return accepted

    # PagerDuty's address is fixed, so the request is looked at before it leaves.
    monkeypatch.setattr(requests, "post", answer)
    document = report(incident())
    delivery = deliver(
        Target(url, ("SLUICEGATE_NOTIFY",)), changes_of(document), _situation(document), ID
    )
    assert delivery.ok, delivery
    assert asked[0]["dedup_key"] == key
    assert asked[0]["payload"]["custom_details"]["message_id"] == ID


# Not twice, and nothing lost


def test_a_run_is_told_to_a_url_once(web: Web, memory: Memory) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/a")}
    assert ok(notify(report(incident()), environ, memory)) == [True]
    assert notify(report(incident()), environ, memory) == []
    # Who comes later is not told the past.
    environ["SLUICEGATE_NOTIFY"] += f" {web.url('/new')}"
    assert notify(report(incident()), environ, memory) == []
    assert (web.asked["/a"], web.asked["/new"]) == (1, 0)


def test_only_those_that_failed_are_sent_to_again(web: Web, memory: Memory) -> None:
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/down')} {web.url('/a')}"}
    document = report(incident())
    assert ok(notify(document, environ, memory)) == [False, True]
    web.down.clear()
    assert ok(notify(document, environ, memory)) == [True]
    assert notify(document, environ, memory) == []
    assert len(web.at("/a")) == 1
    assert web.at("/a")[0]["title"] == web.at("/down")[0]["title"]


def test_what_could_not_be_delivered_goes_out_with_the_next_run(web: Web, memory: Memory) -> None:
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/down')} {web.url('/a')}"}
    first = report(incident("volume"), incident("orders"), run_id="run-13", date="2026-07-13")
    second = report(incident("reject_rate"), incident("orders", status="resolved"))
    notify(first, environ, memory)
    web.down.clear()
    notify(second, environ, memory)
    [late] = web.at("/down")
    assert late["title"] == "FAIL web_events 2026-07-14: 2 opened, 1 opened and resolved"
    assert late["message"].count("opened: volume\n") == 1
    assert late["message"].count("as of: 2026-07-15 05:15 UTC, not delivered then") == 1
    assert "CRITICAL opened and resolved: orders" in late["message"]
    assert "CRITICAL opened: orders" not in late["message"]
    assert "volume" not in web.at("/a")[1]["message"]
    assert notify(second, environ, memory) == []


def test_what_could_not_be_delivered_goes_out_even_if_nothing_changed_since(
    web: Web, memory: Memory
) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/down")}
    notify(report(incident()), environ, memory)
    web.down.clear()
    quiet = report(incident(changed=False), run_id="run-15", date="2026-07-15")
    assert ok(notify(quiet, environ, memory)) == [True]
    [late] = web.at("/down")
    assert late["title"] == "FAIL web_events 2026-07-15: 1 opened"


def test_what_could_not_be_delivered_reaches_the_url_that_was_corrected(
    web: Web, post: Post, memory: Memory
) -> None:
    wrong = {"SLUICEGATE_NOTIFY": f"{post.url('wrong-password')} {web.url('/a')}"}
    right = {"SLUICEGATE_NOTIFY": f"{post.url()} {web.url('/a')}"}
    [failed, _] = notify(report(incident("volume"), run_id="run-13"), wrong, memory)
    assert "user or password not accepted" in str(failed.error)
    notify(report(incident("reject_rate")), right, memory)
    text = post.mails[0][1].get_content()
    assert "opened: volume" in text
    assert "opened: reject_rate" in text
    assert [payload["message"].count("opened: ") for payload in web.at("/a")] == [1, 1]


def test_what_may_have_arrived_goes_out_again_under_its_id_beside_what_is_new(
    web: Web, memory: Memory
) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/a")}
    web.says["/a"] = [(504, {})] * 3
    [failed] = notify(report(incident()), environ, memory)
    assert (failed.ok, failed.is_refused, failed.tries) == (False, False, 3)
    asked = web.headers[-1]["Idempotency-Key"]
    assert ok(notify(report(incident("volume"), run_id="run-15"), environ, memory)) == [True, True]
    new, again = web.at("/a")
    assert again["message_id"] == asked != new["message_id"]
    assert [text.count("opened: ") for text in (again["message"], new["message"])] == [1, 1]


def test_a_receiver_that_never_answers_gets_each_change_and_no_flood_when_it_does_again(
    web: Web, memory: Memory
) -> None:
    environ = {"SLUICEGATE_NOTIFY": web.url("/a")}
    for number in range(8):
        web.says["/a"] = [(504, {})]
        later = report(incident(f"check_{number}"), run_id=f"run-{number}")
        notify(later, environ, memory, Retry(tries=1))
    taken = [headers["Idempotency-Key"] for headers in web.headers]
    assert len(set(taken)) == 8
    assert ok(notify(report(run_id="run-9"), environ, memory)) == [True] * 6
    assert [payload["message_id"] for payload in web.at("/a")[:5]] == taken[:2:-1]
    assert [payload["message"].count("opened: ") for payload in web.at("/a")] == [1] * 5 + [3]
    assert notify(report(run_id="run-10"), environ, memory) == []


def test_after_a_long_silence_one_message_tells_what_is_wrong_now(web: Web, memory: Memory) -> None:
    """Runs of forty days told nobody; each day's incident was over by the next day."""
    for day in range(1, 41):
        date = str(datetime.date(2026, 6, 1) + datetime.timedelta(days=day))
        facts = {"run_id": date, "date": date, "generated_at": f"{date}T05:00:00+00:00"}
        opened = incident(f"check_{day}", incident_id=date)
        over = {**opened, "status": "resolved"}
        lasting = incident("lasting", changed=day == 1)
        memory.outbox.changes += changes_of(report(opened, lasting, **facts))
        memory.outbox.changes += changes_of(report(over, **{**facts, "run_id": f"{date} later"}))
    assert ok(notify(report(run_id="now"), {"SLUICEGATE_NOTIFY": web.url("/a")}, memory)) == [True]
    [payload] = web.at("/a")
    assert payload["title"].endswith(": 1 opened, 4 opened and resolved")
    assert "CRITICAL opened: lasting" in payload["message"]
    assert "\nand 36 that were over before, see dq_incident_changes\n" in payload["message"]
    assert memory.outbox.changes == []


def test_what_began_and_ended_unseen_is_told_and_is_no_success(web: Web, memory: Memory) -> None:
    memory.outbox.changes += [
        replace(change, number=1) for change in changes_of(report(incident(status="resolved")))
    ]
    assert ok(notify(report(), {"SLUICEGATE_NOTIFY": web.url("/a")}, memory)) == [True]
    [payload] = web.at("/a")
    assert payload["type"] == "warning"
    assert "CRITICAL opened and resolved: reject_rate\n" in payload["message"]
    assert "\nto do: Ask the producer.\n" in payload["message"]


# The gate itself


def teller(web: Web, folder: Path | None, path: str = "/a", **environ: str) -> Teller:
    """What a run has to tell people with; each run makes its own."""
    return Teller({"SLUICEGATE_NOTIFY": web.url(path), **environ}, folder, FAST)


def failing_test(failures: int, severity: str = "CRITICAL") -> dict[str, Any]:
    return {
        **run_error(f"assert_x={failures} (max 0)"),
        "check": "assert_x",
        "severity": severity,
        "incident_id": None,
    }


def test_a_failure_and_the_recovery_are_told_once(web: Web, tmp_path: Path) -> None:
    for number in (1, 2):
        teller(web, tmp_path).failure(f"The data folder is in use by process 47{number}")
    assert len(web.at("/a")) == 1
    teller(web, tmp_path).failure("The landing folder x does not exist")
    teller(web, tmp_path).outcome(report(status="PASS"))
    teller(web, tmp_path).outcome(report(status="PASS", run_id="run-15"))
    first, other, over = web.at("/a")
    assert first["title"] == "ERROR: the gate could not be evaluated"
    assert "what: The data folder is in use by process 471" in first["message"]
    assert "what: The landing folder x does not exist" in other["message"]
    assert over["title"] == "PASS 2026-07-14: the gate can be evaluated again"
    assert "was: The landing folder x does not exist" in over["message"]
    assert [payload["type"] for payload in web.at("/a")] == ["failure", "failure", "success"]
    assert len({payload["message_id"] for payload in web.at("/a")}) == 3


def test_a_failing_dbt_test_is_told_until_a_whole_run_passes_it(web: Web, tmp_path: Path) -> None:
    # It holds back what comes after it, and no incident speaks of it.
    for failures in (3, 4):
        teller(web, tmp_path).outcome(report(alerts=[failing_test(failures)]))
    teller(web, tmp_path).outcome(report(run_id="part"), whole=False)
    teller(web, tmp_path).outcome(report(run_id="error", alerts=[run_error("no memory")]))
    teller(web, tmp_path).outcome(report(status="PASS", run_id="good"))
    told = [payload["message"].splitlines()[0] for payload in web.at("/a")]
    assert told[:2] == [
        "CRITICAL opened: assert_x",
        "CRITICAL the gate could not be evaluated",
    ]
    assert "CRITICAL resolved: assert_x" in web.at("/a")[2]["message"]
    assert "the gate can be evaluated again" in web.at("/a")[2]["message"]
    assert len(web.at("/a")) == 3


def test_a_failure_that_nobody_got_goes_out_with_the_next_run(web: Web, tmp_path: Path) -> None:
    teller(web, tmp_path, "/down").failure("no engine")
    web.down.clear()
    teller(web, tmp_path, "/down").failure("no engine")
    assert len(web.at("/down")) == 1
    assert web.at("/down")[0]["message_id"]


def test_where_the_report_cannot_be_the_users_state_folder_remembers(
    web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folder, home = tmp_path / "file" / "below", {"XDG_STATE_HOME": str(tmp_path / "state")}
    for _ in range(2):
        teller(web, folder, **home).failure("The report cannot be written")
    assert len(web.at("/a")) == 1
    assert capsys.readouterr().err == ""
    (tmp_path / "file").unlink()
    for _ in range(2):
        teller(web, folder, **home).outcome(report(status="PASS"))
    assert [payload["type"] for payload in web.at("/a")] == ["failure", "success"]
    assert stat.S_IMODE((folder / "notified.json").stat().st_mode) == 0o600


def test_where_nothing_can_be_remembered_a_failure_is_told_by_every_run(
    web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folder, home = tmp_path / "file" / "a", {"XDG_STATE_HOME": str(tmp_path / "file" / "b")}
    for _ in range(2):
        teller(web, folder, **home).failure("no engine")
        assert capsys.readouterr().err.count("may be sent again") == 1
    first, second = web.at("/a")
    # It is told again on purpose, so no receiver is to drop it.
    assert first["message_id"] != second["message_id"]


def test_a_process_that_is_killed_while_it_sends_loses_nothing_and_repeats_under_one_id(
    web: Web, tmp_path: Path
) -> None:
    urls = " ".join(map(web.url, ["/a", "/hang", "/b"]))
    code = (
        "import os, pathlib, sys; from sluicegate.notify.teller import Teller;"
        "Teller(os.environ, pathlib.Path(sys.argv[1])).failure('no engine')"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], env={**os.environ, "SLUICEGATE_NOTIFY": urls}
    )
    while not web.asked["/hang"]:
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    ids = [headers["Idempotency-Key"] for headers in web.headers]
    web.closing.set()
    later = Teller({"SLUICEGATE_NOTIFY": urls}, tmp_path, Retry(tries=1, timeout_seconds=1))
    assert ok(later.failure("no engine")) == [False, True]
    assert (len(web.at("/a")), len(web.at("/b"))) == (1, 1)
    assert [headers["Idempotency-Key"] for headers in web.headers][2] == ids[1]


@pytest.mark.parametrize(
    "garbled",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"delivered": [], "outbox": {"a": 1}}',
        '{"version": 2, "revision": "x"}',
        '{"version": 2, "revision": 1, "told_by_earlier_version": 0, "failing": [{}],'
        ' "changes": [], "marks": []}',
        '{"version": 2, "revision": 1, "told_by_earlier_version": 0, "failing": [], "marks": [],'
        ' "changes": [{"id": 0, "key": 1, "kind": 2, "severity": 3, "check": 4, "message": 5}]}',
        "\x00" * 50,
    ],
)
def test_a_garbled_memory_is_said_and_does_not_stop_the_message(
    web: Web, tmp_path: Path, garbled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notified.json").write_text(garbled)
    assert ok(teller(web, tmp_path).failure("no engine")) == [True]
    [line] = capsys.readouterr().err.splitlines()
    assert "notified.json cannot be read" in line
    assert teller(web, tmp_path).failure("no engine") == []


def test_what_an_earlier_version_could_not_deliver_goes_to_those_who_lack_it(
    web: Web, tmp_path: Path
) -> None:
    has = Target(web.url("/a"), ()).hash
    kept = {"key": "i", "kind": "opened", "severity": "WARN", "check": "orders", "message": "few"}
    run = {"run_id": "run-13", "status": "WARN", "date": "2026-07-13", "still_open": []}
    document = {
        "delivered": {"run-12": [has], "run-13": [has]},
        "outbox": {"run-13": {**run, "changes": [{**kept, "as_of": "2026-07-14T05:00:00Z"}]}},
    }
    (tmp_path / "notified.json").write_text(json.dumps(document))
    environ = {"SLUICEGATE_NOTIFY": f"{web.url('/a')} {web.url('/b')}"}
    for _ in range(2):
        Teller(environ, tmp_path, FAST).outcome(report(status="PASS"))
    assert web.asked == {"/b": 1}
    assert "WARN opened: orders" in web.bodies("/b")
