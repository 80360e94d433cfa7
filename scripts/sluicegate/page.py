"""The report as one self-contained HTML page: what a stakeholder reads in two minutes.

This module decides what is said and where every mark of a plot goes; the templates beside it hold
the words' places and the looks. Nothing on the page is loaded from elsewhere, and no script runs.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sluicegate.masking import visible
from sluicegate.monitoring import waits

WEEKS = 13  # of the calendar and the plots: a quarter
_TABLE_BATCHES = 14
_MOST_PROBLEMS = 40
_MOST_SAMPLES = 50
_MOST_REASONS = 6
_LONGEST_TEXT = 1500

_SEVERITIES = ("CRITICAL", "WARN", "INFO")
_THIN_SPACE = "\u202f"
_DASH = "\u2013"  # a dash, for a number that is not there and between two dates

# A path inside the project: no scheme, no host, no way out of the folder.
_RUNBOOK = re.compile(r"(?!.*\.\.)[\w-][\w./-]*(#[\w.-]*)?", re.ASCII)

# Size of a trend's plot in SVG units; it is scaled to the width of its card.
_WIDTH, _HEIGHT = 360.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 10.0, 20.0

_KINDS = {
    "pass": "passed",
    "info": "passed, with a note",
    "warn": "warning",
    "fail": "failed",
    "hold": "held back",
    "missing": "missing",
}
_JUDGEMENTS = {
    "fail": "failed",
    "not_computed": "not computed",
    "warn": "warning",
    "low_volume": "too little volume to judge",
    "insufficient_history": "too few earlier batches to judge",
    "pass": "passed",
}
_VERDICTS = {
    "PASS": "The gate is open",
    "WARN": "The gate is open, with warnings",
    "FAIL": "Data failed the gate",
    "ERROR": "The gate could not be evaluated",
}


# --- Text and numbers -------------------------------------------------------------------------


def _visible(value: Any) -> Any:
    """What the templates print: markup as it is, texts with unseen characters spelled out."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    text = str(value)
    if len(text) > _LONGEST_TEXT:
        more = _count(len(text) - _LONGEST_TEXT)
        text = f"{text[:_LONGEST_TEXT]}… ({more} characters more)"
    return visible(text)


def _number(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _count(value: Any) -> str:
    number = _number(value)
    return _DASH if number is None else f"{number:,.0f}".replace(",", _THIN_SPACE)


def _money(value: Any) -> str:
    number = _number(value)
    return _DASH if number is None else f"{number:,.2f}".replace(",", _THIN_SPACE)


def _percent(value: Any) -> str:
    """A share with two decimals, for a column."""
    number = _number(value)
    if number is None:
        return _DASH
    if 0 < number < 0.00005:
        return f"<0.01{_THIN_SPACE}%"
    return f"{number * 100:.2f}{_THIN_SPACE}%"


def _breakable(name: Any) -> Markup:
    """A name that may be broken after its underscores, where it must be broken."""
    return Markup(str(escape(_visible(name))).replace("_", "_<wbr>"))


def _plain(number: float) -> str:
    """Three significant digits, but never fewer than all digits of the whole part."""
    if number == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    if digits > 8:
        return f"{number:.2e}"
    text = f"{number:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", _THIN_SPACE)


def _minutes(number: float) -> str:
    if abs(number) < 60:
        return f"{_plain(number)}{_THIN_SPACE}min"
    hours, minutes = divmod(round(abs(number)), 60)
    rest = f" {minutes}{_THIN_SPACE}min" if minutes else ""
    return f"{'-' if number < 0 else ''}{_count(hours)}{_THIN_SPACE}h{rest}"


def _in_unit(value: Any, unit: str) -> str:
    """A value as it is read: rows and money with thousands separators, shares in per cent."""
    number = _number(value)
    if number is None:
        return _DASH
    if unit == "share":
        return f"{_plain(number * 100)}{_THIN_SPACE}%"
    if unit == "minutes":
        return _minutes(number)
    if unit in ("rows", "money"):
        return _count(number) if abs(number) >= 1000 or number == int(number) else _plain(number)
    return _plain(number)


def _on_axis(number: float, unit: str) -> str:
    """The same for an axis, where there is little room."""
    if unit == "share":
        return f"{number * 100:g}{_THIN_SPACE}%"
    if unit == "minutes":
        return f"{number:g}{_THIN_SPACE}min"
    for size, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            return f"{number / (1e3 if sign == 'k' else size):g}{_THIN_SPACE}{sign}"
    return f"{number:,.6g}".replace(",", _THIN_SPACE)


def _day(text: Any) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(str(text))
    except ValueError:
        return None


def _say_day(text: Any, with_year: bool = True) -> str:
    """3 Dec 2025; what is no date stays as it is."""
    day = text if isinstance(text, datetime.date) else _day(text)
    if day is None:
        return "" if text is None else str(text)
    return f"{day.day}\u00a0{day:%b}" + (f"\u00a0{day.year}" if with_year else "")


def _say_time(text: Any) -> str:
    """3 Dec 2025, 14:00 UTC; what is no time stays as it is."""
    try:
        moment = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return "" if text is None else str(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC)
    return f"{_say_day(moment.date())}, {moment:%H:%M}\u00a0UTC"


def _say_span(first: Any, last: Any) -> str:
    if first == last:
        return _say_day(first)
    begin, end = _day(first), _day(last)
    same_year = begin is not None and end is not None and begin.year == end.year
    return f"{_say_day(first, with_year=not same_year)} {_DASH} {_say_day(last)}"


def _plural(number: int, noun: str, nouns: str = "") -> str:
    return f"{_count(number)} {noun if number == 1 else nouns or noun + 's'}"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# --- What is wrong ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """An open incident, or an alert that belongs to none, as a card."""

    anchor: str
    severity: str
    check: str
    dimension: str
    stream: str
    message: str
    since: str
    money: float | None
    owner: str
    channel: str
    remediation: str
    runbook: str
    runbook_href: str | None
    news: str
    held: str
    acknowledged_by: str
    facts: list[tuple[str, str]]


def _problems(report: dict[str, Any], runbook_base: str) -> list[Problem]:
    """Everything that is open, the worst first."""
    incidents = [incident for incident in report["incidents"] if incident["status"] != "resolved"]
    told = {incident["incident_id"] for incident in incidents}
    wrong = incidents + [alert for alert in report["alerts"] if alert["incident_id"] not in told]
    wrong.sort(key=lambda item: _rank(item["severity"]))
    return [
        _problem(item, f"problem-{number}", runbook_base) for number, item in enumerate(wrong, 1)
    ]


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _problem(item: dict[str, Any], anchor: str, runbook_base: str) -> Problem:
    runbook = item["runbook"] or ""
    facts: list[tuple[str, str]] = []
    if "first_batch" in item:
        batches = _say_span(item["first_batch"], item["last_batch"])
        if item["batches"] > 1:
            batches = f"{batches} ({_plural(item['batches'], 'batch', 'batches')})"
        facts.append(("Batches" if item["batches"] > 1 else "Batch", batches))
        facts.append(("Found", _say_time(item["opened_at"])))
    elif item.get("batch_date"):
        facts.append(("Batch", _say_day(item["batch_date"])))
    first = item.get("first_batch", item.get("batch_date"))
    news = ""
    if item["changed"]:
        news = "escalated" if item.get("status") == "ongoing" else "new"
    return Problem(
        anchor=anchor,
        severity=item["severity"],
        check=item["check"],
        dimension=item["dimension"],
        stream=item["stream"] or "",
        message=item["message"],
        since=_say_time(item["since"]) if item["since"] else _say_day(first),
        money=_number(item["money_at_stake"]),
        owner=item["owner"] or "",
        channel=item["channel"] or "",
        remediation=item["remediation"] or "",
        runbook=runbook,
        runbook_href=runbook_base + runbook if _RUNBOOK.fullmatch(runbook) else None,
        news=news,
        held=_listed([_say_day(day, with_year=False) for day in item.get("held_batches", [])]),
        acknowledged_by=item.get("acknowledged_by") or "",
        facts=facts,
    )


def _money_at_stake(report: dict[str, Any]) -> float | None:
    """Money at stake now, None when nothing says so.

    Two incidents over the same batches of a stream look at the same money: of those that overlap
    only the largest amount is counted, so the sum is never too high.
    """
    incidents = [incident for incident in report["incidents"] if incident["status"] != "resolved"]
    told = {incident["incident_id"] for incident in incidents}
    spans = [
        (str(item["stream"]), str(item["first_batch"]), str(item["last_batch"]), amount)
        for item in incidents
        if (amount := _number(item["money_at_stake"])) is not None
    ] + [
        (str(item["stream"]), str(item["batch_date"]), str(item["batch_date"]), amount)
        for item in report["alerts"]
        if item["incident_id"] not in told
        and (amount := _number(item["money_at_stake"])) is not None
    ]
    total, group, reach = 0.0, 0.0, ("", "")
    for stream, first, last, amount in sorted(spans):
        if stream != reach[0] or first > reach[1]:
            total, group, reach = total + group, 0.0, (stream, "")
        group, reach = max(group, amount), (stream, max(reach[1], last))
    return total + group if spans else None


def _headline(report: dict[str, Any], problems: list[Problem]) -> list[str]:
    """The sentences under the verdict: how bad, what is held, what it costs, who acts."""
    if report["status"] == "ERROR":
        known = "; what earlier runs found is below" if report["streams"] else ""
        sentences = [f"Something kept this run from judging the data{known}."]
    elif not any(stream["batches"] for stream in report["streams"]):
        sentences = ["No batch has been judged yet."]
    elif not problems:
        sentences = ["Nothing is wrong: no incident is open."]
    else:
        sentences = []
    by_severity = Counter(problem.severity for problem in problems)
    words = {"CRITICAL": ("critical problem", ""), "WARN": ("warning", ""), "INFO": ("note", "")}
    counts = [
        _plural(by_severity[severity], *words[severity])
        for severity in _SEVERITIES
        if by_severity[severity]
    ]
    if counts:
        verb = "is" if sum(by_severity.values()) == 1 else "are"
        sentences.append(f"{_listed(counts)} {verb} open.")
    for stream in report["streams"]:
        held = [batch for batch in stream["batches"] if batch["decision"] == "hold"]
        if held:
            days = [_say_day(batch["batch_date"], with_year=False) for batch in held]
            what = (
                f"The batch of {days[0]} is"
                if len(held) == 1
                else f"The batches of {_listed(days)} are"
                if len(held) <= 3
                else f"{_count(len(held))} batches are"
            )
            sentences.append(
                f"{what} held back from {stream['stream']}; what was published before stays."
            )
    if problems:
        sentences.append(_first_of_all(problems[0]))
    return sentences


def _first_of_all(problem: Problem) -> str:
    """The worst problem in one sentence: what, since when, how much, whose."""
    parts = [f"First of all: {problem.check}"]
    if problem.dimension:
        parts[0] += f" ({problem.dimension})"
    if problem.stream:
        parts[0] += f" in {problem.stream}"
    if problem.since:
        parts[0] += f" since {problem.since}"
    if problem.money is not None:
        parts.append(f"{_count(problem.money)} at stake")
    if problem.owner:
        parts.append(f"owned by {problem.owner}")
    return f"{', '.join(parts)}."


# --- Calendar ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    """A cell of the calendar; kind '' is a day without a batch."""

    number: int
    kind: str = ""
    title: str = ""
    is_released: bool = False


@dataclass(frozen=True)
class Week:
    """A row of the calendar; ``skipped`` weeks without any batch stand in one row."""

    label: str
    days: list[Day] = field(default_factory=list)
    skipped: int = 0


@dataclass(frozen=True)
class Calendar:
    """The newest weeks of a stream."""

    weeks: list[Week]
    legend: list[tuple[str, str, int]]
    released: int
    first: datetime.date | None


def _kind(batch: dict[str, Any]) -> str:
    if batch["is_missing"]:
        return "missing"
    if batch["decision"] == "hold":
        return "hold"
    status = str(batch["status"])
    return status if status in _KINDS else "warn"


def _batch_title(batch: dict[str, Any], day: datetime.date) -> str:
    kind = _kind(batch)
    parts = [f"{day:%A} {_say_day(day)}: {_KINDS[kind]}."]
    if batch["released_by"]:
        parts.append(f"Released by {batch['released_by']}.")
    if kind != "missing":
        parts.append(
            f"{_count(batch['rows_raw'])} rows landed, {_count(batch['rows_rejected'])} rejected."
        )
    if waits(batch):
        parts.append("Not published yet, it waits.")
    parts += batch["hold_reasons"]
    return " ".join(parts)


def _calendar(batches: list[dict[str, Any]]) -> Calendar:
    """The newest WEEKS weeks that have a batch.

    Weeks are counted, not dates: one file with a year too far ahead in its name must not push
    everything else off the page.
    """
    by_day = {day: batch for batch in batches if (day := _day(batch["batch_date"])) is not None}
    mondays = sorted({day - datetime.timedelta(day.weekday()) for day in by_day})[-WEEKS:]
    weeks: list[Week] = []
    kinds: Counter[str] = Counter()
    released = 0
    for before, monday in zip([None, *mondays], mondays, strict=False):
        if before is not None and (gap := (monday - before).days // 7 - 1):
            weeks.append(Week("", skipped=gap))
        days = []
        for day in (monday + datetime.timedelta(offset) for offset in range(7)):
            batch = by_day.get(day)
            if batch is None:
                days.append(Day(day.day))
                continue
            kinds[_kind(batch)] += 1
            is_released = batch["decision"] == "released"
            released += is_released
            days.append(Day(day.day, _kind(batch), _batch_title(batch, day), is_released))
        weeks.append(Week(_say_day(monday, with_year=False), days))
    legend = [(kind, words, kinds[kind]) for kind, words in _KINDS.items() if kinds[kind]]
    first = min((day for day in by_day if day >= mondays[0]), default=None) if mondays else None
    return Calendar(weeks, legend, released, first)


# --- Plots ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """A point of a trend."""

    x: float
    y: float
    status: str


@dataclass(frozen=True)
class Plot:
    """A trend as marks in SVG units and as words."""

    label: str
    unit: str
    newest: str
    judged: str
    status: str
    bands: list[Markup]
    expected: list[Markup]
    lines: list[Markup]
    marks: list[Mark]
    slots: list[tuple[float, float, str]]
    y_ticks: list[tuple[float, str]]
    x_ticks: list[tuple[float, str, str]]
    rows: list[tuple[str, str, str, str, str]]


def _ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers inside a range, at most so many."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 2.5, 5, 10, 20)):
        first = math.ceil(low / step - 1e-9)
        count = math.floor(high / step + 1e-9) - first + 1
        if count <= most:
            return [(first + number) * step for number in range(count)]
    return []


def _range(
    values: list[float], limits: list[float], is_never_negative: bool
) -> tuple[float, float]:
    """The range of the y axis: all values, limits that are not far off, 0 when it is near."""
    low, high = min(values), max(values)
    reach = 3 * max(high - low, 0.25 * max(abs(low), abs(high)), 1e-9)
    near = [limit for limit in limits if low - reach <= limit <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    if is_never_negative:
        low = max(low, 0.0)
    if 0 < low < 0.4 * high:
        low = 0.0
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
        if is_never_negative:
            low = max(low, 0.0)
    pad = 0.06 * (high - low)
    return (low if low == 0 else low - pad), high + pad


def _spread(number: int, most: int = 4) -> list[int]:
    """Indexes for at most so many labels, first and last among them."""
    labels = min(number, most)
    if labels < 2:
        return list(range(labels))
    return sorted({round(place * (number - 1) / (labels - 1)) for place in range(labels)})


def _path(points: list[tuple[float, float]], end: str = "") -> Markup:
    # Markup, so that a path of many points is not shortened as a long text would be.
    return Markup("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + end)


def _runs(drawn: list[bool]) -> list[range]:
    """The stretches of neighbours that are drawn."""
    runs = []
    for is_drawn, group in itertools.groupby(enumerate(drawn), key=lambda item: item[1]):
        places = [place for place, _ in group]
        if is_drawn:
            runs.append(range(places[0], places[-1] + 1))
    return runs


def _plot(trend: dict[str, Any], days: list[datetime.date]) -> Plot | None:
    """A trend over the given days; None when it has no value there."""
    unit = trend["unit"]
    by_day = {_day(point["batch_date"]): point for point in trend["points"]}
    points = [by_day.get(day, {}) for day in days]
    values = [_number(point.get("value")) for point in points]
    lowers = [_number(point.get("lower")) for point in points]
    uppers = [_number(point.get("upper")) for point in points]
    expected = [_number(point.get("expected")) for point in points]
    known = [value for value in values if value is not None]
    if not known:
        return None
    is_never_negative = unit != "number" and min(known) >= 0
    if is_never_negative:
        # A band of so many deviations may end below zero, where nothing can be.
        lowers = [None if limit is not None and limit < 0 else limit for limit in lowers]
    low, high = _range(
        known,
        [limit for limit in (*lowers, *uppers, *expected) if limit is not None],
        is_never_negative,
    )
    step = (_WIDTH - _LEFT - _RIGHT) / len(days)

    def at_x(place: float) -> float:
        return _LEFT + (place + 0.5) * step

    def at_y(value: float) -> float:
        # An open or far end of a band lies just outside the plot, where it is clipped.
        share = (min(max(value, low - (high - low)), high + (high - low)) - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    bands = []
    for run in _runs([lowers[i] is not None or uppers[i] is not None for i in range(len(days))]):
        tops = [math.inf if (limit := uppers[i]) is None else limit for i in run]
        floors = [-math.inf if (limit := lowers[i]) is None else limit for i in run]
        places = [at_x(i) for i in run]
        places[0], places[-1] = places[0] - step / 2, places[-1] + step / 2
        if len(run) == 1:
            places, tops, floors = [at_x(run[0] - 0.5), at_x(run[0] + 0.5)], tops * 2, floors * 2
        edge = [(x, at_y(top)) for x, top in zip(places, tops, strict=True)]
        back = [(x, at_y(floor)) for x, floor in zip(places, floors, strict=True)]
        bands.append(_path(edge + back[::-1], "Z"))

    def lines(series: list[float | None]) -> list[Markup]:
        return [
            _path([(at_x(i), at_y(value)) for i in run if (value := series[i]) is not None])
            for run in _runs([value is not None for value in series])
            if len(run) > 1
        ]

    newest = max(place for place, value in enumerate(values) if value is not None)
    statuses = [str(point.get("status") or "") for point in points]
    rows = [
        (
            _say_day(day, with_year=False),
            _in_unit(values[place], unit),
            _in_unit(expected[place], unit),
            _allowed(lowers[place], uppers[place], unit),
            _JUDGEMENTS.get(statuses[place], ""),
        )
        for place, day in enumerate(days)
        if points[place]
    ]
    judged = [
        f"expected {_in_unit(expected[newest], unit)}" if expected[newest] is not None else "",
        f"allowed {allowed}" if (allowed := _allowed(lowers[newest], uppers[newest], unit)) else "",
    ]
    return Plot(
        label=trend["label"],
        unit=unit,
        newest=_in_unit(values[newest], unit),
        judged=", ".join(filter(None, judged)),
        status=statuses[newest],
        bands=bands,
        expected=lines(expected),
        lines=lines(values),
        marks=[
            Mark(round(at_x(place), 1), round(at_y(value), 1), statuses[place])
            for place, value in enumerate(values)
            # Many points that passed would only thicken the line.
            if value is not None
            and (statuses[place] not in ("", "pass") or place == newest or len(days) <= 45)
        ],
        slots=[
            (
                round(at_x(place - 0.5), 1),
                round(step, 1),
                " · ".join(
                    filter(
                        None,
                        [
                            f"{_say_day(day)}: {_in_unit(values[place], unit)}",
                            f"allowed {limits}"
                            if (limits := _allowed(lowers[place], uppers[place], unit))
                            else "",
                            _JUDGEMENTS.get(statuses[place], ""),
                        ],
                    )
                ),
            )
            for place, day in enumerate(days)
            if points[place]
        ],
        y_ticks=[(round(at_y(tick), 1), _on_axis(tick, unit)) for tick in _ticks(low, high)],
        x_ticks=[
            (
                round(at_x(place), 1),
                _say_day(days[place], with_year=False),
                "start" if place == 0 else "end" if place == len(days) - 1 else "middle",
            )
            for place in _spread(len(days))
        ],
        rows=rows[::-1],
    )


def _allowed(lower: float | None, upper: float | None, unit: str) -> str:
    if lower is not None and upper is not None:
        return f"{_in_unit(lower, unit)} to {_in_unit(upper, unit)}"
    if upper is not None:
        return f"up to {_in_unit(upper, unit)}"
    return "" if lower is None else f"from {_in_unit(lower, unit)}"


@dataclass(frozen=True)
class Segment:
    """A part of a stacked bar; y and height are per cent of the plot."""

    y: float
    height: float
    colour: int
    title: str


@dataclass(frozen=True)
class Stack:
    """Rejects by reason over the batches, as stacked bars."""

    bars: list[list[Segment]]
    legend: list[tuple[int, str, str]]
    y_ticks: list[tuple[float, str]]
    x_ticks: list[tuple[float, str, str]]


def _stack(batches: list[dict[str, Any]], days: list[datetime.date]) -> Stack | None:
    """The reject reasons of the given days; None when nothing was rejected."""
    by_day = {_day(batch["batch_date"]): batch["reject_reasons"] for batch in batches}
    counts = [by_day.get(day, {}) for day in days]
    totals: Counter[str] = Counter()
    for reasons in counts:
        totals.update({name: int(_number(rows) or 0) for name, rows in reasons.items()})
    if not totals.total():
        return None
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    # One reason that is left is named: "other" would take the same room and say less.
    top = ranked if len(ranked) <= _MOST_REASONS + 1 else ranked[:_MOST_REASONS]
    others = ranked[len(top) :]
    highest = max(sum(reasons.values()) for reasons in counts)
    scale = 100 / (highest * 1.05)

    bars = []
    for day, reasons in zip(days, counts, strict=True):
        height, bar = 0.0, []
        parts = [(colour, name, reasons.get(name, 0)) for colour, name in enumerate(top)]
        rest = sum(reasons.get(name, 0) for name in others)
        for colour, name, rows in [*parts, (_MOST_REASONS, "other reasons", rest)]:
            if rows:
                tall = rows * scale
                height += tall
                title = f"{_say_day(day)}: {name} {_count(rows)}"
                bar.append(Segment(round(100 - height, 2), round(tall, 2), colour, title))
        bars.append(bar)
    legend = [(colour, name, _count(totals[name])) for colour, name in enumerate(top)]
    if others:
        rest = sum(totals[name] for name in others)
        what = _plural(len(others), "other reason")
        legend.append((_MOST_REASONS, what, _count(rest)))
    return Stack(
        bars=bars,
        legend=legend,
        y_ticks=[
            (round(100 - tick * scale, 2), _on_axis(tick, "rows"))
            for tick in _ticks(0, highest * 1.05)
        ],
        x_ticks=[
            (
                round((place + 0.5) * 100 / len(days), 2),
                _say_day(days[place], with_year=False),
                "start" if place == 0 else "end" if place == len(days) - 1 else "middle",
            )
            for place in _spread(len(days))
        ],
    )


# --- The page ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class StreamView:
    """A stream's section."""

    name: str
    calendar: Calendar
    window: str
    plots: list[Plot]
    without_values: list[str]
    stack: Stack | None
    newest: list[dict[str, Any]]
    batches: int
    has_money: bool


def _stream(stream: dict[str, Any]) -> StreamView:
    batches = sorted(stream["batches"], key=lambda batch: str(batch["batch_date"]))
    trends = stream["trends"]
    calendar = _calendar(batches)
    days = {day for batch in batches if (day := _day(batch["batch_date"])) is not None}
    days |= {
        day
        for trend in trends
        for point in trend["points"]
        if (day := _day(point["batch_date"])) is not None
    }
    if calendar.first is not None:
        days = {day for day in days if day >= calendar.first}
    shown = sorted(days)[-7 * WEEKS :]
    plots = [(trend["label"], _plot(trend, shown) if shown else None) for trend in trends]
    # The table stands beside the calendar: a long one leaves room for more rows.
    rows = max(_TABLE_BATCHES, len(calendar.weeks) + 8)
    in_calendar = sum(number for _, _, number in calendar.legend)
    window = ""
    if in_calendar:
        window = _say_span(shown[0].isoformat(), shown[-1].isoformat())
        if in_calendar < len(batches):
            window = (
                f"The newest {WEEKS} weeks, {window}: {_count(in_calendar)} of "
                f"{_plural(len(batches), 'batch', 'batches')}"
            )
    return StreamView(
        name=stream["stream"],
        calendar=calendar,
        window=window,
        plots=[plot for _, plot in plots if plot is not None],
        without_values=[label for label, plot in plots if plot is None],
        stack=_stack(batches, shown) if shown else None,
        newest=[
            {**batch, "kind": _kind(batch), "share": _share(batch), "waits": waits(batch)}
            for batch in batches[: -rows - 1 : -1]
        ],
        batches=len(batches),
        has_money=any(_number(batch["revenue_raw"]) for batch in batches),
    )


def _share(batch: dict[str, Any]) -> float | None:
    rows, rejected = _number(batch["rows_raw"]), _number(batch["rows_rejected"])
    return None if not rows or rejected is None else rejected / rows


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sluicegate", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=_count,
        money=_money,
        unit=_in_unit,
        percent=_percent,
        breakable=_breakable,
        day=_say_day,
        time=_say_time,
        plural=_plural,
        listed=_listed,
    )
    return environment


def render_page(report: dict[str, Any], runbook_base: str = "../../") -> str:
    """The report as an HTML page that needs nothing else: no script, no font, no request.

    Texts of the report are shown as texts, whatever they hold; characters that would be dropped or
    would reorder the text around them are spelled out (``\\u202e``). At most the newest 13 weeks
    of a stream are drawn, and the page says so.

    Args:
        report: the report document (docs/monitoring_report.schema.json).
        runbook_base: what leads from the page to the project's folder, with a slash at its end; the
            runbook links of the report begin there. The page is in data/monitoring usually.
    """
    problems = _problems(report, runbook_base)
    checks = Counter(check["status"] for check in report["checks"])
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            report=report,
            verdict=_VERDICTS[report["status"]],
            sentences=_headline(report, problems),
            problems=problems[:_MOST_PROBLEMS],
            more_problems=max(0, len(problems) - _MOST_PROBLEMS),
            money_at_stake=_money_at_stake(report),
            held=sum(
                batch["decision"] == "hold"
                for stream in report["streams"]
                for batch in stream["batches"]
            ),
            resolved=[item for item in report["incidents"] if item["status"] == "resolved"],
            # Streams with a problem come first; among equals the order of the report stays.
            streams=[
                _stream(stream)
                for stream in sorted(
                    report["streams"],
                    key=lambda stream: min(
                        (
                            _rank(item.severity)
                            for item in problems
                            if item.stream == stream["stream"]
                        ),
                        default=len(_SEVERITIES) + 1,
                    ),
                )
            ],
            checks=sorted(
                report["checks"],
                key=lambda check: (
                    list(_JUDGEMENTS).index(check["status"]),
                    check["tier"],
                    check["stream"],
                    check["check"],
                    check["dimension"],
                ),
            ),
            check_counts=[
                (status, words, checks[status])
                for status, words in _JUDGEMENTS.items()
                if checks[status]
            ],
            judgements=_JUDGEMENTS,
            kinds=_KINDS,
            samples=report["samples"][:_MOST_SAMPLES],
            more_samples=max(0, len(report["samples"]) - _MOST_SAMPLES),
        )
    )
