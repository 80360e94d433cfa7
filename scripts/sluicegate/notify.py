"""Telling people what changed: one message a run and destination, through Apprise.

What is sent: incidents whose state changed in the run (opened, escalated, resolved), and what kept
a run from being evaluated. A problem that merely lasts is not sent again.

Where to: each of these environment variables holds Apprise URLs, separated by blanks, line breaks
or a comma with a blank (a comma alone may be part of a URL).

===================================  ========================================================
SLUICEGATE_NOTIFY                    severity WARN and CRITICAL, of all channels
SLUICEGATE_NOTIFY_CRITICAL           severity CRITICAL only, of all channels
SLUICEGATE_NOTIFY_WARN               severity WARN only, of all channels
SLUICEGATE_NOTIFY_INFO               severity INFO only; without it INFO is not sent
SLUICEGATE_NOTIFY_CHANNEL_<NAME>     severity WARN and CRITICAL of the checks whose channel is
                                     <name>; letters in any case, `_` for all other signs
SLUICEGATE_RUNBOOK_URL               where the runbook can be read; its links lead there
===================================  ========================================================

Routes add up: a URL gets what any of its variables lets through, once. Runs that could not be
evaluated are CRITICAL and have no channel. An incident goes by the severity it has now.

What was delivered is remembered in `notified.json` beside the report, and so is what was not: the
changes of a run are kept until every URL that they are meant for has them, and go out merged with
those of the next run. They are kept by run and not by URL, so that they also reach a URL that had
to be corrected. A process that is killed while it sends may send a message twice; it loses none.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import logging
import math
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from apprise import (
    Apprise,
    AppriseAsset,
    NotifyBase,
    NotifyFormat,
    NotifyType,
    OverflowMode,
    PersistentStoreMode,
)
from apprise.url import URLBase
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential

from sluicegate.errors import SluicegateError
from sluicegate.files import write_whole

VARIABLE = "SLUICEGATE_NOTIFY"
CHANNEL_PREFIX = f"{VARIABLE}_CHANNEL_"
RUNBOOK_VARIABLE = "SLUICEGATE_RUNBOOK_URL"
REPORT_NAME = "monitoring_report.json"
LEDGER_NAME = "notified.json"
RUNS_KEPT = 100
INCIDENTS_SHOWN = 10

_SEVERITIES = ("CRITICAL", "WARN", "INFO")
_BY_VARIABLE = {
    VARIABLE: frozenset({"CRITICAL", "WARN"}),
    f"{VARIABLE}_CRITICAL": frozenset({"CRITICAL"}),
    f"{VARIABLE}_WARN": frozenset({"WARN"}),
    f"{VARIABLE}_INFO": frozenset({"INFO"}),
}
_EXAMPLES = (
    "slack://TOKEN_A/TOKEN_B/TOKEN_C, mailtos://USER:PASSWORD@HOST?to=ADDRESS, "
    "pagerduty://INTEGRATION_KEY@API_KEY or jsons://HOST/PATH"
)
_KINDS = {"opened": "opened", "ongoing": "escalated", "resolved": "resolved"}
_SUBJECT_LENGTH = 120  # a Slack header holds 150 characters, and a phone shows fewer
_BODY_LENGTH = 12_000  # ten incidents with long texts; more than that nobody reads
_BLOCK_LENGTH = 3_000  # what Slack takes in one block (?blocks=yes)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)


@dataclass(frozen=True)
class Change:
    """One thing to tell: an incident that changed, or why a run could not be evaluated.

    Attributes:
        key: what it is about; of several changes with one key only the newest is told.
        kind: opened, escalated, resolved, or error (of a run).
        severity: CRITICAL, WARN or INFO.
        money_at_stake: in the shop's currency.
        since: ISO 8601 time of the hour in which it began, where the data shows it.
        as_of: when the run that found it reported, ISO 8601.

    The others are the report's fields of the same names.
    """

    key: str
    kind: str
    severity: str
    check: str
    message: str
    stream: str = ""
    dimension: str = ""
    first_batch: str = ""
    last_batch: str = ""
    batches: int = 0
    held_batches: tuple[str, ...] = ()
    since: str = ""
    money_at_stake: float | None = None
    owner: str = ""
    channel: str = ""
    remediation: str = ""
    runbook: str = ""
    acknowledged_by: str = ""
    as_of: str = ""


@dataclass(frozen=True)
class RunChanges:
    """What one run has to tell, and what an outbox keeps of it.

    Attributes:
        still_open: (severity, channel) of the incidents that are open after the run.
    """

    run_id: str
    status: str
    date: str
    changes: tuple[Change, ...] = ()
    still_open: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Target:
    """A destination: an Apprise URL and the variables that name it."""

    url: str
    variables: tuple[str, ...]

    @property
    def hash(self) -> str:
        """What the URL is remembered by, since it holds secrets."""
        return hashlib.sha256(self.url.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def wants(self, severity: str, channel: str) -> bool:
        """Whether one of its variables lets this through."""
        return any(
            severity in _BY_VARIABLE[variable]
            if variable in _BY_VARIABLE
            else severity in _BY_VARIABLE[VARIABLE]
            and variable == CHANNEL_PREFIX + channel_variable(channel)
            for variable in self.variables
        )


@dataclass(frozen=True)
class Message:
    """A message: one line, plain text, and how bad it is."""

    subject: str
    body: str
    type: NotifyType


@dataclass(frozen=True)
class Delivery:
    """How sending to one URL went.

    Attributes:
        url_masked: the URL without what is secret in it.
        tries: how often it was tried; 0 when the URL cannot be used.
        error: why it failed, on one line; None when it did not.
        variables: the environment variables that name the URL.
    """

    url_masked: str
    ok: bool
    tries: int
    error: str | None
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retry:
    """How stubbornly to send.

    Attributes:
        tries: how often at the most.
        wait_seconds: before the second try; twice as long before each further one.
        timeout_seconds: for connecting, and for each answer.
    """

    tries: int = 3
    wait_seconds: float = 1.0
    timeout_seconds: float = 10.0


@dataclass
class Ledger:
    """What was delivered and what was not.

    Attributes:
        delivered: run id to the hashes of the URLs that have its changes, oldest run first.
        outbox: run id to changes that not every URL has yet, oldest run first.
    """

    delivered: dict[str, list[str]] = field(default_factory=dict)
    outbox: dict[str, RunChanges] = field(default_factory=dict)

    def unsent(self, target: Target) -> list[RunChanges]:
        """The runs with changes for this URL that it does not have, oldest first."""
        return [
            run
            for run_id, run in self.outbox.items()
            if target.hash not in self.delivered.get(run_id, ()) and _wanted(run, target)
        ]

    def mark(self, runs: Sequence[RunChanges], target: Target) -> None:
        """Remember that the URL has what these runs had to tell."""
        for run in runs:
            self.delivered.setdefault(run.run_id, []).append(target.hash)

    def prune(self, aims: Sequence[Target]) -> None:
        """Forget what every URL has, and the oldest of what is too much."""
        owed = {run.run_id for target in aims for run in self.unsent(target)}
        kept = [run_id for run_id in self.outbox if run_id in owed][-RUNS_KEPT:]
        self.outbox = {run_id: self.outbox[run_id] for run_id in kept}
        newest = {*list(self.delivered)[-RUNS_KEPT:], *kept}
        self.delivered = {
            run_id: hashes for run_id, hashes in self.delivered.items() if run_id in newest
        }


# Routing


def channel_variable(channel: str) -> str:
    """The end of the variable's name for a channel: ``data-team`` gives ``DATA_TEAM``."""
    return re.sub(r"[^A-Z0-9]", "_", channel.upper())


def targets(environ: Mapping[str, str]) -> list[Target]:
    """The destinations that the environment names, each URL once.

    Call it before a run that is to notify: what is wrong here is better said before than after.

    Raises:
        SluicegateError: nothing is configured, or a variable is misspelt.
    """
    found: dict[str, list[str]] = {}
    for variable in sorted(name for name in environ if name.startswith(VARIABLE)):
        urls = [url for part in environ[variable].split() if (url := part.strip(","))]
        if not urls:
            continue
        if variable not in _BY_VARIABLE and not (
            variable.startswith(CHANNEL_PREFIX) and variable != CHANNEL_PREFIX
        ):
            raise SluicegateError(
                f"{variable} is set but means nothing: write one of "
                f"{', '.join(_BY_VARIABLE)}, {CHANNEL_PREFIX}<NAME>."
            )
        for url in urls:
            listed = found.setdefault(url, [])
            if variable not in listed:
                listed.append(variable)
    if not found:
        raise SluicegateError(
            f"There is nobody to notify: set {VARIABLE} (severity WARN and above), "
            f"{VARIABLE}_CRITICAL, {VARIABLE}_WARN, {VARIABLE}_INFO or {CHANNEL_PREFIX}<NAME> "
            f"to Apprise URLs such as {_EXAMPLES}."
        )
    return [Target(url, tuple(variables)) for url, variables in found.items()]


def _wanted(run: RunChanges, target: Target) -> list[Change]:
    return [change for change in run.changes if target.wants(change.severity, change.channel)]


# What there is to tell


def pending(report: Mapping[str, Any]) -> RunChanges:
    """What a report has to tell: incidents that changed in its run, and run errors."""
    as_of = _string(report.get("generated_at"))
    incidents = report.get("incidents") or []
    changes = [
        Change(
            key=f"run {alert.get('message')}",
            kind="error",
            severity="CRITICAL",
            check="run",
            message=_string(alert.get("message")),
            as_of=as_of,
        )
        for alert in report.get("alerts") or []
        if alert.get("check") == "run"
    ] + [_change(incident, as_of) for incident in incidents if incident.get("changed") is True]
    still_open = {
        (_severity(incident), _string(incident.get("channel")))
        for incident in incidents
        if incident.get("status") != "resolved"
    }
    return RunChanges(
        run_id=_string(report.get("run_id")) or as_of,
        status=_string(report.get("status")),
        date=_string(report.get("date")),
        changes=tuple(changes),
        still_open=tuple(sorted(still_open)),
    )


def _change(incident: Mapping[str, Any], as_of: str) -> Change:
    money = incident.get("money_at_stake")
    named = [_string(incident.get(name)) for name in ("stream", "check", "dimension")]
    return Change(
        key=_string(incident.get("incident_id")) or json.dumps(named),
        kind=_KINDS.get(_string(incident.get("status")), "changed"),
        severity=_severity(incident),
        batches=int(incident.get("batches") or 0),
        held_batches=tuple(map(_string, incident.get("held_batches") or [])),
        money_at_stake=float(money) if isinstance(money, int | float) else None,
        as_of=as_of,
        check=_string(incident.get("check")),
        message=_string(incident.get("message")),
        stream=_string(incident.get("stream")),
        dimension=_string(incident.get("dimension")),
        first_batch=_string(incident.get("first_batch")),
        last_batch=_string(incident.get("last_batch")),
        since=_string(incident.get("since")),
        owner=_string(incident.get("owner")),
        channel=_string(incident.get("channel")),
        remediation=_string(incident.get("remediation")),
        runbook=_string(incident.get("runbook")),
        acknowledged_by=_string(incident.get("acknowledged_by")),
    )


def _severity(incident: Mapping[str, Any]) -> str:
    # What cannot be understood is better told too loudly than not at all.
    severity = _string(incident.get("severity"))
    return severity if severity in _SEVERITIES else "CRITICAL"


def _string(value: Any) -> str:
    return "" if value is None else str(value)


# The message


def compose(
    runs: Sequence[RunChanges],
    target: Target,
    runbook_url: str = "",
    length: int = _BODY_LENGTH,
    with_subject: bool = False,
) -> Message:
    """One message with all that these runs have to tell a destination, worst first.

    Args:
        runs: oldest first; of an incident that changed in several the newest state is told.
        target: decides which changes are in it.
        runbook_url: page of the runbook; '' gives its path in the project.
        length: how many characters the body may have. No incident is cut to fit: fewer are shown.
        with_subject: the body begins with the subject, for services that have none of their own;
            the message's subject is then ''.
    """
    merged = {change.key: change for run in runs for change in _wanted(run, target)}
    changes = sorted(merged.values(), key=_rank)
    newest = [run for run in runs if _wanted(run, target)][-1]
    subject = _subject(newest, changes)
    room = length - (len(subject) + 2 if with_subject else 0)
    body = _body(newest, changes, runbook_url, room)
    return Message(
        subject="" if with_subject else subject,
        body=f"{subject}\n\n{body}" if with_subject else body,
        type=_type(newest, changes, target),
    )


def _rank(change: Change) -> tuple[Any, ...]:
    return (
        change.kind != "error",
        change.kind == "resolved",
        _SEVERITIES.index(change.severity),
        -(change.money_at_stake or 0),
        change.stream,
        change.check,
        change.dimension,
    )


def _type(run: RunChanges, changes: Sequence[Change], target: Target) -> NotifyType:
    """How bad it is; SUCCESS, which may close an incident elsewhere, only if nothing is open."""
    now = {change.severity for change in changes if change.kind != "resolved"}
    if "CRITICAL" in now:
        return NotifyType.FAILURE
    if "WARN" in now:
        return NotifyType.WARNING
    if now or run.status == "ERROR" or any(target.wants(*open_) for open_ in run.still_open):
        return NotifyType.INFO
    return NotifyType.SUCCESS


def _subject(run: RunChanges, changes: Sequence[Change]) -> str:
    streams = sorted({plain(change.stream, 40) for change in changes} - {""})
    where = [", ".join(streams) if len(streams) < 3 else f"{len(streams)} streams"]
    kinds = [change.kind for change in changes]
    counts = [
        f"{kinds.count(kind)} {kind}"
        for kind in ("opened", "escalated", "changed", "resolved")
        if kind in kinds
    ]
    if "error" in kinds:
        counts.insert(0, "the gate could not be evaluated")
    head = " ".join(filter(None, [plain(run.status, 10), *where, plain(run.date, 10)]))
    return _cut(f"{head}: {', '.join(counts)}", _SUBJECT_LENGTH)


def _body(run: RunChanges, changes: Sequence[Change], runbook_url: str, room: int) -> str:
    """As many incidents as fit, worst first; shorter texts only when not even one does."""
    for text_length in (300, 120, 60):
        blocks = [
            _block(change, run, runbook_url, text_length) for change in changes[:INCIDENTS_SHOWN]
        ]
        for shown in range(len(blocks), 0, -1):
            rest = len(changes) - shown
            tail = [f"and {rest} more, see the report"] if rest else []
            body = "\n\n".join([*blocks[:shown], *tail, f"run {plain(run.run_id, 60)}"])
            if len(body) <= room:
                return body
    worst = changes[0]
    tail_line = f"\nand {len(changes) - 1} more, see the report" if len(changes) > 1 else ""
    line = f"{_headline(worst)}: {plain(worst.message, 300)}"
    return _cut(line, max(room - len(tail_line), 1)) + tail_line


def _headline(change: Change) -> str:
    if change.kind == "error":
        return "CRITICAL the gate could not be evaluated"
    dimension = f" [{plain(change.dimension, 60)}]" if change.dimension else ""
    return f"{change.severity} {change.kind}: {plain(change.check, 60)}{dimension}"


def _block(change: Change, run: RunChanges, runbook_url: str, text_length: int) -> str:
    """What there is to know of one change; each text of others stays on a line of ours."""
    over = change.kind == "resolved"
    facts = [
        ("where", _where(change)),
        ("was" if over else "what", plain(change.message, text_length)),
        ("since", _time(change.since)),
        ("money at stake", _money(change.money_at_stake)),
        ("owner", _contact(change.owner)),
        ("acknowledged by", _contact(change.acknowledged_by)),
        ("to do", "" if over else plain(change.remediation, text_length)),
        ("runbook", _runbook(change.runbook, runbook_url)),
        ("as of", "" if change in run.changes else f"{_time(change.as_of)}, not delivered then"),
    ]
    lines = [_headline(change), *(f"{name}: {fact}" for name, fact in facts if fact)]
    if change.kind == "error":
        lines.append("to do: repair what the message names, then sluicegate run")
    elif not over:
        lines += _release(change)
    return "\n".join(lines)


def _where(change: Change) -> str:
    first, last = plain(change.first_batch, 10), plain(change.last_batch, 10)
    dates = first if first == last or not last else f"{first} to {last}"
    count = f" ({change.batches} batches)" if change.batches > 1 else ""
    return " ".join(filter(None, [plain(change.stream, 60), dates + count]))


def _release(change: Change, shown: int = 3) -> list[str]:
    """The held batches and the commands that publish them as they are."""
    held = [batch for batch in change.held_batches if _DATE.fullmatch(batch)]
    if not held:
        return []
    stream = shlex.quote(plain(change.stream, 60))
    return [
        f"held: {', '.join(held[:31])}{', ...' if len(held) > 31 else ''}",
        "to publish as it is, once someone has looked:",
        *(
            f"sluicegate ack --stream {stream} --batch {batch} --by NAME --reason TEXT"
            for batch in held[:shown]
        ),
        *([f"and the same for {len(held) - shown} more batches"] if len(held) > shown else []),
    ]


def _runbook(path: str, base: str) -> str:
    file, _, anchor = plain(path, 200).partition("#")
    if not base or not file:
        return plain(path, 200)
    return base.partition("#")[0] + (f"#{anchor}" if anchor else "")


def _time(value: str) -> str:
    try:
        time = datetime.datetime.fromisoformat(value)
    except ValueError:
        return plain(value, 40)
    if time.tzinfo is not None:
        time = time.astimezone(datetime.UTC)
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _money(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.2f}".removesuffix(".00").replace(",", " ")


def _contact(value: str) -> str:
    return value if _ADDRESS.fullmatch(value) else plain(value, 120)


# Look-alikes of the signs that chat services read as mentions, links, tags or markup.
_DEFUSED = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'", "*": "∗", "~": "∼"})  # noqa: RUF001
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(value: str, length: int) -> str:
    """Text of others on one line that no service takes for anything but text.

    Control, formatting and line-breaking characters become blanks; mentions, links and markup
    become look-alikes; what is longer than ``length`` ends with an ellipsis.
    """
    visible = "".join(
        " " if unicodedata.category(sign) in _UNSEEN else sign for sign in value[: length * 4]
    )
    return _cut(" ".join(visible.translate(_DEFUSED).replace("](", "] (").split()), length)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


# Sending


def deliver(
    target: Target, runs: Sequence[RunChanges], runbook_url: str = "", retry: Retry | None = None
) -> Delivery:
    """Send one destination what these runs have to tell it. Never raises."""
    retry = retry or Retry()
    records: list[logging.LogRecord] = []
    with _logs_to(records):
        plugin = _plugin(target.url, retry)
        if plugin is None:
            return Delivery(
                url_masked=_scheme(target.url),
                ok=False,
                tries=0,
                error=(
                    f"{' and '.join(target.variables)} holds a URL that cannot be used: write "
                    f"Apprise URLs such as {_EXAMPLES}, percent-encode other signs in their parts "
                    "(a blank is %20), and separate them by blanks"
                ),
                variables=target.variables,
            )
        shown = masked(plugin)
        try:
            message = _compose_for(plugin, runs, target, runbook_url)
            error, tries = _send(target.url, message, retry, records)
        except Exception as problem:
            error, tries = type(problem).__name__, 0
    return Delivery(
        url_masked=shown,
        ok=error is None,
        tries=tries,
        error=None if error is None else _without_secrets(error, target.url, shown),
        variables=target.variables,
    )


def _asset() -> AppriseAsset:
    # No pictures from elsewhere, nothing kept on disk, texts taken as they are.
    return AppriseAsset(
        storage_mode=PersistentStoreMode.MEMORY,
        app_id="Sluicegate",
        app_desc="Sluicegate",
        image_url_mask="",
        image_url_logo="",
        interpret_emojis=False,
        interpret_escapes=False,
    )


def _plugin(url: str, retry: Retry) -> NotifyBase | None:
    """Apprise's sender for a URL; None when it cannot be used."""
    try:
        plugin = Apprise.instantiate(url, asset=_asset())
    except Exception:
        return None
    if plugin is None:
        return None
    # What a URL says itself (?cto=, ?rto=, ?overflow=) is left alone.
    if plugin.socket_connect_timeout == type(plugin).socket_connect_timeout:
        plugin.socket_connect_timeout = retry.timeout_seconds
    if plugin.socket_read_timeout == URLBase.socket_read_timeout:
        plugin.socket_read_timeout = retry.timeout_seconds
    # Messages are made to fit. Where one does not after all, its end is cut: split, it would be
    # several incidents to PagerDuty.
    if plugin.overflow_mode == OverflowMode.UPSTREAM:
        plugin.overflow_mode = OverflowMode.TRUNCATE
    return plugin


def _compose_for(
    plugin: NotifyBase, runs: Sequence[RunChanges], target: Target, runbook_url: str
) -> Message:
    length = min(plugin.body_maxlen, _BODY_LENGTH)
    if getattr(plugin, "use_blocks", False):
        length = min(length, _BLOCK_LENGTH)
    return compose(runs, target, runbook_url, length, with_subject=plugin.title_maxlen <= 0)


def _send(
    url: str, message: Message, retry: Retry, records: list[logging.LogRecord]
) -> tuple[str | None, int]:
    """Try until it is sent; the error (None when it was) and the number of tries."""

    def once() -> str | None:
        records.clear()
        # A new sender each time: a used one waits as long as its service likes between messages,
        # on top of the waiting between tries.
        sender = Apprise()
        if plugin := _plugin(url, retry):
            sender.add(plugin)
        try:
            sent = sender.notify(
                body=message.body,
                title=message.subject,
                notify_type=message.type,
                body_format=NotifyFormat.TEXT,
            )
        except Exception as error:
            return type(error).__name__
        return None if sent else _reason(records)

    attempts = Retrying(
        stop=stop_after_attempt(retry.tries),
        wait=wait_exponential(multiplier=retry.wait_seconds, max=30),
        retry=retry_if_result(lambda error: error is not None),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    error: str | None = attempts(once)
    return error, int(attempts.statistics["attempt_number"])


class _Keeper(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@contextlib.contextmanager
def _logs_to(records: list[logging.LogRecord]) -> Iterator[None]:
    """Keep the log of Apprise and urllib3 here: it may show URLs, and it has the reasons."""
    handler = _Keeper(records)
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


_CAUSES = {
    r"timed? ?out": "no answer in time",
    r"refused": "connection refused",
    r"name or service|resolve|getaddrinfo": "host not found",
    r"certificate": "its certificate is not accepted",
    r"authentication": "user or password not accepted",
}


def _reason(records: Iterable[logging.LogRecord]) -> str:
    """Why Apprise did not send, from what it logged."""
    said = [record for record in records if record.name.startswith("apprise")]
    exceptions = " ".join(
        record.getMessage() for record in said if "Exception" in record.getMessage()
    )
    causes = [text for sign, text in _CAUSES.items() if re.search(sign, exceptions, re.IGNORECASE)]
    warnings = [record.getMessage() for record in said if record.levelno >= logging.WARNING]
    return ": ".join([(warnings or ["not accepted"])[0].strip().rstrip("."), *causes[:1]])


def masked(plugin: NotifyBase) -> str:
    """The URL as it may be shown: Apprise's masked one, without what that leaves open.

    Apprise shows parameters (which may be headers with tokens), and of generic webhooks also the
    user and the path, which are often the secret.
    """
    url = str(plugin.url(privacy=True)).partition("?")[0]  # type: ignore[no-untyped-call]
    parts = urlsplit(url)
    if not parts.scheme.startswith(("json", "xml", "form", "apprise")):
        return url
    rest = "/****" if parts.path.strip("/") else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def _scheme(url: str) -> str:
    scheme = re.match(r"[A-Za-z0-9]{1,32}://", url)
    return f"{scheme.group() if scheme else ''}****"


def _without_secrets(text: str, url: str, shown: str) -> str:
    parts = {part for token in re.split(r"[/:@?&=,+#]+", url) for part in (token, unquote(token))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 3 and part not in shown:
            text = text.replace(part, "****")
    return plain(text, 300)


def failure_lines(deliveries: Iterable[Delivery]) -> list[str]:
    """One line for standard error for each that failed."""
    return [
        f"not notified: {delivery.url_masked} ({', '.join(delivery.variables)}), "
        f"{_tries(delivery.tries)}: {delivery.error}"
        for delivery in deliveries
        if not delivery.ok
    ]


def _tries(count: int) -> str:
    return {0: "not tried", 1: "tried once"}.get(count, f"tried {count} times")


# The whole


def notify(
    report: Mapping[str, Any],
    environ: Mapping[str, str],
    folder: Path | None = None,
    retry: Retry | None = None,
) -> list[Delivery]:
    """Send what a report has to tell, and what earlier runs could not deliver.

    Args:
        report: as `report.make_report` gives it (schema 1.1).
        environ: the variables above.
        folder: where notified.json is; None remembers nothing.
        retry: how stubbornly.

    Returns:
        One entry for each URL that had something to be told; empty when nothing changed, or when
        all have it already. Failures are in there and never raised.

    Raises:
        SluicegateError: nothing is configured, or a variable is misspelt.
    """
    aims = targets(environ)
    runbook_url = _base_url(environ)
    run = pending(report)
    deliveries = []
    with _locked(folder):
        ledger = read_ledger(folder)
        before = _ledger_json(ledger)
        if run.changes:
            ledger.outbox.setdefault(run.run_id, run)
        if any(ledger.unsent(target) for target in aims):
            # Kept before it is sent: a process that is killed on the way must not lose it.
            write_ledger(ledger, folder)
        for target in aims:
            if not (runs := ledger.unsent(target)):
                continue
            delivery = deliver(target, runs, runbook_url, retry)
            deliveries.append(delivery)
            if delivery.ok:
                ledger.mark(runs, target)
                write_ledger(ledger, folder)
        ledger.prune(aims)
        if _ledger_json(ledger) != before:
            write_ledger(ledger, folder)
    return deliveries


def send_report(
    folder: Path, environ: Mapping[str, str], retry: Retry | None = None
) -> list[Delivery]:
    """`notify` for the report that the last run left in a folder.

    Raises:
        SluicegateError: there is no report, it cannot be read, or see `notify`.
    """
    path = folder / REPORT_NAME
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict):
            raise ValueError("no JSON object")
        pending(report)
    except FileNotFoundError as error:
        raise SluicegateError(
            f"There is no {REPORT_NAME} in {folder}: let sluicegate run write one, "
            "or name the folder that it was given with --out."
        ) from error
    except OSError as error:
        raise SluicegateError(
            f"{path} cannot be read ({error.strerror}): give this user the right to read it."
        ) from error
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise SluicegateError(
            f"{path} is not a report of sluicegate run: let sluicegate run write it again."
        ) from error
    return notify(report, environ, folder, retry)


def _base_url(environ: Mapping[str, str]) -> str:
    return environ.get(RUNBOOK_VARIABLE, "").strip()


# The ledger beside the report


@contextlib.contextmanager
def _locked(folder: Path | None) -> Iterator[None]:
    """Two processes that notify at once would each send what the other does."""
    with contextlib.ExitStack() as stack:
        if folder is not None:
            # Where there can be no lock (a read-only folder), it is sent all the same.
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((folder / f".{LEDGER_NAME}.lock").open("a"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_ledger(folder: Path | None) -> Ledger:
    """The ledger of a folder; an empty one, with a line on standard error, if it is garbled."""
    if folder is None:
        return Ledger()
    path = folder / LEDGER_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Ledger(
            delivered={
                run_id: [str(one) for one in hashes]
                for run_id, hashes in document["delivered"].items()
            },
            outbox={run_id: _run_changes(kept) for run_id, kept in document["outbox"].items()},
        )
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _say(f"{path} cannot be read: what it said was sent may be sent again")
        return Ledger()


def _run_changes(kept: Mapping[str, Any]) -> RunChanges:
    run = RunChanges(**kept)
    changes = tuple(
        replace(change, held_batches=tuple(change.held_batches))
        for change in (Change(**one) for one in kept["changes"])
    )
    if not all(map(_is_sound, changes)):
        raise ValueError("a field of another type")
    return replace(
        run,
        changes=changes,
        still_open=tuple((str(severity), str(channel)) for severity, channel in run.still_open),
    )


def _is_sound(change: Change) -> bool:
    others = ("batches", "held_batches", "money_at_stake")
    texts = [value for name, value in vars(change).items() if name not in others]
    return (
        all(isinstance(text, str) for text in (*texts, *change.held_batches))
        and isinstance(change.batches, int)
        and isinstance(change.money_at_stake, int | float | None)
        and change.severity in _SEVERITIES
    )


def _ledger_json(ledger: Ledger) -> str:
    return json.dumps(
        {
            "delivered": ledger.delivered,
            "outbox": {run_id: asdict(run) for run_id, run in ledger.outbox.items()},
        },
        indent=2,
    )


def write_ledger(ledger: Ledger, folder: Path | None) -> None:
    """Write the ledger whole or not at all; what cannot be written is said, not raised."""
    if folder is None:
        return
    path = folder / LEDGER_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{_ledger_json(ledger)}\n".encode(), mode=0o600)
    except OSError as error:
        _say(f"{path} cannot be written ({error.strerror}): what was sent may be sent again")


def _say(line: str) -> None:
    print(f"sluicegate: {line}", file=sys.stderr)
