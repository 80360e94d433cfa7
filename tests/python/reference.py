"""What Sluicegate should make of web_events files, written a second time, in plain Python.

Nothing here is taken from the project's SQL: records are cut by a hand-written scanner (held
against the csv module by a test), JSON is read by the json module, times by datetime, money by
decimal. ``judge`` gives the verdict on every record of a folder of CSV and JSON lines files; tests
hold the project's tables against it.
"""

from __future__ import annotations

import datetime
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

COLUMNS = (
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
)
ALIASES = {"clientId": "client_id"}
EVENT_NAMES = {
    b"page_viewed",
    b"email_filled_on_popup",
    b"product_added_to_cart",
    b"checkout_started",
    b"checkout_completed",
}
# fmt: off
PROGRAMS = (
    "bot", "crawl", "spider", "slurp", "headless", "lighthouse", "facebookexternalhit", "python-",
    "curl/", "wget/", "phantomjs", "pingdom", "scrapy",
)
# fmt: on
LOOKBACK_BATCHES = 3
CLOCK_TOLERANCE = datetime.timedelta(seconds=300)
CENT = Decimal("0.01")

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MILLISECOND = datetime.timedelta(milliseconds=1)

Fields = dict[str, bytes]


@dataclass(frozen=True)
class Delivery:
    """A file as it lies in the landing folder; changed_at is its time of change, whole seconds."""

    name: str
    content: bytes
    changed_at: datetime.datetime

    @property
    def batch_date(self) -> datetime.date:
        [text] = re.findall(r"\d{8}", self.name)
        return datetime.datetime.strptime(text, "%Y%m%d").date()


@dataclass(frozen=True)
class Record:
    """A record of a file, or the text of a line that is none."""

    row_number: int
    fields: Fields | None
    raw_line: bytes = b""


@dataclass(frozen=True)
class Verdict:
    """The names of the rules that hold, in the order in which they are documented."""

    reject_reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    first_copy: str = ""
    raw_line: bytes = b""
    revenue: Decimal | None = None


MALFORMED = ("malformed_line",)

# The rules that are written here a second time.
RULES = (
    *MALFORMED,
    "missing_client_id",
    "missing_timestamp",
    "invalid_timestamp",
    "timestamp_in_future",
    "missing_event_name",
    "unknown_event_name",
    "malformed_event_data",
    "missing_transaction_id",
    "duplicate_event",
    "zero_value_checkout",
    "missing_revenue",
    "negative_revenue",
    "corrupt_items",
    "revenue_items_mismatch",
    "transaction_id_collision",
    "bot_user_agent",
    "missing_referrer",
    "synthetic_referrer",
    "timestamp_outside_batch",
)


# Files


def records_of(delivery: Delivery) -> list[Record]:
    """The records of a CSV or JSON lines file, by row number."""
    content, name = delivery.content, delivery.name
    if name.endswith(".gz"):
        content, name = gzip.decompress(content), name.removesuffix(".gz")
    content = content.removeprefix(b"\xef\xbb\xbf")
    return list(read_csv(content) if name.endswith(".csv") else read_json_lines(content))


def lines_of(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def read_csv(content: bytes) -> Iterator[Record]:
    """The records after the header; the header is line 1.

    A line that is well formed by itself is a record. The lines between two of those are read as
    one text from the top: where a record begins, which may now span lines and have quotes inside
    bare fields, it is taken; else one line is malformed. Empty lines are nothing.
    """
    lines = lines_of(content)
    if not lines:
        return
    header = scan_record(lines[0] + b"\n", 0)
    assert header is not None, "the header of a generated file is well formed"
    names = [name.strip(b" ").decode() for name in header[0]]
    start = 1
    while start < len(lines):
        end = start
        while end < len(lines) and not is_record(lines[end], len(names)):
            end += 1
        yield from _read_island(lines[start:end], start + 1, names)
        if end < len(lines):
            scanned = scan_record(lines[end] + b"\n", 0)
            assert scanned is not None
            yield Record(end + 1, _by_column(names, scanned[0]))
        start = end + 1


def is_record(line: bytes, count: int) -> bool:
    """Whether a line is well formed by itself: quotes stand around whole fields only."""
    scanned = scan_record(line + b"\n", 0, bare_quotes=False)
    return scanned is not None and len(scanned[0]) == count and line not in (b"", b"\r")


def _read_island(lines: Sequence[bytes], row_number: int, names: list[str]) -> Iterator[Record]:
    text = b"".join(line + b"\n" for line in lines)
    at = 0
    while at < len(text):
        line_end = text.index(b"\n", at)
        scanned = scan_record(text, at)
        if text[at:line_end] in (b"", b"\r"):
            end = line_end + 1
        elif scanned is not None and len(scanned[0]) == len(names):
            end = scanned[1]
            yield Record(row_number, _by_column(names, scanned[0]))
        else:
            end = line_end + 1
            yield Record(row_number, None, text[at:line_end])
        row_number += text.count(b"\n", at, end)
        at = end


def scan_record(
    text: bytes, at: int, *, bare_quotes: bool = True
) -> tuple[list[bytes], int] | None:
    """The fields of the record that begins at a place, and the place after its line end.

    None when there is no well-formed one. A line that begins with a carriage return is none; one at
    the end of a line belongs to the line end. After a closing quote blanks may follow. Quotes
    inside a bare field are part of it, where bare_quotes lets them.
    """
    if text[at : at + 1] == b"\r":
        return None
    fields = []
    while True:
        if text[at : at + 1] == b'"':
            value = b""
            while True:
                close = text.find(b'"', at + 1)
                if close < 0:
                    return None
                value += text[at + 1 : close]
                at = close + 1
                if text[at : at + 1] != b'"':
                    break
                value += b'"'
            while text[at : at + 1] in (b" ", b"\t"):
                at += 1
        else:
            end = min(place for place in (text.find(b",", at), text.find(b"\n", at)) if place >= 0)
            value = text[at:end]
            if b'"' in value and not bare_quotes:
                return None
            if text[end : end + 1] == b"\n" and value.endswith(b"\r"):
                value = value[:-1]
                end -= 1
            at = end
        fields.append(value)
        if text[at : at + 1] == b",":
            at += 1
        elif text[at : at + 1] == b"\n":
            return fields, at + 1
        elif text[at : at + 2] == b"\r\n":
            return fields, at + 2
        else:
            return None


def _by_column(names: list[str], values: list[bytes]) -> Fields:
    """The values of the known columns; of a repeated name the first, an alias only if need be."""
    found = dict(zip(reversed(names), reversed(values), strict=True))
    for alias, name in ALIASES.items():
        if alias in found:
            found.setdefault(name, found[alias])
    return {name: found.get(name, b"") for name in COLUMNS}


def read_json_lines(content: bytes) -> Iterator[Record]:
    for row_number, line in enumerate(lines_of(content), start=1):
        if line.strip(b" \t\r"):
            value = parse_json(line)
            if isinstance(value, dict):
                texts = {name: json_text(item) for name, item in value.items()}
                yield Record(row_number, _by_column(list(texts), list(texts.values())))
            else:
                yield Record(row_number, None, line)


# JSON


class NoJson:
    """What is no JSON value."""


def parse_json(text: bytes) -> Any:
    """The value of a JSON text, of repeated keys the first; NoJson for any other text."""

    def first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(reversed(pairs))

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=first_of_each,
            parse_float=Decimal,
            parse_constant=refuse,
        )
    except ValueError:
        return NoJson()


def json_text(value: Any) -> bytes:
    """A string without quotes, null as nothing, anything else as JSON."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), default=lambda number: float(number)
    ).encode()


def amount(value: Any) -> Decimal | None:
    """A number, or a text of digits, to four decimals; None for all else and beyond 14 digits."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)", value):
        return None
    number = Decimal(value)
    return number.quantize(Decimal("0.0001"), ROUND_DOWN) if abs(number) < 10**14 else None


# Times

ISO_TIME = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.](\d{1,9}))?)?"
    rb"(?: ?(?:Z|UTC|GMT|[+-]00(?::?00)? (?:UTC|GMT)|([+-])(\d\d)(?::?(\d\d))?))?",
    re.IGNORECASE,
)


def parse_time(text: bytes) -> datetime.datetime | None:
    """ISO 8601 in the years 1900 to 2299, epoch seconds to nanoseconds; to the millisecond."""
    if re.fullmatch(rb"\d{13}([.]\d{1,6})?|\d{16}([.]\d{1,3})?|\d{19}", text):
        return EPOCH + int(text[:13]) * MILLISECOND
    if re.fullmatch(rb"\d{10}([.]\d{1,9})?", text):
        return EPOCH + int(Decimal(text.decode()) * 1000) * MILLISECOND
    match = ISO_TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups()
    if not 1900 <= int(year) <= 2299 or int(zone_hour or 0) > 23 or int(zone_minute or 0) > 59:
        return None
    try:
        time = datetime.datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0),
            int((fraction or b"")[:3].ljust(3, b"0")) * 1000, datetime.UTC,
        )  # fmt: skip
    except ValueError:
        return None
    offset = datetime.timedelta(hours=int(zone_hour or 0), minutes=int(zone_minute or 0))
    return time + offset if sign == b"-" else time - offset


# Rules


@dataclass
class Event:
    """A record with what several rules look at, and what is found out about it."""

    delivery: Delivery
    record: Record
    values: Fields
    time: datetime.datetime | None
    data: Any
    is_future: bool
    key: tuple[object, ...]
    first_copy: str = ""
    collides: bool = False

    @property
    def is_purchase(self) -> bool:
        return self.values["event_name"] == b"checkout_completed"

    @property
    def transaction_id(self) -> bytes:
        is_object = self.is_purchase and isinstance(self.data, dict)
        return json_text(self.data.get("transaction_id")) if is_object else b""

    @property
    def position(self) -> tuple[datetime.date, str, int]:
        return self.delivery.batch_date, self.delivery.name, self.record.row_number


@dataclass
class Seen:
    """Where an event, or a transaction id, was seen: numbers of batches and what was there."""

    places: list[tuple[int, Any]] = field(default_factory=list)

    def within(self, batch: int) -> list[Any]:
        return [what for number, what in self.places if batch - LOOKBACK_BATCHES <= number <= batch]


def judge(
    deliveries: Iterable[Delivery], landed_at: datetime.datetime
) -> dict[tuple[str, int], Verdict]:
    """The verdict on every record, by file name and row number.

    landed_at: about when the files are landed; taken for the arrival of files whose time of change
    lies before their own batch.
    """
    by_position = sorted(deliveries, key=lambda item: (item.batch_date, item.name.encode()))
    dates = sorted({item.batch_date for item in by_position})
    verdicts = {}
    events = []
    for delivery in by_position:
        for record in records_of(delivery):
            if record.fields is None:
                verdicts[delivery.name, record.row_number] = Verdict(
                    MALFORMED, raw_line=record.raw_line
                )
            else:
                events.append(_event(delivery, record, record.fields, landed_at))
    _find_copies(events, dates)
    _find_collisions(events, dates)
    for event in events:
        verdicts[event.delivery.name, event.record.row_number] = _verdict(event)
    return verdicts


def _event(
    delivery: Delivery, record: Record, values: Fields, landed_at: datetime.datetime
) -> Event:
    time = parse_time(values["timestamp"])
    arrived = delivery.changed_at
    if arrived.date() < delivery.batch_date:
        arrived = landed_at
    key = ("client_id", "event_name", "page_url", "event_data")
    return Event(
        delivery=delivery,
        record=record,
        values=values,
        time=time,
        data=parse_json(values["event_data"]),
        is_future=time is not None and time > arrived + CLOCK_TOLERANCE,
        key=(time or values["timestamp"], *(values[name] for name in key)),
    )


def _find_copies(events: list[Event], dates: list[datetime.date]) -> None:
    """Events that say they happened after their file arrived are nobody's first copy."""
    seen: dict[tuple[object, ...], Seen] = defaultdict(Seen)
    for event in events:
        batch = dates.index(event.delivery.batch_date)
        earlier = seen[event.key].within(batch)
        if earlier:
            date, name, row_number = earlier[0].position
            event.first_copy = f"{date} {name}:{row_number}"
        if not event.is_future:
            seen[event.key].places.append((batch, event))


def _find_collisions(events: list[Event], dates: list[datetime.date]) -> None:
    """Within a batch all purchases of one id are told of each other, whichever came first."""
    seen: dict[bytes, Seen] = defaultdict(Seen)
    purchases = [event for event in events if event.transaction_id]
    for event in purchases:
        batch = dates.index(event.delivery.batch_date)
        seen[event.transaction_id].places.append((batch, event.key))
    for event in purchases:
        batch = dates.index(event.delivery.batch_date)
        event.collides = len(set(seen[event.transaction_id].within(batch))) > 1


def _verdict(event: Event) -> Verdict:
    values, time, data = event.values, event.time, event.data
    is_object = isinstance(data, dict)
    purchase = data if is_object and event.is_purchase else {}
    revenue = amount(purchase.get("revenue"))
    items = purchase.get("items") if isinstance(purchase.get("items"), list) else []
    lines = [_item(item) for item in items or []]
    total = sum((price * count for known, price, count in lines if known), Decimal(0))
    is_corrupt = not lines or not all(known for known, _, _ in lines)
    agent = values["user_agent"].decode("latin-1").lower()
    referrer = values["referrer"]
    name = values["event_name"]

    reasons = {
        "missing_client_id": is_blank(values["client_id"]),
        "missing_timestamp": is_blank(values["timestamp"]),
        "invalid_timestamp": not is_blank(values["timestamp"]) and time is None,
        "timestamp_in_future": event.is_future,
        "missing_event_name": is_blank(name),
        "unknown_event_name": not is_blank(name) and name not in EVENT_NAMES,
        "malformed_event_data": values["event_data"] != b"" and not is_object,
        "missing_transaction_id": event.is_purchase and is_blank(event.transaction_id),
        "duplicate_event": event.first_copy != "",
    }
    warnings = {
        "zero_value_checkout": event.is_purchase and revenue == 0,
        "missing_revenue": event.is_purchase and revenue is None,
        "negative_revenue": revenue is not None and revenue < 0,
        "corrupt_items": event.is_purchase and is_corrupt,
        "revenue_items_mismatch": (
            revenue is not None and not is_corrupt and abs(revenue - total) > CENT
        ),
        "transaction_id_collision": event.collides,
        "bot_user_agent": any(word in agent for word in PROGRAMS),
        "missing_referrer": is_blank(referrer),
        "synthetic_referrer": bool(re.match(rb"https?://source-[0-9a-f]{8}[.]com(/|\Z)", referrer)),
        "timestamp_outside_batch": time is not None and time.date() != event.delivery.batch_date,
    }
    return Verdict(
        reject_reasons=tuple(reason for reason, holds in reasons.items() if holds),
        warnings=tuple(warning for warning, holds in warnings.items() if holds),
        first_copy=event.first_copy,
        revenue=revenue,
    )


def _item(item: Any) -> tuple[bool, Decimal, Decimal]:
    """Whether id, price and quantity are known; price and quantity."""
    values = item if isinstance(item, dict) else {}
    price, count = amount(values.get("item_price")), amount(values.get("quantity"))
    if json_text(values.get("item_id")) == b"" or price is None or count is None:
        return False, Decimal(0), Decimal(0)
    return True, price, count


def is_blank(value: bytes) -> bool:
    return value.strip(b" ") == b""
