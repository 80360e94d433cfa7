"""The tables against a reference in plain Python: on folders of garbage, and on real files.

Hypothesis chooses the folders, always the same few; SLUICEGATE_EXAMPLES=100 in the environment
looks at that many others.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import os
import random
import re
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import Gate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference import (
    COLUMNS,
    RULES,
    Delivery,
    Verdict,
    is_record,
    judge,
    read_csv,
    records_of,
    scan_record,
)

EXAMPLES = int(os.environ.get("SLUICEGATE_EXAMPLES", "0"))
RUN = ("run", "--select", "+stg_web_events__evaluated")

# Values. What readers of JSON legitimately see differently is left out: lone surrogates, numbers
# that a double cannot hold (more than 15 digits, exponents beyond 300), nesting deeper than 1000, a
# byte order mark before a JSON text, and one nested value spelled in two ways (1 and 1.0).

HOSTILE = [
    b"", b" ", b"  ", b"\t", b" lead", b"trail ", b'say "hi"', b"a,b", b"x\ny", b"x\r\ny", b"\r",
    b"a\rb", b"end\r", b"\n", b"\0", b"a\0b", "é😀".encode(), b"\xff\xfe", b"\xc3", b"\xe9t\xe9",
    b"\\N", b"NULL", b"null", b"'", b"''", b"'a','b'", b'"', b'""', b'","', b'"\n"',
    b"\xef\xbb\xbf",
    b'\\"', b"\\", b"\\n", "\u2028".encode(), b"\x85", b"{{ x }}", b"'; drop table x; --", b"%s%n",
    b"<script>alert(1)</script>", b"0", b"true", b"\x1a", b"#comment", b"a;b", b"a\tb",
]  # fmt: skip
CLIENTS = [b"c1", b"c2", b"c3"]
ODD_CLIENTS = [b"", b" ", b"\t", "é".encode()]
PAGES = [b"https://shop.example/", b"https://shop.example/b", b"/?utm_source=a&b=%C3"]
ODD_PAGES = [b"", b" ", b"https://shop.example/?q=a,b", b"not an address"]
REFERRERS = [b"https://www.google.com/", b"https://l.example/"]
ODD_REFERRERS = [
    b"", b" ", b"https://source-0a1b2c3d.com/x", b"https://source-0a1b2c3d.com",
    b"source-0a1b2c3d.com",
    b"http://source-0a1b2c3d.comx/", b"https://source-0A1B2C3D.com/",
    b"http://source-0a1b2c3d.com/",
    b"https://source-0a1b2c3d.com\n", b"https://source-0a1b2c3d4.com/",
    b"\xffhttps://source-0a1b2c3d.com/",
]  # fmt: skip
AGENTS = [b"Mozilla/5.0 (Windows NT 10.0)", b"Mozilla/5.0 (iPhone) Mobile"]
ODD_AGENTS = [b"", b"Googlebot/2.1", b"python-requests/2", b"CURL/8", b"x HeadLess", b"\xffBOT"]
EVENT_NAMES = [
    b"page_viewed", b"page_viewed", b"checkout_completed", b"checkout_completed",
    b"checkout_completed", b"checkout_started", b"email_filled_on_popup", b"product_added_to_cart",
]  # fmt: skip
ODD_EVENT_NAMES = [
    b"", b" ", b"Page_Viewed", b"page_viewed ", b"refund", b"checkout_completed\r",
    b"\tpage_viewed",
]  # fmt: skip
# All files arrive in January 2025 (see folder_of), or are dated before their own day.
TIMES = [
    b"2025-01-01T12:00:00.000Z", b"2025-01-01T12:00:00.000Z", b"2025-01-01 12:00:00.000Z",
    b"2025-01-01T12:00:00Z", b"2025-01-01T13:00:00+01:00", b"2025-01-01 12:00", b"1735732800",
    b"1735732800000", b"1735732800.000", b"2025-01-01T12:00:00.0001", b"2025-01-01T12:00:00.001Z",
    b"2025-01-01T07:00-05", b"2025-01-01T17:30:00.000000000+0530", b"2025-01-02T00:00:00Z",
    b"2025-01-01T23:59:59.999999999Z", b"2025-01-02T00:30:00+01:00", b"2025-01-03T09:05:00.000Z",
    b"2025-01-03T09:05:00.001Z", b"2025-01-03T09:05:00.000999Z", b"2025-01-02T10:30:00Z",
    b"2024-02-29T10:00:00Z", b"2025-01-04T00:00:00-00:00", b"1735905600.999999999",
    b"2025-01-01 12:00:00 UTC", b"2025-01-01 12:00:00.000999 UTC", b"2025-01-01T12:00:00z",
    b"2025-01-01 12:00:00 +0000", b"2025-01-01 13:00 +01:00", b"2025-01-01t12:00:00.000+00",
    b"2025-01-01 12:00:00 +0000 UTC", b"2025-01-01T12:00:00 gmt", b"2025-01-01T12:00:00 Z",
    b"1735732800000999", b"1735732800000999999", b"1735732800000.0", b"1735732800000000.5",
]  # fmt: skip
ODD_TIMES = [
    # That exist, but not in this shop's January.
    b"2031-01-01T00:00:00.000Z", b"2204-06-08T00:00:00Z", b"9999999999", b"9999999999999",
    b"0000000000", b"1969-12-31T23:59:59.5Z", b"1900-01-01T00:00:00Z", b"2299-12-31T23:59:59.999Z",
    # That are none.
    b"", b" ", b"  ", b"2025-02-29T12:00:00.000Z", b"2025-02-30", b"2025-01-01",
    b"2025-13-01T12:00:00Z",
    b"2025-00-10T12:00:00Z", b"2025-01-00T12:00:00Z", b"0000-01-01T00:00:00Z", b"2025-04-31 10:00",
    b"2025-01-01T24:00:00Z", b"2025-01-01T23:60:00Z", b"2025-01-01T23:59:60Z", b"2025-01-01T12",
    b"2025-01-01T12:00:00+99:99", b"2025-01-01T12:00:00+01:60", b"2025-01-01T12:00:00+24:00",
    b"2025-01-01T12:00:00  Z", b"2025-01-01T12:00:00Zz", b"2025-01-01T12:00:00Z ",
    b"2025-01-01 12:00:00 CET", b"2025-01-01 12:00:00 +0100 UTC", b"2025-01-01 12:00:00 UTC+1",
    b"173573280000099999", b"17357328000009999999", b"1735732800000000000.5",
    b" 2025-01-01T12:00:00Z", b"2025-01-01T12:00:00Z\n", b"2025-01-01T12:00:00,5Z", b"now",
    b"today",
    b"2025-1-1T12:00:00Z", b"01/02/2025 10:00", b"Wed, 01 Jan 2025 12:00:00 GMT", b"173573280",
    b"17357328000", b"-1735732800", b"1735732800.", b"1735732800,5", b"1.735732800e9", b"NaN",
    b"1735732800123456 ", b"20250101120000", b"2025-01-01T12:00:00.1234567890Z", b"\0",
    b"2025-01-01T12:00:00.Z", b"2025-01-01T12:00:00+", "\uff12025-01-01T12:00:00Z".encode(),
    b"2025-01-01T12:00:00.000Z\0", b"1900-00-01T00:00:00Z", b"1899-12-31T12:00:00Z",
    b"2300-01-01 00:00",
]  # fmt: skip
JSON_TIMES: list[Any] = [
    1735732800,
    1735732800000,
    1735732800.5,
    0,
    -1,
    None,
    True,
    {},
    [1735732800],
]
REVENUES: list[Any] = [10, 10, 10, 10, 20.5]
ODD_REVENUES: list[Any] = [
    0, 0.0, "0", "0.00", -5, -0.5, "10", "20.50", "abc", "", " ", None, True, False, [], {}, [10],
    "12,50", "10 EUR", " 10", "10 ", "1_0", "0x10", "nan", "inf", "1.2.3", "--5", "1e", "٣", ".",
    "-",
    10.015, 10.01, 10.02, 0.00001, "0.00009", 99999999999999, 100000000000000, 1e18, 1e-7, 1e300,
    "99999999999999.9999", "100000000000000", 12345.6789, "+5", ".5", "5.", "10.0000", 123456789.25,
]  # fmt: skip
IDS: list[Any] = ["T1", "T2", "T3", "T4", "T5", 17]
ODD_IDS: list[Any] = ["", " ", None, {}, True, "17", "t1", "T1 ", "é\n", [], 0, -1.5]
PRICES: list[Any] = [
    0,
    None,
    "x",
    -1,
    99999999999,
    99999999999999,
    "5",
    "5.00",
    True,
    "",
    0.001,
    {},
]
BROKEN_JSON = [
    "[]", '"x"', "5", "null", "true", "nul", "{", "}", '{"a":}', '{"a" 1}', "{'a': 1}", '{"a": 1,}',
    '{"a": NaN}', '{"a": Infinity}', '{"a": 01}', '{"a": .5}', '{"a": 1.}', '{"a": +1}', "{} {}",
    '{}x', '{"a": "\t"}', '{"a": "\\x"}', '{"a": "\\u12"}', '{"transaction_id": "T1"', " ",
    '{"a": "\n"}', "[{}]", '{"a": 1}\0', "{}\u00a0", "{a: 1}", '{"a": 1 /* b */}', "undefined",
    '{"a": 1, 2}', '{"a": [1 2]}', '{"a": "\0"}', '{"a": tru}', '{,}', '{"a": -}', '{"a": 1e}',
]  # fmt: skip
GOOD_JSON = [
    "{}", " { } ", "\t{}\n", '{"a": "\\u00e9\\n\\"\\/\\\\"}', '{"\\u0000": 1}', '{"a": [[[{}]]]}',
    '{"transaction_id": "first", "transaction_id": null, "revenue": 1, "revenue": 2}',
    '{"transaction_id": null, "transaction_id": "second"}', '{"Transaction_ID": "T1"}',
    '{"nested": {"transaction_id": "T1"}}', '{"transaction_id\\u0020": 1}', '{"a": "\x7f"}',
    '{"\\u0074ransaction_id": "T1", "revenue": 10}', '{"a": 1e3, "b": -0, "c": 1E-2}',
    '{"items": [{"item_id": "i", "item_id": null, "item_price": 1, "quantity": 1}], "revenue": 1}',
    '{"revenue": 1e1, "transaction_id": "\\u0054\\u0031"}', '{"revenue": 100E-1, "items": [ ]}',
]  # fmt: skip


def one_of(rng: random.Random, usual: Sequence[bytes], odd: Sequence[bytes]) -> bytes:
    """Mostly a usual value, sometimes an odd one of its kind, sometimes anything."""
    kind = rng.random()
    if kind < 0.80:
        return rng.choice(usual)
    if kind < 0.96:
        return rng.choice(odd)
    return rng.choice(HOSTILE) if kind < 0.99 else rng.randbytes(rng.randrange(6))


def item(rng: random.Random) -> Any:
    values: dict[str, Any] = {"item_id": "i1", "item_price": 10, "quantity": 1, "item_name": "näme"}
    kind = rng.random()
    if kind < 0.7:
        return values
    if kind < 0.75:
        return rng.choice([None, 5, "x", [], [10], {}])
    name = rng.choice(list(values))
    values[name] = rng.choice(ODD_IDS if name == "item_id" else PRICES)
    if rng.random() < 0.2:
        del values[name]
    return values


def purchase(rng: random.Random) -> dict[str, Any]:
    values: dict[str, Any] = {
        "transaction_id": rng.choice(IDS if rng.random() < 0.85 else ODD_IDS),
        "revenue": rng.choice(REVENUES if rng.random() < 0.5 else ODD_REVENUES),
        "items": [item(rng) for _ in range(rng.choice([1, 1, 1, 2, 3, 0]))],
        "user_email": None,
    }
    if rng.random() < 0.1:
        values["items"] = rng.choice([None, {}, "x", 5, item(rng)])
    if rng.random() < 0.1:
        del values[rng.choice(list(values))]
    return values


def event_data(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.2:
        return ""
    if kind < 0.55:
        return json.dumps(purchase(rng))
    if kind < 0.8:
        return json.dumps(purchase(rng), ensure_ascii=False, separators=(",", ":"))
    return rng.choice(GOOD_JSON if kind < 0.9 else BROKEN_JSON)


def event(rng: random.Random) -> dict[str, bytes]:
    return {
        "client_id": one_of(rng, CLIENTS, ODD_CLIENTS),
        "page_url": one_of(rng, PAGES, ODD_PAGES),
        "referrer": one_of(rng, REFERRERS, ODD_REFERRERS),
        "timestamp": one_of(rng, TIMES, ODD_TIMES),
        "event_name": one_of(rng, EVENT_NAMES, ODD_EVENT_NAMES),
        "event_data": event_data(rng).encode(),
        "user_agent": one_of(rng, AGENTS, ODD_AGENTS),
    }


# CSV

OTHER_HEADERS = [
    ["clientId", *COLUMNS[1:]],
    [name for name in COLUMNS if name != "referrer"],
    [*COLUMNS[::-1], "consent"],
    [*COLUMNS, "clientId", "page_url", ""],
    ["clientId", *COLUMNS],
    ["client_id", "event_name"],
    ["timestamp"],
]
GARBLED = [
    b"", b"\r", b"\r\r", b" ", b",", b",,,,,,", b",,,,,,,", b'"', b'""', b'"""', b'"\n"', b"\n\n",
    b'"a"b,,,,,,', b'"a,b,c,d,e,f,g', b'a,b,c,d,e,f,"', b'a,b,c,d,e,f,"g\n', b"a,b,c,d,e,f,g\r\r",
    b"\ra,b,c,d,e,f,g", b'"\r",b,c,d,e,f,g', b"\0", b"\xff,\xff,,,,,", b'\xff"',
    b"client_id,page_url",
    b",,,,,, ", b'"","","","","","",""', b'"a" ,"b"\t,c,d,e,f,g', b'"a"\r,b,c,d,e,f,g', b",,,,,,\r",
    b',,,,,,""\r', b',,,,,,"" \r', b',,,,,,""\r ', b'a"b"c,,,,,,', b'"a"",,,,,,', b"a\xff,b",
    b"a\rb",
    b',,,"\n\n,,,,,,\n",,,', b'"\xff\n",,,,,,', b'"a\n\xc3",,,,,,"\xa9\n"', b'"\n,,,,,,\n"',
    b"\r,b",
]  # fmt: skip


def quoted(value: bytes) -> bytes:
    return b'"' + value.replace(b'"', b'""') + b'"'


def spelled(rng: random.Random, value: bytes) -> bytes:
    """A value as a CSV field; some ways of writing it break the record, as they are meant to."""
    kind = rng.random()
    if kind < 0.02:
        return value
    if kind < 0.03:
        return b" " + quoted(value)
    if kind < 0.05:
        return quoted(value) + rng.choice([b" ", b"\t", b" \t "])
    needs_quotes = any(byte in value for byte in b',"\r\n')
    return quoted(value) if needs_quotes or kind > 0.9 else value


def csv_line(rng: random.Random, header: Sequence[str]) -> bytes:
    """A line with its end; sometimes half a line, sometimes several."""
    kind = rng.random()
    if kind < 0.06:
        noise = "".join(rng.choices('a,"\n\r \té', k=rng.randrange(24))).encode()
        return rng.choice([*GARBLED, noise, noise, noise, rng.randbytes(8)]) + b"\n"
    values = event(rng)
    texts = [values.get(name) or one_of(rng, CLIENTS, ODD_PAGES) for name in header]
    if header == COLUMNS:
        texts = list(values.values())
    line = b",".join(spelled(rng, text) for text in texts)
    line += rng.choice([b"\n", b"\n", b"\n", b"\n", b"\r\n"])
    if kind < 0.12:
        at = rng.randrange(len(line))
        line = line[:at] + rng.choice([b"", b'"', b'"', b",", b"\n", b"\r"]) + line[at + 1 :]
    return line


def csv_file(rng: random.Random) -> bytes:
    header = COLUMNS if rng.random() < 0.7 else rng.choice(OTHER_HEADERS)
    # Half of the files have nothing but lines that the fast way of reading can take.
    lines = [csv_line(rng, header) for _ in range(rng.choice([0, 1, 5, 20, 30, 40]))]
    if rng.random() < 0.5:
        lines = [line for line in lines if is_plain(line, header)]
    lines += rng.sample(lines, min(len(lines), rng.randrange(3)))
    content = ",".join(header).encode() + rng.choice([b"\n", b"\n", b"\r\n"]) + b"".join(lines)
    if rng.random() < 0.2:
        content = content.rstrip(b"\r\n")
    return rng.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + content


def is_plain(line: bytes, header: Sequence[str]) -> bool:
    alone = line.endswith(b"\n") and line.count(b"\n") == 1
    return alone and is_record(line[:-1], len(header))


# JSON lines

JSON_NOISE = [
    b"", b" ", b"\r", b"\t\r", b"{}", b"[]", b"null", b"{", b'{"client_id": "c1"', b"\0", b"\xff",
    b'{"\xff": 1}', b'{"client_id": "\xe9"}', b'[{"client_id": "c1"}]', b"{}{}", b",",
]  # fmt: skip


def as_text(value: bytes) -> str:
    """Text for a JSON string: bytes that are no UTF-8 as if they were ISO 8859-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def json_line(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.06:
        return rng.choice([*JSON_NOISE, *(text.encode() for text in BROKEN_JSON)]) + b"\n"
    fields: dict[str, Any] = {name: as_text(value) for name, value in event(rng).items()}
    if rng.random() < 0.5:
        fields["event_data"] = purchase(rng)
    if rng.random() < 0.2:
        fields["timestamp"] = rng.choice(JSON_TIMES)
    if rng.random() < 0.2:
        fields[rng.choice(COLUMNS)] = rng.choice(
            [None, None, [], {}, 5, True, 1.5, {"a": ["é", 1]}]
        )
    if rng.random() < 0.2:
        fields["clientId"] = rng.choice(["c1", "c2", None])
    if rng.random() < 0.2:
        del fields[rng.choice(COLUMNS)]
    if rng.random() < 0.2:
        fields["consent"] = rng.choice([{"ads": [True, None, 1.5]}, "é", None])
    line = json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode()
    if kind < 0.10:
        at = rng.randrange(len(line))
        line = line[:at] + rng.choice([b"", b'"', b"\xff", b"}", b" "]) + line[at + 1 :]
    elif kind < 0.12:
        line = line[:-1] + b', "client_id": "again", "client_id": "and again"}'
    return line + rng.choice([b"\n", b"\n", b"\n", b"\r\n", b" \n"])


def json_file(rng: random.Random) -> bytes:
    lines = [json_line(rng) for _ in range(rng.choice([0, 1, 10, 30]))]
    lines += rng.sample(lines, min(len(lines), 2))
    return rng.choice([b"", b"", b"\xef\xbb\xbf"]) + b"".join(lines)


# Folders


def folder_of(seed: int) -> list[Delivery]:
    """Eight to fourteen files of up to nine days of January 2025, some days with several files."""
    rng = random.Random(seed)
    deliveries = []
    for number in range(rng.randrange(8, 15)):
        day = rng.randrange(1, 10)
        suffix, make = rng.choice([(".csv", csv_file), (".csv", csv_file), (".jsonl", json_file)])
        content = make(rng)
        if rng.random() < 0.2:
            suffix, content = suffix + ".gz", gzip.compress(content, mtime=0)
        # It arrives on the morning after its day, or days later; or it says before its day, which
        # says nothing.
        arrival = datetime.datetime(2025, 1, day, 9, tzinfo=datetime.UTC)
        arrival += datetime.timedelta(days=rng.choice([1, 1, 3, -1]))
        name = f"events_202501{day:02d}_{number:02d}{suffix}"
        deliveries.append(Delivery(name, content, arrival))
    return deliveries


@pytest.fixture
def gate(gate: Gate) -> Gate:
    """The gate with the rules that the reference knows, whatever others are declared."""
    gate.rules = RULES
    return gate


def clear(gate: Gate) -> None:
    for folder in (gate.landing, gate.data):
        shutil.rmtree(folder, ignore_errors=True)
    gate.landing.mkdir()


def deliver(gate: Gate, deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        path = gate.write(delivery.name, delivery.content)
        time = delivery.changed_at.timestamp()
        os.utime(path, (time, time))
    if deliveries:
        assert gate.dbt(*RUN), gate.results


def verdicts_of(gate: Gate) -> dict[tuple[str, int], Verdict]:
    rows = gate.query(
        "select file_name, row_number, reject_reasons, warnings, hex(first_copy), hex(raw_line), "
        "revenue, is_rejected from stg_web_events__evaluated"
    )
    verdicts = {}
    for name, row_number, reasons, warnings, first_copy, raw_line, revenue, is_rejected in rows:
        assert (name, row_number) not in verdicts
        assert bool(is_rejected) == bool(reasons)
        verdicts[name, row_number] = Verdict(
            reject_reasons=tuple(reasons),
            warnings=tuple(warnings),
            first_copy=bytes.fromhex(first_copy).decode(),
            raw_line=bytes.fromhex(raw_line),
            revenue=revenue,
        )
    return verdicts


def landed_fields(gate: Gate) -> dict[tuple[str, int], tuple[bytes, ...] | None]:
    """The fields of every record of the CSV files as they landed; None for lines that are none."""
    columns = ", ".join(f"hex({name})" for name in COLUMNS)
    rows = gate.query(
        f"select file_name, row_number, landing_error, {columns} from raw_web_events "
        "where file_name like '%.csv%'"
    )
    return {
        (name, row_number): None if error else tuple(map(bytes.fromhex, values))
        for name, row_number, error, *values in rows
    }


def read_fields(deliveries: Sequence[Delivery]) -> dict[tuple[str, int], tuple[bytes, ...] | None]:
    """The same by the reference."""
    return {
        (delivery.name, record.row_number): tuple(record.fields.values()) if record.fields else None
        for delivery in deliveries
        if ".csv" in delivery.name
        for record in records_of(delivery)
    }


def differences(
    deliveries: Sequence[Delivery], got: dict[tuple[str, int], Verdict]
) -> list[tuple[object, ...]]:
    """Where tables and reference disagree: place, reference, table, fields of the record."""
    expected = judge(deliveries, datetime.datetime.now(datetime.UTC))
    found: list[tuple[object, ...]] = []
    for place in sorted(expected.keys() | got.keys()):
        if expected.get(place) != got.get(place):
            [delivery] = [item for item in deliveries if item.name == place[0]]
            records = [item for item in records_of(delivery) if item.row_number == place[1]]
            found.append((place, expected.get(place), got.get(place), records))
    return found


@settings(
    max_examples=EXAMPLES or 6,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32), late=st.sets(st.integers(0, 13), max_size=5))
def test_every_record_of_garbage_gets_the_verdict_of_the_reference(
    gate: Gate, seed: int, late: set[int]
) -> None:
    """In whatever order the files come: the late ones are delivered in a second run."""
    clear(gate)
    files = folder_of(seed)
    with gate.started():
        deliver(gate, [file for number, file in enumerate(files) if number not in late])
        deliver(gate, [file for number, file in enumerate(files) if number in late])
        assert landed_fields(gate) == read_fields(files)
        assert differences(files, verdicts_of(gate)) == []
        [(landed,)] = gate.query("select sum(rows_landed) from dq_files where status = 'landed'")
        [(clean, rejected)] = gate.query(
            "select countIf(not is_rejected), countIf(is_rejected) from stg_web_events__evaluated"
        )
    assert landed == clean + rejected == sum(len(records_of(file)) for file in files)


@pytest.mark.usefixtures("started")
def test_an_order_beyond_all_bounds_is_judged_and_ends_no_run(gate: Gate) -> None:
    item = {"item_id": "i1", "item_price": 99999999999999, "quantity": 99999999999999}
    order = {"transaction_id": "T1", "revenue": 10, "items": [item] * 3}
    fields = {"event_name": "checkout_completed", "client_id": "c1", "event_data": order}
    content = json.dumps({**fields, "timestamp": "2025-01-01T12:00:00.000Z"}).encode()
    arrival = datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC)
    file = Delivery("events_20250101.jsonl", content + b"\n", arrival)
    deliver(gate, [file])
    assert differences([file], verdicts_of(gate)) == []


# The reference itself, where it does not lean on Python's own modules


@given(
    rows=st.lists(st.lists(st.text('a"\n\r \té', max_size=8), min_size=3, max_size=3)),
    style=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")]
    ),
)
def test_the_reference_reads_what_the_csv_module_writes(
    rows: list[list[str]], style: tuple[Literal[0, 1], str]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=style[0], lineterminator=style[1])
    names = ["client_id", "page_url", "referrer"]
    writer.writerows([names, *rows])
    records = list(read_csv(text.getvalue().encode()))
    assert [
        [record.fields[name].decode() for name in names] if record.fields else record.raw_line
        for record in records
    ] == rows


@given(text=st.text('a,,"" \té', max_size=16).filter(lambda text: not re.search(r'"[ \t]', text)))
def test_the_reference_takes_the_same_single_lines_as_the_csv_module(text: str) -> None:
    try:
        [expected] = csv.reader([text], strict=True) if text else [[""]]
    except csv.Error:
        assert scan_record(text.encode() + b"\n", 0) is None
    else:
        scanned = scan_record(text.encode() + b"\n", 0)
        assert scanned == ([field.encode() for field in expected], len(text.encode()) + 1)


# Real files

# rows, empty client_id, empty referrer, synthetic referrer, purchases, revenue and purchases with
# revenue 0, as the description of these files counts them.
REAL_COUNTS = {
    "20250223": (4070, 22, 2970, 345, 21, Decimal("20408"), 0),
    "20250224": (3769, 55, 2908, 244, 26, Decimal("25457.6"), 1),
    "20250225": (3470, 34, 2601, 242, 16, Decimal("13543"), 1),
    "20250226": (3177, 46, 2246, 278, 15, Decimal("18629"), 0),
    "20250227": (3393, 34, 2419, 280, 21, Decimal("18148"), 1),
    "20250228": (3263, 27, 1947, 455, 19, Decimal("18669"), 1),
    "20250301": (3489, 23, 1266, 911, 29, Decimal("33183"), 0),
}


def counts_by_csv_and_json(path: Path) -> tuple[int | Decimal, ...]:
    synthetic = re.compile("https?://source-[0-9a-f]{8}[.]com(/|$)")
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    orders = [
        json.loads(row["event_data"], parse_float=Decimal)
        for row in rows
        if row["event_name"] == "checkout_completed"
    ]
    return (
        len(rows),
        sum(row.get("client_id", row.get("clientId")) == "" for row in rows),
        sum(row["referrer"] == "" for row in rows),
        sum(synthetic.match(row["referrer"]) is not None for row in rows),
        len(orders),
        sum((order["revenue"] for order in orders), Decimal(0)),
        sum(order["revenue"] == 0 for order in orders),
    )


@pytest.mark.usefixtures("started")
def test_real_files_agree_with_their_description_with_csv_and_json_and_with_the_reference(
    gate: Gate, puffy: Path
) -> None:
    assert gate.dbt(*RUN, landing={"web_events": str(puffy)})
    rows = gate.query(
        """
        select
            formatDateTime(batch_date, '%Y%m%d') as day,
            count(),
            countIf(has(reject_reasons, 'missing_client_id')),
            countIf(has(warnings, 'missing_referrer')),
            countIf(has(warnings, 'synthetic_referrer')),
            countIf(event_name = 'checkout_completed'),
            sum(revenue),
            countIf(has(warnings, 'zero_value_checkout'))
        from stg_web_events__evaluated
        group by day
        """
    )
    counts = {day: tuple(numbers) for day, *numbers in rows}
    days = {path.name[7:15]: path for path in puffy.glob("events_*.csv.gz")}
    known = {day: counts[day] for day in REAL_COUNTS}
    assert known == REAL_COUNTS
    assert counts == {day: counts_by_csv_and_json(path) for day, path in days.items()}

    files = [
        Delivery(
            name=path.name,
            content=path.read_bytes(),
            changed_at=datetime.datetime.fromtimestamp(int(path.stat().st_mtime), datetime.UTC),
        )
        for path in days.values()
    ]
    assert landed_fields(gate) == read_fields(files)
    assert differences(files, verdicts_of(gate)) == []
