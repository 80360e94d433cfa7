"""What there is to tell, and the message that tells it: one line of subject, plain text."""

from __future__ import annotations

import datetime
import math
import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apprise import NotifyType

from sluicegate.notify.routes import Target

INCIDENTS_SHOWN = 10
BACKLOG_DAYS = 3
BODY_LENGTH = 12_000  # ten incidents with long texts; more than that nobody reads

SEVERITIES = ("CRITICAL", "WARN", "INFO")
CAME_AND_WENT = "opened and resolved"

_SUBJECT_LENGTH = 120  # a Slack header holds 150 characters, and a phone shows fewer
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)


@dataclass(frozen=True)
class Change:
    """One thing to tell: what happened to an incident, or to the gate itself.

    Attributes:
        id: the same however often it is recorded or sent.
        key: what it is about; of several changes with one key only the newest is told.
        kind: opened, escalated, resolved, or error (the gate could not be evaluated).
        severity: CRITICAL, WARN or INFO.
        check: the check or dbt test; `run` for the gate itself.
        money_at_stake: in the shop's currency.
        since: ISO 8601 time of the hour in which it began, where the data shows it.
        number: 1 for the first change of what it is about.
        is_from_before: taken over from incidents that were there before changes were recorded.
        run_id: the run that recorded it.
        recorded_at: when, ISO 8601.

    The others are the columns of dq_incident_changes of the same names.
    """

    id: str
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
    number: int = 0
    is_from_before: bool = False
    run_id: str = ""
    recorded_at: str = ""


@dataclass(frozen=True)
class Situation:
    """How things stand when a message is sent.

    Attributes:
        run_id: the newest run.
        status: PASS, WARN, FAIL or ERROR; '' when it is not known.
        date: the newest batch; '' when it is not known.
        still_open: (severity, channel) of the incidents that are open.
    """

    run_id: str = ""
    status: str = ""
    date: str = ""
    still_open: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Message:
    """A message: its id, one line, plain text, and how bad it is."""

    id: str
    subject: str
    body: str
    type: NotifyType


def compose(
    changes: Sequence[Change],
    situation: Situation,
    target: Target,
    message_id: str,
    runbook_url: str = "",
    length: int = BODY_LENGTH,
    with_subject: bool = False,
) -> Message:
    """One message with these changes, worst first; of each incident the newest state.

    Args:
        changes: oldest first; at least one.
        situation: decides what the subject says, and whether all is well again.
        target: whose open incidents count for that.
        message_id: by which a receiver sees that it has the message already.
        runbook_url: page of the runbook; '' gives its path in the project.
        length: how many characters the body may have. No incident is cut to fit: fewer are shown.
        with_subject: the body begins with the subject, for services that have none of their own;
            the message's subject is then ''.
    """
    told, left_out = _newest_states(changes)
    subject = _subject(situation, told, left_out)
    room = length - (len(subject) + 2 if with_subject else 0)
    foot = f"run {plain(situation.run_id, 60)}, message {message_id}".removeprefix("run , ")
    body = _body(told, left_out, situation, runbook_url, room, foot)
    return Message(
        id=message_id,
        subject="" if with_subject else subject,
        body=f"{subject}\n\n{body}" if with_subject else body,
        type=_type(situation, told, target),
    )


def _newest_states(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """What to tell of these changes, worst first, and what is only counted.

    Of an incident only its newest state is told. What began and ended unseen is told as such,
    unless that was days before the newest change: when nobody was told for long, the message is
    about what is wrong now.
    """
    by_key: dict[str, list[Change]] = {}
    for change in changes:
        by_key.setdefault(change.key, []).append(change)
    newest_day = max(states[-1].recorded_at for states in by_key.values())[:10]
    told, left_out = [], []
    for states in by_key.values():
        newest = states[-1]
        if newest.kind != "resolved" or states[0].number != 1 or newest.check == "run":
            told.append(newest)
        elif newest.is_from_before or _days(newest.recorded_at, newest_day) > BACKLOG_DAYS:
            left_out.append(newest)
        else:
            told.append(replace(newest, kind=CAME_AND_WENT))
    return sorted(told, key=_rank), left_out


def _days(time: str, day: str) -> int:
    try:
        return (datetime.date.fromisoformat(day) - datetime.date.fromisoformat(time[:10])).days
    except ValueError:
        return 0


def _rank(change: Change) -> tuple[Any, ...]:
    return (
        change.kind != "error",
        change.kind == "resolved",
        change.kind == CAME_AND_WENT,
        SEVERITIES.index(change.severity),
        -(change.money_at_stake or 0),
        change.stream,
        change.check,
        change.dimension,
    )


def _type(situation: Situation, told: Sequence[Change], target: Target) -> NotifyType:
    """How bad it is; SUCCESS, which may close an incident elsewhere, only if nothing is open."""
    now = {change.severity for change in told if change.kind not in ("resolved", CAME_AND_WENT)}
    # A resolve has no text at PagerDuty, so what nobody has seen yet is no resolve.
    past = {change.severity for change in told if change.kind == CAME_AND_WENT}
    if "CRITICAL" in now:
        return NotifyType.FAILURE
    if "WARN" in now or past & {"CRITICAL", "WARN"}:
        return NotifyType.WARNING
    is_open = any(target.wants(*open_) for open_ in situation.still_open)
    if now or past or situation.status == "ERROR" or is_open:
        return NotifyType.INFO
    return NotifyType.SUCCESS


def _subject(situation: Situation, told: Sequence[Change], left_out: Sequence[Change]) -> str:
    streams = sorted({plain(change.stream, 40) for change in told or left_out} - {""})
    where = [", ".join(streams) if len(streams) < 3 else f"{len(streams)} streams"]
    of_run = [change.kind for change in told if change.check == "run"]
    kinds = [change.kind for change in told if change.check != "run"]
    counts = [
        f"{kinds.count(kind)} {kind}"
        for kind in ("opened", "escalated", "changed", CAME_AND_WENT, "resolved")
        if kind in kinds
    ]
    if "error" in of_run:
        counts.insert(0, "the gate could not be evaluated")
    elif of_run:
        counts.insert(0, "the gate can be evaluated again")
    if not counts:
        counts = [f"{len(left_out)} {CAME_AND_WENT}"]
    head = " ".join(filter(None, [plain(situation.status, 10), *where, plain(situation.date, 10)]))
    return _cut(": ".join(filter(None, [head, ", ".join(counts)])), _SUBJECT_LENGTH)


def _body(
    told: Sequence[Change],
    left_out: Sequence[Change],
    situation: Situation,
    runbook_url: str,
    room: int,
    foot: str,
) -> str:
    """As many incidents as fit, worst first; shorter texts only when not even one does."""
    over = (
        [f"and {len(left_out)} that were over before, see dq_incident_changes"] if left_out else []
    )
    for text_length in (300, 120, 60):
        blocks = [
            _block(change, situation, runbook_url, text_length) for change in told[:INCIDENTS_SHOWN]
        ]
        for shown in range(len(blocks), 0 if told else -1, -1):
            rest = len(told) - shown
            tail = [f"and {rest} more, see the report"] if rest else []
            body = "\n\n".join([*blocks[:shown], *tail, *over, foot])
            if len(body) <= room:
                return body
    if not told:
        return _cut(over[0], room)
    worst = told[0]
    tail_line = f"\nand {len(told) - 1} more, see the report" if len(told) > 1 else ""
    line = f"{_headline(worst)}: {plain(worst.message, 300)}"
    return _cut(line, max(room - len(tail_line), 1)) + tail_line


def _headline(change: Change) -> str:
    if change.kind == "error":
        return "CRITICAL the gate could not be evaluated"
    if change.check == "run":
        return "resolved: the gate can be evaluated again"
    dimension = f" [{plain(change.dimension, 60)}]" if change.dimension else ""
    return f"{change.severity} {change.kind}: {plain(change.check, 60)}{dimension}"


def _block(change: Change, situation: Situation, runbook_url: str, text_length: int) -> str:
    """What there is to know of one change; each text of others stays on a line of ours."""
    over = change.kind == "resolved"
    is_late = change.run_id != situation.run_id
    facts = [
        ("where", _where(change)),
        ("was" if over else "what", plain(change.message, text_length)),
        ("since", _time(change.since)),
        ("money at stake", _money(change.money_at_stake)),
        ("owner", _contact(change.owner)),
        ("acknowledged by", _contact(change.acknowledged_by)),
        ("to do", "" if over else plain(change.remediation, text_length)),
        ("runbook", _runbook(change.runbook, runbook_url)),
        ("as of", f"{_time(change.recorded_at)}, not delivered then" if is_late else ""),
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
