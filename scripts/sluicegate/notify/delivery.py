"""Sending one message to one destination, through Apprise: how often, how long, what came of it.

Beyond what Apprise does: a redirect is never followed (a 302 loses the message, a 307 hands it to
whoever the answer names), `Retry-After` is honoured, and each message carries its id where the
service has a place for it: the header `Idempotency-Key` and the field `message_id` of webhooks,
`Message-ID` of mails, `dedup_key` of PagerDuty, the last line of the text everywhere.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import logging
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from apprise import (
    Apprise,
    AppriseAsset,
    NotifyBase,
    NotifyFormat,
    OverflowMode,
    PersistentStoreMode,
)
from apprise.plugins.email import base as apprise_email
from apprise.plugins.pagerduty import NotifyPagerDuty, PagerDutyAction
from apprise.url import URLBase
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from sluicegate.notify.message import BODY_LENGTH, Change, Message, Situation, compose, plain
from sluicegate.notify.routes import EXAMPLES, Target

_BLOCK_LENGTH = 3_000  # what Slack takes in one block (?blocks=yes)
_WEBHOOKS = ("json", "xml", "form", "apprise")
# Answers after which another try may go better (RFC 9110, RFC 6585), and those that say when.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_WITH_RETRY_AFTER = frozenset({429, 503})
# Answers after which the message may have got through all the same.
_UNCERTAIN = frozenset({408, 500, 502, 504})


@dataclass(frozen=True)
class Delivery:
    """How sending to one URL went.

    Attributes:
        url_masked: the URL without what is secret in it.
        tries: how often it was tried; 0 when the URL cannot be used.
        error: why it failed, on one line; None when it did not.
        variables: the environment variables that name the URL.
        is_refused: whether it is certain that the receiver does not have the message.
    """

    url_masked: str
    ok: bool
    tries: int
    error: str | None
    variables: tuple[str, ...] = ()
    is_refused: bool = False


@dataclass(frozen=True)
class Retry:
    """How stubbornly to send.

    Attributes:
        tries: how often at the most.
        wait_seconds: before the second try; twice as long before each further one.
        timeout_seconds: for connecting, and for each answer.
        longest_wait_seconds: a receiver that asks (Retry-After) for more than this gets the message
            with the next run.
    """

    tries: int = 3
    wait_seconds: float = 1.0
    timeout_seconds: float = 10.0
    longest_wait_seconds: float = 30.0


@dataclass(frozen=True)
class _Attempt:
    """One try: its error (None when it went well), and what follows from it."""

    error: str | None = None
    is_refused: bool = True
    may_pass: bool = True
    wait_seconds: float = 0.0


def deliver(
    target: Target,
    changes: Sequence[Change],
    situation: Situation,
    message_id: str,
    runbook_url: str = "",
    retry: Retry | None = None,
) -> Delivery:
    """Send one destination a message with these changes. Never raises."""
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
                    f"Apprise URLs such as {EXAMPLES}, percent-encode other signs in their parts "
                    "(a blank is %20), and separate them by blanks"
                ),
                variables=target.variables,
                is_refused=True,
            )
        shown = masked(plugin)
        try:
            message = _compose_for(plugin, changes, situation, target, message_id, runbook_url)
            last, tries = _send(target.url, message, retry, records)
        except Exception as problem:
            last, tries = _Attempt(type(problem).__name__, is_refused=False), 0
    return Delivery(
        url_masked=shown,
        ok=last.error is None,
        tries=tries,
        error=None if last.error is None else _without_secrets(last.error, target.url, shown),
        variables=target.variables,
        is_refused=last.error is not None and last.is_refused,
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
    plugin.redirects = False
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
    plugin: NotifyBase,
    changes: Sequence[Change],
    situation: Situation,
    target: Target,
    message_id: str,
    runbook_url: str,
) -> Message:
    length = min(plugin.body_maxlen, BODY_LENGTH)
    if getattr(plugin, "use_blocks", False):
        length = min(length, _BLOCK_LENGTH)
    has_subject = plugin.title_maxlen > 0
    return compose(
        changes, situation, target, message_id, runbook_url, length, with_subject=not has_subject
    )


def _identify(plugin: NotifyBase, message_id: str) -> None:
    """Put the id where the service has a place for it; what the URL itself says stays."""
    if isinstance(plugin, NotifyPagerDuty):
        # With `map` and `resolve` the key names the incident that a later message closes.
        if plugin.dedup is None and plugin.action == PagerDutyAction.TRIGGER:
            plugin.dedup = message_id
        plugin.details.setdefault("message_id", message_id)
    elif str(plugin.url()).startswith(_WEBHOOKS):  # type: ignore[no-untyped-call]
        for place, name in (("headers", "Idempotency-Key"), ("payload_extras", "message_id")):
            if isinstance(fields := getattr(plugin, place, None), dict):
                fields.setdefault(name, message_id)


def _send(
    url: str, message: Message, retry: Retry, records: list[logging.LogRecord]
) -> tuple[_Attempt, int]:
    """Try until it is sent or there is no use; the last attempt and the number of tries."""

    def once() -> _Attempt:
        records.clear()
        # A new sender each time: a used one waits as long as its service likes between messages,
        # on top of the waiting between tries.
        sender = Apprise()
        if plugin := _plugin(url, retry):
            _identify(plugin, message.id)
            sender.add(plugin)
        with _answers() as answers, _mail_id(message.id):
            try:
                sent = sender.notify(
                    body=message.body,
                    title=message.subject,
                    notify_type=message.type,
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:
                return _Attempt(type(error).__name__, is_refused=False)
        return _judged(bool(sent), answers, records)

    usual_wait = wait_exponential(multiplier=retry.wait_seconds, max=30)

    def wait(state: RetryCallState) -> float:
        asked = state.outcome.result().wait_seconds if state.outcome else 0.0
        return max(usual_wait(state), asked)

    attempts = Retrying(
        stop=stop_after_attempt(retry.tries),
        wait=wait,
        retry=retry_if_result(
            lambda attempt: (
                attempt.error is not None
                and attempt.may_pass
                and attempt.wait_seconds <= retry.longest_wait_seconds
            )
        ),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    last: _Attempt = attempts(once)
    return last, int(attempts.statistics["attempt_number"])


def _judged(
    sent: bool, answers: Sequence[requests.Response], records: Iterable[logging.LogRecord]
) -> _Attempt:
    """What one try came to, from what was answered and what Apprise logged."""
    led_away = [answer for answer in answers if 300 <= answer.status_code < 400]
    if led_away:
        where = urlsplit(led_away[-1].headers.get("Location", "")).netloc.rpartition("@")[2]
        error = (
            f"redirected ({led_away[-1].status_code}{' to ' + where if where else ''}), which is "
            "not followed: write the address that it leads to"
        )
        return _Attempt(error, is_refused=len(led_away) == len(answers), may_pass=False)
    if sent:
        return _Attempt()
    error, is_known = _reason(records)
    if not answers:
        return _Attempt(error, is_refused=is_known)
    codes = [answer.status_code for answer in answers]
    failed = [answer for answer in answers if answer.status_code >= 400]
    wait_seconds = max(
        (_retry_after(one) for one in failed if one.status_code in _WITH_RETRY_AFTER), default=0.0
    )
    if wait_seconds:
        error += f", asks to wait {math.ceil(wait_seconds)} seconds"
    return _Attempt(
        error,
        is_refused=all(code >= 400 and code not in _UNCERTAIN for code in codes),
        may_pass=not failed or any(one.status_code in _PASSING for one in failed),
        wait_seconds=wait_seconds,
    )


def _retry_after(answer: requests.Response) -> float:
    """The seconds that an answer asks to wait (RFC 9110, 10.2.3: a number, or a date); else 0."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        time = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    return max((time - datetime.datetime.now(datetime.UTC)).total_seconds(), 0.0)


@contextlib.contextmanager
def _answers() -> Iterator[list[requests.Response]]:
    """What is answered meanwhile to requests: Apprise tells neither status nor headers."""
    kept: list[requests.Response] = []
    send = requests.Session.send

    def send_and_keep(
        self: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        answer = send(self, request, **options)
        kept.append(answer)
        return answer

    requests.Session.send = send_and_keep  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


@contextlib.contextmanager
def _mail_id(message_id: str) -> Iterator[None]:
    """Let mails have this Message-ID: Apprise makes up a new one for each, whatever is asked."""
    names = vars(apprise_email)
    make = names["make_msgid"]
    names["make_msgid"] = lambda domain: f"<{message_id}@{domain}>"
    try:
        yield
    finally:
        names["make_msgid"] = make


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


# What an exception's text says, and whether the message cannot have got through then.
_CAUSES = (
    (r"timed? ?out", "no answer in time", False),
    (r"refused", "connection refused", True),
    (r"name or service|resolve|getaddrinfo", "host not found", True),
    (r"certificate", "its certificate is not accepted", True),
    (r"authentication", "user or password not accepted", True),
)


def _reason(records: Iterable[logging.LogRecord]) -> tuple[str, bool]:
    """Why Apprise did not send, from what it logged, and whether that is before anything was."""
    said = [record for record in records if record.name.startswith("apprise")]
    exceptions = " ".join(
        record.getMessage() for record in said if "Exception" in record.getMessage()
    )
    causes = [
        (text, is_refused)
        for sign, text, is_refused in _CAUSES
        if re.search(sign, exceptions, re.IGNORECASE)
    ]
    warnings = [record.getMessage() for record in said if record.levelno >= logging.WARNING]
    text = (warnings or ["not accepted"])[0].strip().rstrip(".")
    if not causes:
        return text, False
    return f"{text}: {causes[0][0]}", all(is_refused for _, is_refused in causes)


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
