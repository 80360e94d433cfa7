"""Landing: where every record of a delivery goes, one fact a test.

All files of the first part are landed by one build, each as a batch of its own; every test looks at
what became of its file. Expected values are written by hand beside the bytes they come from.
"""

from __future__ import annotations

import bz2
import datetime
import functools
import gzip
import http.server
import io
import json
import lzma
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from conftest import HEADER, ROOT, Gate

COLUMNS = HEADER.strip().split(",")
TIME = "2025-01-01T00:00:00.000Z"
RUN = ("run", "--select", "+stg_web_events__evaluated")

LEDGER = [
    "file_name",
    "location",
    "batch_date",
    "file_size",
    "status",
    "error",
    "columns",
    "columns_missing",
    "mandatory_missing",
    "columns_renamed",
    "columns_unknown",
    "delimiter",
    "rows_landed",
    "rows_malformed",
]

DELIVERIES: dict[str, bytes] = {}


def delivery(name: str, content: str | bytes) -> str:
    """Register a file of the one build, under a date of its own; returns its full name."""
    day = datetime.date(2025, 1, 1) + datetime.timedelta(days=len(DELIVERIES))
    full_name = f"events_{day:%Y%m%d}{name}"
    DELIVERIES[full_name] = content if isinstance(content, bytes) else content.encode()
    return full_name


def event(client_id: str, **values: str) -> dict[str, str]:
    """A page view without faults, but for the given values."""
    page_view = {
        "client_id": client_id,
        "page_url": "https://shop.example/",
        "referrer": "https://www.google.com/",
        "timestamp": TIME,
        "event_name": "page_viewed",
        "event_data": "",
        "user_agent": "Mozilla/5.0 (Windows NT 10.0)",
    }
    return {**page_view, **values}


def line(client_id: str, **values: str) -> str:
    """The CSV line of an event, the values as they are, without a line end."""
    return ",".join(event(client_id, **values).values())


def csv_of(*client_ids: str) -> str:
    return HEADER + "".join(line(client_id) + "\n" for client_id in client_ids)


@dataclass(frozen=True)
class Record:
    """A row of the evaluated table; bytes that are no UTF-8 are surrogates (surrogateescape)."""

    file_name: str
    row_number: int
    is_rejected: bool
    reject_reasons: list[str]
    raw_line: str
    extra_columns: dict[str, str]
    values: dict[str, str]


@dataclass(frozen=True)
class Landed:
    """What a build made of a landing folder."""

    records: list[Record]
    files: list[dict[str, Any]]

    def of(self, file_name: str) -> list[Record]:
        return [record for record in self.records if record.file_name == file_name]

    def entry(self, file_name: str) -> dict[str, Any]:
        """The one entry of a file in the ledger."""
        [entry] = [entry for entry in self.files if entry["file_name"] == file_name]
        return entry

    def clean(self, file_name: str) -> list[tuple[int, str]]:
        """Row number and client_id of the clean candidates, in order."""
        return [
            (record.row_number, record.values["client_id"])
            for record in self.of(file_name)
            if not record.is_rejected
        ]

    def malformed(self, file_name: str) -> list[tuple[int, str]]:
        """Row number and text of the rejects, all of which must be lines that are no record."""
        rejects = [record for record in self.of(file_name) if record.is_rejected]
        assert all(record.reject_reasons == ["malformed_line"] for record in rejects)
        return [(record.row_number, record.raw_line) for record in rejects]

    def only(self, file_name: str) -> Record:
        """The one record of a file, a clean candidate."""
        [record] = self.of(file_name)
        assert not record.is_rejected
        return record


def look(gate: Gate) -> Landed:
    """Everything that was landed and judged, bytes as they are."""

    def text(hexadecimal: str) -> str:
        return bytes.fromhex(hexadecimal).decode("utf-8", "surrogateescape")

    texts = ["file_name", "raw_line", *(name for name in COLUMNS if name != "timestamp")]
    columns = ", ".join(f"hex({name})" for name in texts)
    rows = gate.query(
        f"select row_number, is_rejected, reject_reasons, mapKeys(extra_columns), "
        f"arrayMap(value -> hex(value), mapValues(extra_columns)), "
        f"ifNull(toString(event_at), timestamp_text), {columns} "
        f"from stg_web_events__evaluated order by file_name, row_number"
    )
    records = []
    for row_number, is_rejected, reasons, keys, extras, time, *rest in rows:
        values = dict(zip(texts, map(text, rest), strict=True))
        records.append(
            Record(
                file_name=values.pop("file_name"),
                row_number=row_number,
                is_rejected=bool(is_rejected),
                reject_reasons=list(reasons),
                raw_line=values.pop("raw_line"),
                extra_columns=dict(zip(keys, map(text, extras), strict=True)),
                values={**values, "timestamp": time},
            )
        )
    entries = gate.query(f"select {', '.join(LEDGER)} from dq_files order by landed_at, file_name")
    return Landed(records, [dict(zip(LEDGER, entry, strict=True)) for entry in entries])


def empty_gate(folder: Path) -> Gate:
    """A gate without files and data, for fixtures that live longer than a test."""
    gate = Gate(folder)
    for path in (gate.landing, gate.data):
        shutil.rmtree(path, ignore_errors=True)
    gate.landing.mkdir()
    return gate


@contextmanager
def environment(gate: Gate) -> Iterator[None]:
    """What dbt needs to find the gate's folders; its engine runs throughout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        with gate.started():
            yield


@pytest.fixture(scope="module")
def landed(gate_folder: Path) -> Landed:
    gate = empty_gate(gate_folder)
    for name, content in DELIVERIES.items():
        gate.write(name, content)
    with environment(gate):
        assert gate.dbt(*RUN)
        return look(gate)


# Line ends, encodings, quotes

CRLF = delivery(".csv", csv_of("crlf-1", "crlf-2").replace("\n", "\r\n"))


def test_crlf_line_ends_belong_to_no_value(landed: Landed) -> None:
    assert landed.clean(CRLF) == [(2, "crlf-1"), (3, "crlf-2")]
    assert landed.malformed(CRLF) == []
    assert [record.values["user_agent"][-5:] for record in landed.of(CRLF)] == ["10.0)", "10.0)"]
    assert landed.entry(CRLF)["columns_unknown"] == []


MIXED_ENDS = delivery(".csv", csv_of("mixed-1") + line("mixed-2") + "\r\n\r\n\n" + line("mixed-3"))


def test_empty_lines_are_no_records_and_line_ends_may_be_mixed(landed: Landed) -> None:
    assert landed.clean(MIXED_ENDS) == [(2, "mixed-1"), (3, "mixed-2"), (6, "mixed-3")]
    assert landed.malformed(MIXED_ENDS) == []


LONE_CR = delivery(
    ".csv", csv_of("cr-1") + line("cr-2", page_url="/a\rb") + "\n\r" + line("cr-3") + "\n"
)


def test_a_carriage_return_inside_a_line_ends_no_record(landed: Landed) -> None:
    assert landed.clean(LONE_CR) == [(2, "cr-1"), (3, "cr-2")]
    assert landed.of(LONE_CR)[1].values["page_url"] == "/a\rb"


def test_a_line_that_begins_with_a_carriage_return_is_malformed(landed: Landed) -> None:
    assert landed.malformed(LONE_CR) == [(4, "\r" + line("cr-3"))]


BOM = delivery(".csv", "\ufeff" + csv_of("bom-1"))
BOM_QUOTED = delivery(".csv", '\ufeff"client_id"' + csv_of("bom-2").removeprefix("client_id"))


@pytest.mark.parametrize(("file", "client"), [(BOM, "bom-1"), (BOM_QUOTED, "bom-2")])
def test_a_byte_order_mark_is_no_part_of_the_first_name(
    landed: Landed, file: str, client: str
) -> None:
    assert landed.clean(file) == [(2, client)]
    assert landed.entry(file)["columns"] == COLUMNS
    assert landed.entry(file)["columns_missing"] == []


BREAKS = delivery(
    ".csv",
    csv_of("break-1")
    + line("break-2", page_url='"one\ntwo\r\n\nfive"')
    + "\n"
    + line("break-3")
    + "\n",
)


def test_quoted_line_breaks_belong_to_their_value(landed: Landed) -> None:
    assert landed.clean(BREAKS) == [(2, "break-1"), (3, "break-2"), (7, "break-3")]
    assert landed.malformed(BREAKS) == []
    assert landed.of(BREAKS)[1].values["page_url"] == "one\ntwo\r\n\nfive"


QUOTES = delivery(
    ".csv",
    HEADER
    + line("quote-1", page_url='"say ""hi"", ""bye"""', referrer='""', user_agent='a "b" c')
    + "\n"
    + line('"quote-2"  ', page_url='""""')
    + "\n",
)


def test_doubled_quotes_are_one_quote_and_quotes_inside_a_bare_value_stay(landed: Landed) -> None:
    assert landed.clean(QUOTES) == [(2, "quote-1"), (3, "quote-2")]
    first, second = (record.values for record in landed.of(QUOTES))
    assert first["page_url"] == 'say "hi", "bye"'
    assert first["referrer"] == ""
    assert first["user_agent"] == 'a "b" c'
    assert second["page_url"] == '"'


NO_LAST_BREAK = delivery(".csv", csv_of("last-1") + line("last-2"))


def test_a_last_line_without_a_line_end_lands(landed: Landed) -> None:
    assert landed.clean(NO_LAST_BREAK) == [(2, "last-1"), (3, "last-2")]


INVALID_UTF8 = delivery(
    ".csv",
    csv_of("utf8-1").encode()
    + line("utf8-2", page_url="caf?,bad,").encode().replace(b"?", b"\xe9")
    + b"\n"
    + line("utf8-3", page_url="caf?\u00e9", user_agent="?").encode().replace(b"?", b"\xe9")
    + b"\n",
)


def test_bytes_that_are_no_utf8_are_kept_in_values_and_in_malformed_lines(landed: Landed) -> None:
    assert landed.clean(INVALID_UTF8) == [(2, "utf8-1"), (4, "utf8-3")]
    assert landed.of(INVALID_UTF8)[2].values["page_url"] == "caf\udce9\u00e9"
    assert landed.of(INVALID_UTF8)[2].values["user_agent"] == "\udce9"
    assert landed.malformed(INVALID_UTF8) == [(3, line("utf8-2", page_url="caf\udce9,bad,"))]


NUL = delivery(
    ".csv", csv_of("nul-1") + line("nul-2", page_url="\0/a\0b\0") + "\n\0\0\n" + line("nul-3")
)


def test_nul_bytes_are_kept(landed: Landed) -> None:
    assert landed.clean(NUL) == [(2, "nul-1"), (3, "nul-2"), (5, "nul-3")]
    assert landed.of(NUL)[1].values["page_url"] == "\0/a\0b\0"
    assert landed.malformed(NUL) == [(4, "\0\0")]


BIG = 10 * 1024 * 1024
BIG_FIELD = delivery(
    ".csv", csv_of("big-1") + line("big-2", page_url="x" * BIG) + "\n" + line("big-3") + "\n"
)
BIG_BROKEN = delivery(
    ".csv",
    csv_of("big-4")
    + line("big-5", page_url='"' + ("x" * 1023 + "\n") * (BIG // 1024) + '"')
    + "\n"
    + line("big-6", page_url='"' + "y" * BIG)
    + "\n"
    + line("big-7"),
)


def test_a_field_of_ten_megabytes_lands(landed: Landed) -> None:
    assert landed.clean(BIG_FIELD) == [(2, "big-1"), (3, "big-2"), (4, "big-3")]
    assert landed.of(BIG_FIELD)[1].values["page_url"] == "x" * BIG


def test_ten_megabytes_of_line_breaks_and_of_garbage_land(landed: Landed) -> None:
    after = 3 + BIG // 1024 + 1
    assert landed.clean(BIG_BROKEN) == [(2, "big-4"), (3, "big-5"), (after + 1, "big-7")]
    assert landed.of(BIG_BROKEN)[1].values["page_url"] == ("x" * 1023 + "\n") * (BIG // 1024)
    assert landed.malformed(BIG_BROKEN) == [(after, line("big-6", page_url='"' + "y" * BIG))]


# Lines that are no record

FIELD_COUNTS = delivery(
    ".csv", csv_of("count-1") + "too,few\n" + line("too-many") + ",8\n" + line("count-4") + "\n"
)


def test_too_few_and_too_many_fields_make_a_line_malformed(landed: Landed) -> None:
    assert landed.clean(FIELD_COUNTS) == [(2, "count-1"), (5, "count-4")]
    assert landed.malformed(FIELD_COUNTS) == [(3, "too,few"), (4, line("too-many") + ",8")]


AFTER_QUOTE = delivery(
    ".csv", csv_of("after-1") + line("after-2", page_url='"a"b') + "\n" + line("after-3") + "\n"
)


def test_garbage_after_a_closing_quote_makes_a_line_malformed(landed: Landed) -> None:
    assert landed.clean(AFTER_QUOTE) == [(2, "after-1"), (4, "after-3")]
    assert landed.malformed(AFTER_QUOTE) == [(3, line("after-2", page_url='"a"b'))]


UNCLOSED = delivery(
    ".csv",
    csv_of("open-1")
    + line("open-2", page_url='"never closed')
    + "\n"
    + "".join(line(f"open-{number}") + "\n" for number in range(3, 203)),
)


def test_an_unclosed_quote_costs_one_line_and_not_the_rest_of_the_file(landed: Landed) -> None:
    clean = [(2, "open-1"), *((number + 1, f"open-{number}") for number in range(3, 203))]
    assert landed.clean(UNCLOSED) == clean
    assert landed.malformed(UNCLOSED) == [(3, line("open-2", page_url='"never closed'))]


UNCLOSED_LAST = delivery(".csv", csv_of("end-1") + line("end-2", user_agent='"never closed'))


def test_an_unclosed_quote_on_the_last_line_costs_that_line(landed: Landed) -> None:
    assert landed.clean(UNCLOSED_LAST) == [(2, "end-1")]
    assert landed.malformed(UNCLOSED_LAST) == [(3, line("end-2", user_agent='"never closed'))]


BROKEN_TWICE = delivery(
    ".csv",
    csv_of("pair-1")
    + line("pair-2", page_url='"open')
    + "\nshort\n"
    + line("pair-3")
    + "\n"
    + line("pair-4", page_url='shut"')
    + "\n",
)


def test_a_well_formed_line_is_never_swallowed_by_a_broken_one_before_it(landed: Landed) -> None:
    assert landed.clean(BROKEN_TWICE) == [(2, "pair-1"), (5, "pair-3"), (6, "pair-4")]
    assert landed.malformed(BROKEN_TWICE) == [
        (3, line("pair-2", page_url='"open')),
        (4, "short"),
    ]


BREAKS_AND_COMMAS = delivery(
    ".csv",
    HEADER
    + line('"first\ncolumn"')
    + "\n"
    + line("comma-2", page_url='"a\nb,c"', referrer='"1,2,3,4\n5, ""6"", 7,8,9,10,11"')
    + "\n"
    + line("comma-3")
    + "\n",
)


def test_a_line_that_ends_a_quoted_value_is_no_record_of_its_own(landed: Landed) -> None:
    assert landed.clean(BREAKS_AND_COMMAS) == [
        (2, "first\ncolumn"),
        (4, "comma-2"),
        (7, "comma-3"),
    ]
    assert landed.malformed(BREAKS_AND_COMMAS) == []
    assert landed.of(BREAKS_AND_COMMAS)[1].values["page_url"] == "a\nb,c"
    assert landed.of(BREAKS_AND_COMMAS)[1].values["referrer"] == '1,2,3,4\n5, "6", 7,8,9,10,11'


EMPTY_VALUES = delivery(".csv", csv_of("empty-1") + ",,,,,,\n" + "   \n")


def test_a_line_of_commas_is_a_record_of_missing_values(landed: Landed) -> None:
    assert landed.clean(EMPTY_VALUES) == [(2, "empty-1")]
    [_, commas, blanks] = landed.of(EMPTY_VALUES)
    assert (commas.row_number, commas.reject_reasons, commas.raw_line) == (
        3,
        ["missing_client_id", "missing_timestamp", "missing_event_name"],
        "",
    )
    assert (blanks.row_number, blanks.raw_line) == (4, "   ")


ONE_COLUMN = delivery(".csv", 'client_id\nsingle-1\n\n""\r\n\r\nsingle-2\n')


def test_an_empty_line_is_no_record_of_one_column_either(landed: Landed) -> None:
    clients = [(record.row_number, record.values["client_id"]) for record in landed.of(ONE_COLUMN)]
    assert clients == [(2, "single-1"), (4, ""), (6, "single-2")]


EMPTY = delivery(".csv", "")
HEADER_ONLY = delivery(".csv", HEADER)
HEADER_WITHOUT_BREAK = delivery(".csv", HEADER.strip())


@pytest.mark.parametrize("file", [EMPTY, HEADER_ONLY, HEADER_WITHOUT_BREAK])
def test_a_file_without_records_lands_with_none(landed: Landed, file: str) -> None:
    assert landed.of(file) == []
    assert landed.entry(file)["status"] == "landed"
    assert landed.entry(file)["rows_landed"] == 0


def test_a_header_alone_has_its_columns_and_an_empty_file_has_none(landed: Landed) -> None:
    assert landed.entry(HEADER_ONLY)["columns"] == COLUMNS
    assert landed.entry(EMPTY)["columns"] == []
    assert landed.entry(EMPTY)["mandatory_missing"] == []


# Files that cannot be read

TRUNCATED_GZIP = delivery(".csv.gz", gzip.compress(csv_of("gone").encode() * 100)[:-40])
NO_GZIP = delivery(".csv.gz", csv_of("not-a-gzip"))
NO_ZSTD = delivery(".csv.zst", csv_of("not-a-zstd"))
HALF_ZSTD = delivery(".csv.zst", zstd.compress(csv_of("half").encode())[:-1])
HALF_FRAME = delivery(
    ".csv.zst", zstd.compress(csv_of("half").encode()) + zstd.compress(b"x\n")[:-2]
)
HALF_JSONL = delivery(
    ".jsonl.zst", zstd.compress((json.dumps({"client_id": "half"}) + "\n").encode())[:-1]
)
HALF_LZ4 = delivery(".CSV.LZ4", lz4.frame.compress(csv_of("half").encode())[:-4])
HALF_MEMBER = delivery(
    ".csv.gz", gzip.compress(csv_of("half").encode()) + gzip.compress(b"x\n")[:-2]
)
HALF_STREAM = delivery(
    ".csv.xz", lzma.compress(csv_of("half").encode()) + lzma.compress(b"x\n")[:-2]
)
WHOLE_BZIP2 = delivery(".csv.bz2", bz2.compress(csv_of("bzip2").encode()))
HALF_XZ = delivery(".csv.xz", lzma.compress(csv_of("half").encode())[:-1])
EMPTY_COMPRESSED = [delivery(f".csv.{ending}", b"") for ending in ("gz", "zst", "xz", "lz4")]
NO_PARQUET = delivery(".parquet", b"PAR1 this is no parquet file PAR1")
NO_AVRO = delivery(".avro", b"Obj\x01 this is no avro file")
UTF16 = delivery(".csv", csv_of("utf16-1").encode("utf-16"))
UNCLOSED_HEADER = delivery(".csv", '"client_id,page_url\n' + line("header-1") + "\n")
UNREADABLE = [
    TRUNCATED_GZIP,
    NO_GZIP,
    NO_ZSTD,
    HALF_ZSTD,
    HALF_FRAME,
    HALF_JSONL,
    HALF_LZ4,
    HALF_XZ,
    HALF_MEMBER,
    HALF_STREAM,
    WHOLE_BZIP2,
    *EMPTY_COMPRESSED,
    NO_PARQUET,
    NO_AVRO,
    UTF16,
    UNCLOSED_HEADER,
]


@pytest.mark.parametrize("file", UNREADABLE, ids=lambda file: str(file)[15:])
def test_a_file_that_cannot_be_read_is_in_the_ledger_with_its_error(
    landed: Landed, file: str
) -> None:
    assert landed.entry(file)["status"] == "unreadable"
    assert landed.entry(file)["error"] != ""
    assert landed.entry(file)["rows_landed"] == 0
    assert landed.of(file) == []


def test_all_other_files_landed_beside_the_unreadable_ones(landed: Landed) -> None:
    statuses = {entry["file_name"]: entry["status"] for entry in landed.files}
    assert {name for name, status in statuses.items() if status != "landed"} == {
        *UNREADABLE,
        *PATTERN_NAMES,
    }
    assert set(statuses) == set(DELIVERIES) - set(IGNORED)


def test_the_ledger_counts_what_landed(landed: Landed) -> None:
    for entry in landed.files:
        records = landed.of(entry["file_name"])
        assert entry["rows_landed"] == len(records)
        malformed = [record for record in records if record.raw_line]
        assert entry["rows_malformed"] == len(malformed)
        assert entry["file_size"] == len(DELIVERIES[entry["file_name"]])


# Columns


def separated_by(delimiter: str) -> str:
    """Three events: two bare, one of them broken; one quoted with every separator and a break."""
    quoted = '"a,b;c\td|e ""f""\ng" '
    bare, last = (f"{name}-{ord(delimiter)}" for name in ("bare", "quoted"))
    lines = [line(bare), line("broken") + ",8", line(last, user_agent="QUOTED")]
    text = HEADER + "".join(record + "\n" for record in lines)
    return text.replace(",", delimiter).replace("QUOTED", quoted)


DELIMITED = {
    delivery(name, separated_by(delimiter)): delimiter
    for name, delimiter in [(".csv", ";"), (".tsv", "\t"), ("_bars.csv", "|"), (".csv", ",")]
}
UNKNOWN_DELIMITER = delivery(".csv", csv_of("caret-1").replace(",", "^"))


@pytest.mark.parametrize("file", DELIMITED, ids=lambda file: str(file)[15:])
def test_what_separates_the_values_is_recognised(landed: Landed, file: str) -> None:
    delimiter = DELIMITED[file]
    code = ord(delimiter)
    assert landed.clean(file) == [(2, f"bare-{code}"), (4, f"quoted-{code}")]
    assert landed.malformed(file) == [(3, (line("broken") + ",8").replace(",", delimiter))]
    assert landed.of(file)[2].values["user_agent"] == 'a,b;c\td|e "f"\ng'
    assert landed.entry(file)["delimiter"] == delimiter
    assert landed.entry(file)["columns_missing"] == []


def test_a_file_with_a_separator_that_is_not_known_keeps_its_text(landed: Landed) -> None:
    entry = landed.entry(UNKNOWN_DELIMITER)
    assert entry["mandatory_missing"] == ["client_id", "timestamp", "event_name", "event_data"]
    [record] = landed.of(UNKNOWN_DELIMITER)
    assert list(record.extra_columns.values()) == [line("caret-1").replace(",", "^")]


UNKNOWN = delivery(
    ".csv",
    HEADER.replace("page_url,", "page_url,consent, Store id ,")
    + line("unknown-1", page_url="/,granted,7")
    + "\n",
)


def test_unknown_columns_are_kept(landed: Landed) -> None:
    record = landed.only(UNKNOWN)
    assert record.values["page_url"] == "/"
    assert record.values["referrer"] == "https://www.google.com/"
    assert record.extra_columns == {"consent": "granted", "Store id": "7"}
    assert landed.entry(UNKNOWN)["columns_unknown"] == ["consent", "Store id"]


REPEATED = delivery(
    ".csv", HEADER.strip() + ",page_url,page_url,\n" + line("repeat-1") + ",/second,/third,x\n"
)


def test_of_a_repeated_column_the_first_counts_and_the_others_are_kept(landed: Landed) -> None:
    record = landed.only(REPEATED)
    assert record.values["page_url"] == "https://shop.example/"
    assert record.extra_columns == {"page_url__2": "/second", "page_url__3": "/third", "": "x"}


RENAMED = delivery(".csv", csv_of("renamed-1").replace("client_id", "clientId"))


def test_a_column_under_its_other_name_is_found_and_reported(landed: Landed) -> None:
    assert landed.clean(RENAMED) == [(2, "renamed-1")]
    assert landed.only(RENAMED).extra_columns == {}
    assert landed.entry(RENAMED)["columns_renamed"] == {"clientId": "client_id"}
    assert landed.entry(RENAMED)["columns_missing"] == []


BOTH_NAMES = delivery(".csv", "clientId," + HEADER + "other," + line("both-1") + "\n")


def test_of_both_names_of_a_column_the_contracts_own_counts(landed: Landed) -> None:
    record = landed.only(BOTH_NAMES)
    assert record.values["client_id"] == "both-1"
    assert record.extra_columns == {"clientId": "other"}


WITHOUT_REFERRER = delivery(
    ".csv",
    HEADER.replace("referrer,", "")
    + line("noref-1").replace("https://www.google.com/,", "")
    + "\n",
)


def test_a_missing_column_is_reported_and_its_values_are_empty(landed: Landed) -> None:
    assert landed.only(WITHOUT_REFERRER).values["referrer"] == ""
    assert landed.only(WITHOUT_REFERRER).values["client_id"] == "noref-1"
    assert landed.entry(WITHOUT_REFERRER)["columns_missing"] == ["referrer"]
    assert landed.entry(WITHOUT_REFERRER)["mandatory_missing"] == []


WITHOUT_CLIENT = delivery(
    ".csv", HEADER.removeprefix("client_id,") + line("gone").removeprefix("gone,") + "\n"
)


def test_a_missing_mandatory_column_rejects_every_row(landed: Landed) -> None:
    [record] = landed.of(WITHOUT_CLIENT)
    assert record.reject_reasons == ["missing_client_id"]
    assert landed.entry(WITHOUT_CLIENT)["mandatory_missing"] == ["client_id"]


WIDE = delivery(
    ".csv",
    HEADER.strip()
    + "".join(f",x{number}" for number in range(400))
    + "\n"
    + line("wide-1")
    + ",v" * 400
    + "\nshort\n",
)


def test_a_file_of_four_hundred_columns_lands_with_its_broken_line(landed: Landed) -> None:
    assert landed.clean(WIDE) == [(2, "wide-1")]
    assert len(landed.of(WIDE)[0].extra_columns) == 400
    assert landed.malformed(WIDE) == [(3, "short")]


# Kinds of files


def jsonl_of(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(item) + "\n" for item in objects)


GZIP = delivery(".csv.gz", gzip.compress(csv_of("gz-1", "gz-2").encode()))
GZIP_PARTS = delivery(
    ".csv.gz",
    gzip.compress(csv_of("part-1").encode()) + gzip.compress((line("part-2") + "\n").encode()),
)
ZSTD = delivery(
    ".csv.zst", pa.Codec("zstd").compress(csv_of("zst-1", "zst-2").encode(), asbytes=True)
)
ZSTD_PARTS = delivery(
    ".csv.zst",
    zstd.compress(csv_of("frame-1").encode()) + zstd.compress((line("frame-2") + "\n").encode()),
)
LZ4 = delivery(".csv.lz4", lz4.frame.compress(csv_of("lz4-1", "lz4-2").encode()))
XZ = delivery(".csv.xz", lzma.compress(csv_of("xz-1", "xz-2").encode()))
UPPER_CASE = delivery(".CSV.GZ", gzip.compress(csv_of("upper-1", "upper-2").encode()))


@pytest.mark.parametrize(
    ("file", "clients"),
    [
        (GZIP, ["gz-1", "gz-2"]),
        (GZIP_PARTS, ["part-1", "part-2"]),
        (ZSTD, ["zst-1", "zst-2"]),
        (ZSTD_PARTS, ["frame-1", "frame-2"]),
        (LZ4, ["lz4-1", "lz4-2"]),
        (XZ, ["xz-1", "xz-2"]),
        (UPPER_CASE, ["upper-1", "upper-2"]),
    ],
)
def test_compressed_csv_lands(landed: Landed, file: str, clients: list[str]) -> None:
    assert landed.clean(file) == list(enumerate(clients, start=2))


PURCHASE = {"transaction_id": "T-1", "revenue": 12.5, "items": [{"item_id": "é", "quantity": None}]}
JSONL = delivery(
    ".jsonl",
    "\ufeff"
    + jsonl_of(event("json-1", page_url='a "b", c\nd\\e'))
    + "\n \r\n"
    + json.dumps({"clientId": "json-4", **{k: v for k, v in event("").items() if k != "client_id"}})
    + "\r\n[1]\nnot json\n"
    + json.dumps(event("json-7"))[:-1]
    + "\n"
    + json.dumps({**event("json-8"), "event_data": PURCHASE, "timestamp": 1735689600, "n": None})
    + "\n"
    + json.dumps({**event("json-9"), "consent": {"ads": [True]}, "store": 7})
    + "\n"
    + '{"client_id": "json-10", "client_id": "second", '
    + json.dumps(event("third"))[1:],
)


def test_json_lines_land_and_other_lines_are_malformed(landed: Landed) -> None:
    assert landed.clean(JSONL) == [
        (1, "json-1"),
        (4, "json-4"),
        (8, "json-8"),
        (9, "json-9"),
        (10, "json-10"),
    ]
    assert landed.malformed(JSONL) == [
        (5, "[1]"),
        (6, "not json"),
        (7, json.dumps(event("json-7"))[:-1]),
    ]


def test_json_values_are_unescaped_and_nested_values_stay_json(landed: Landed) -> None:
    by_row = {record.row_number: record for record in landed.of(JSONL)}
    assert by_row[1].values["page_url"] == 'a "b", c\nd\\e'
    assert by_row[8].values["timestamp"] == "2025-01-01 00:00:00.000"
    assert json.loads(by_row[8].values["event_data"]) == PURCHASE
    assert by_row[8].extra_columns == {"n": ""}
    assert json.loads(by_row[9].extra_columns["consent"]) == {"ads": [True]}
    assert by_row[9].extra_columns["store"] == "7"


def test_of_a_repeated_json_key_the_first_counts_and_the_others_are_kept(landed: Landed) -> None:
    by_row = {record.row_number: record for record in landed.of(JSONL)}
    assert by_row[10].values["client_id"] == "json-10"
    assert by_row[10].extra_columns["client_id"] in ("second", "third")


def test_json_keys_are_matched_with_the_contract(landed: Landed) -> None:
    assert landed.entry(JSONL)["columns_renamed"] == {"clientId": "client_id"}
    assert landed.entry(JSONL)["columns_unknown"] == ["consent", "n", "store"]
    assert landed.entry(JSONL)["columns_missing"] == []


# Numbers that a parser writes in another way, or cannot hold: by where they stand in the line.
NUMBERS_AS_WRITTEN = [
    "1e3", "1.0", "1.50", "-0", "-0.0", "1E400", "1e-400", "0.12345678901234567890123",
    "123456789012345678901234567890", "18446744073709551616", "9007199254740993", "42",
]  # fmt: skip
NUMBERS = delivery(
    ".jsonl",
    "".join(
        json.dumps(event("NUMBER", event_data="PAYLOAD"))[:-1]
        .replace('"NUMBER"', number)
        .replace('"PAYLOAD"', f'{{"revenue" : {number}, "of": ["}}1.0,", {number} ]}}')
        + f', "quoted": "{number}", "a, \\"b\\": 1.0": {number} }}\n'
        for number in NUMBERS_AS_WRITTEN
    )
    + '{"client_id": 1.0, }\n{"client_id": 01.0}\n{"client_id": 1.0} {}\n[1.0]\n',
)


def test_numbers_in_json_lines_are_text_as_they_are_written(landed: Landed) -> None:
    records = [record for record in landed.of(NUMBERS) if not record.raw_line]
    assert [record.values["client_id"] for record in records] == NUMBERS_AS_WRITTEN
    assert [record.extra_columns for record in records] == [
        {"quoted": number, 'a, "b": 1.0': number} for number in NUMBERS_AS_WRITTEN
    ]
    assert [record.values["event_data"] for record in records] == [
        f'{{"revenue":{number},"of":["}}1.0,",{number}]}}' for number in NUMBERS_AS_WRITTEN
    ]


def test_numbers_make_no_json_of_lines_that_are_none(landed: Landed) -> None:
    assert [record.raw_line for record in landed.of(NUMBERS) if record.raw_line] == [
        '{"client_id": 1.0, }', '{"client_id": 01.0}', '{"client_id": 1.0} {}', "[1.0]",
    ]  # fmt: skip


JSONL_GZIP = delivery(".jsonl.gz", gzip.compress(jsonl_of(event("jgz-1"), event("jgz-2")).encode()))
NDJSON = delivery(".ndjson", jsonl_of(event("nd-1")))
SPARSE = delivery(
    ".jsonl", jsonl_of({k: v for k, v in event("sparse-1").items() if k != "event_data"})
)


def test_compressed_json_lines_land(landed: Landed) -> None:
    assert landed.clean(JSONL_GZIP) == [(1, "jgz-1"), (2, "jgz-2")]
    assert landed.clean(NDJSON) == [(1, "nd-1")]


def test_json_lines_may_leave_out_event_data(landed: Landed) -> None:
    assert landed.clean(SPARSE) == [(1, "sparse-1")]
    assert landed.entry(SPARSE)["columns_missing"] == []


def parquet_of(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


TEXTS = ("client_id", "page_url", "referrer", "event_name", "user_agent")
NOON = datetime.datetime(2025, 1, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)
SOME_UUID = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
SOME_TIMES = {
    "naive": pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us")),
    "zoned": pa.array([NOON, None], pa.timestamp("ns", "America/New_York")),
    "millis": pa.array([NOON, None], pa.timestamp("ms", "UTC")),
}
PARQUET = delivery(
    ".parquet",
    parquet_of(
        {
            **{name: [event("parquet-1")[name], event("parquet-2")[name]] for name in TEXTS},
            "timestamp": SOME_TIMES["naive"],
            "event_data": pa.array(
                [None, {"transaction_id": "T", "revenue": 1.5, "items": [{"item_id": None}]}],
                pa.struct(
                    {
                        "transaction_id": pa.string(),
                        "revenue": pa.float64(),
                        "items": pa.list_(pa.struct({"item_id": pa.string()})),
                    }
                ),
            ),
            "store": pa.array([7, None], pa.int32()),
            "uuid": pa.array([SOME_UUID.bytes, None], pa.uuid()),
            "fixed": pa.array([SOME_UUID.bytes, b"sixteen letters."], pa.binary(16)),
            "small": pa.array([b"\xff\x00\x01", None], pa.binary(3)),
            "code": pa.array([b"AB1", b"\xc3\xa9-"], pa.binary(3)),
            **{name: times for name, times in SOME_TIMES.items() if name != "naive"},
        }
    ),
)


def test_parquet_lands_with_its_values_as_text(landed: Landed) -> None:
    assert landed.clean(PARQUET) == [(1, "parquet-1")]
    first, second = landed.of(PARQUET)
    assert first.values["timestamp"] == "2025-01-01 12:00:00.123"
    assert first.extra_columns == {
        "store": "7",
        "uuid": str(SOME_UUID),
        "fixed": str(SOME_UUID),
        "small": "ff0001",
        "code": "AB1",
        "zoned": "2025-01-01T12:00:00.123456Z",
        "millis": "2025-01-01T12:00:00.123Z",
    }
    assert second.reject_reasons == ["missing_timestamp"]
    assert json.loads(second.values["event_data"]) == {
        "transaction_id": "T",
        "revenue": 1.5,
        "items": [{"item_id": None}],
    }
    assert second.extra_columns == {
        "store": "",
        "uuid": "",
        # A column is read in one way: these sixteen letters stand among bytes that are none.
        "fixed": str(uuid.UUID(bytes=b"sixteen letters.")),
        "small": "",
        "code": "é-",
        "zoned": "",
        "millis": "",
    }


def test_a_null_struct_of_parquet_is_a_struct_of_nulls(landed: Landed) -> None:
    nothing: dict[str, Any] = {"transaction_id": None, "revenue": None, "items": []}
    assert json.loads(landed.of(PARQUET)[0].values["event_data"]) == nothing


def avro_of(records: list[dict[str, Any]], types: dict[str, Any]) -> bytes:
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    buffer = io.BytesIO()
    fastavro.writer(buffer, {"type": "record", "name": "Event", "fields": fields}, records)
    return buffer.getvalue()


AVRO = delivery(
    ".avro",
    avro_of(
        [
            {**event("avro-1"), "timestamp": NOON, "store": 7, "tags": ["a", "b"]},
            {**event("avro-2"), "timestamp": NOON, "event_data": None, "store": None, "tags": []},
        ],
        {
            **dict.fromkeys(TEXTS, "string"),
            "event_data": ["null", "string"],
            "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
            "store": ["null", "int"],
            "tags": {"type": "array", "items": "string"},
        },
    ),
)


def test_avro_lands_with_its_values_as_text(landed: Landed) -> None:
    assert landed.clean(AVRO) == [(1, "avro-1"), (2, "avro-2")]
    first, second = landed.of(AVRO)
    assert first.values["timestamp"] == "2025-01-01 12:00:00.123"
    assert first.extra_columns == {"store": "7", "tags": '["a","b"]'}
    assert second.extra_columns == {"store": "", "tags": "[]"}


# Names and values meant to do harm

STRANGE_NAMES = [
    delivery(name + ".csv", csv_of(f"name-{number}"))
    for number, name in enumerate(
        [
            " with  spaces",
            " it's 'quoted' \"twice\"",
            " Größe 数据 🎉",
            " back\\slash \\' ",
            "'; drop table raw_web_events; --",
            " 100%25 $(id) `id` #1 [x] (y) &z|w;",
            " a,b",
            " line\nbreak\ttab",
        ]
    )
]
PATTERN_NAMES = [
    delivery(name + ".csv", csv_of("unread"))
    for name in [" {1,2}", " {1..3}", " star*", " what?", " {}", " {{ 1 }}"]
]


@pytest.mark.parametrize(("number", "file"), list(enumerate(STRANGE_NAMES)))
def test_a_file_with_a_strange_name_lands(landed: Landed, number: int, file: str) -> None:
    assert landed.clean(file) == [(2, f"name-{number}")]


@pytest.mark.parametrize("file", PATTERN_NAMES)
def test_a_file_whose_name_reads_as_a_pattern_is_reported_and_not_lost(
    landed: Landed, file: str
) -> None:
    assert landed.entry(file)["status"] == "unreadable"
    assert "rename it" in landed.entry(file)["error"]


HOSTILE_VALUES = [
    "'; drop table raw_web_events; --",
    "\\'; select 1; --",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "${jndi:ldap://127.0.0.1/a}",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "\\N",
    "NULL",
    "%s%n%d",
    "\u202e\u0000\ufeff",
    " leading and trailing\t ",
]
HOSTILE = delivery(
    ".csv",
    HEADER
    + "".join(
        line(f"hostile-{number}", page_url=value, user_agent=value) + "\n"
        for number, value in enumerate(HOSTILE_VALUES)
    ),
)
HOSTILE_COLUMNS = delivery(
    ".csv",
    HEADER.strip()
    + ",\"a'b\\c\",{{ 7 * 7 }},'; drop table x; --\n"
    + line("column-1")
    + ",1,2,3\n",
)
HOSTILE_KEYS = delivery(
    ".jsonl", jsonl_of({**event("key-1"), "a'b\\c\n": "1", "{{ 7 * 7 }}": "2", '"': "3", "": "4"})
)


def test_hostile_values_are_kept_verbatim(landed: Landed) -> None:
    records = landed.of(HOSTILE)
    assert [record.values["page_url"] for record in records] == HOSTILE_VALUES
    assert [record.values["user_agent"] for record in records] == HOSTILE_VALUES
    assert not any(record.is_rejected for record in records)


def test_hostile_column_names_are_kept_verbatim(landed: Landed) -> None:
    assert landed.only(HOSTILE_COLUMNS).extra_columns == {
        "a'b\\c": "1",
        "{{ 7 * 7 }}": "2",
        "'; drop table x; --": "3",
    }
    assert landed.only(HOSTILE_KEYS).extra_columns == {
        "a'b\\c\n": "1",
        "{{ 7 * 7 }}": "2",
        '"': "3",
        "": "4",
    }


IGNORED = [
    delivery(suffix, csv_of("ignored")) for suffix in [".txt", ".csv.tmp", ".csv.part", ".md5", ""]
]


@pytest.mark.parametrize("file", IGNORED)
def test_files_of_other_kinds_are_ignored(landed: Landed, file: str) -> None:
    assert landed.of(file) == []
    assert file not in {entry["file_name"] for entry in landed.files}


# Deliveries one after another


@dataclass(frozen=True)
class Story:
    """What was there after each of five runs over one landing folder."""

    first: Landed
    again: Landed
    changed: Landed
    broken: Landed
    repaired: Landed


def put(gate: Gate, name: str, content: str | bytes, minute: int) -> None:
    """Write a landing file as of some minute of the day after the deliveries."""
    path = gate.write(name, content)
    time = datetime.datetime(2025, 1, 9, 0, minute, tzinfo=datetime.UTC).timestamp()
    os.utime(path, (time, time))


@pytest.fixture(scope="module")
def story(gate_folder: Path) -> Story:
    gate = empty_gate(gate_folder)

    def run() -> Landed:
        assert gate.dbt(*RUN)
        return look(gate)

    with environment(gate):
        put(gate, "events_20250101.csv", csv_of("a-1", "a-2"), 1)
        put(gate, "events_20250102.csv", csv_of("b-1", "b-2"), 1)
        put(gate, "events_20250103_eu.csv", csv_of("c-1"), 1)
        put(gate, "events_20250103_us.csv", csv_of("d-1", "d-2") + "malformed\n", 1)
        put(gate, "events_20250104.csv.gz", gzip.compress(csv_of("e-1").encode())[:-9], 1)
        put(gate, "events_20250105.csv", csv_of("g-1"), 1)
        put(gate, "events_latest.csv", csv_of("h-1"), 1)
        first = run()
        again = run()

        put(gate, "events_20250102.csv", csv_of("b-1", "b-3", "b-4"), 2)
        put(gate, "events_20250103_us.csv", csv_of("d-2"), 2)
        (gate.landing / "events_20250101.csv").unlink()
        put(gate, "events_20250103_late.csv", csv_of("a-1", "a-2", "f-1"), 2)
        put(gate, "events_20250104.csv.gz", gzip.compress(csv_of("e-1").encode()), 2)
        put(gate, "events_20250105.csv", HEADER, 2)
        changed = run()

        put(gate, "events_20250103_eu.csv", csv_of("c-9").encode("utf-16"), 3)
        broken = run()
        put(gate, "events_20250103_eu.csv", csv_of("c-9"), 4)
        return Story(first, again, changed, broken, run())


def entries(landed: Landed, file_name: str) -> list[tuple[str, int]]:
    return [
        (entry["status"], entry["rows_landed"])
        for entry in landed.files
        if entry["file_name"] == file_name
    ]


def test_two_files_of_one_batch_both_land(story: Story) -> None:
    assert story.first.clean("events_20250103_eu.csv") == [(2, "c-1")]
    assert story.first.clean("events_20250103_us.csv") == [(2, "d-1"), (3, "d-2")]
    assert story.first.malformed("events_20250103_us.csv") == [(4, "malformed")]


def test_unchanged_files_are_not_landed_again(story: Story) -> None:
    assert story.again.records == story.first.records
    for name in ["events_20250101.csv", "events_20250102.csv", "events_20250103_us.csv"]:
        assert len(entries(story.again, name)) == 1


def test_an_unreadable_file_is_tried_again_until_it_lands(story: Story) -> None:
    name = "events_20250104.csv.gz"
    assert entries(story.again, name) == [("unreadable", 0), ("unreadable", 0)]
    assert entries(story.changed, name)[2:] == [("landed", 1)]
    assert story.changed.clean(name) == [(2, "e-1")]
    assert len(entries(story.repaired, name)) == 3


def test_a_changed_file_replaces_what_it_delivered_before(story: Story) -> None:
    name = "events_20250102.csv"
    assert story.changed.clean(name) == [(2, "b-1"), (3, "b-3"), (4, "b-4")]
    assert entries(story.changed, name) == [("landed", 2), ("landed", 3)]


def test_a_file_that_became_empty_takes_its_rows_along(story: Story) -> None:
    name = "events_20250105.csv"
    assert story.first.clean(name) == [(2, "g-1")]
    assert story.changed.of(name) == []
    assert entries(story.changed, name) == [("landed", 1), ("landed", 0)]


def test_a_file_without_a_date_in_its_name_belongs_to_the_day_it_was_written(story: Story) -> None:
    [entry] = [entry for entry in story.first.files if entry["file_name"] == "events_latest.csv"]
    assert entry["batch_date"] == datetime.date(2025, 1, 9)
    assert story.first.clean("events_latest.csv") == [(2, "h-1")]


def test_a_change_of_one_file_keeps_the_other_files_of_its_batch(story: Story) -> None:
    assert story.changed.clean("events_20250103_eu.csv") == [(2, "c-1")]
    assert story.changed.of("events_20250103_us.csv") == [
        record
        for record in story.changed.records
        if record.file_name == "events_20250103_us.csv"
        and (record.row_number, record.values["client_id"]) == (2, "d-2")
    ]
    assert len(entries(story.changed, "events_20250103_eu.csv")) == 1


def test_a_file_that_is_no_longer_there_changes_nothing(story: Story) -> None:
    name = "events_20250101.csv"
    assert story.changed.of(name) == story.first.of(name)
    assert story.changed.clean(name) == [(2, "a-1"), (3, "a-2")]


def test_a_redelivery_under_another_name_is_rejected_as_duplicates(story: Story) -> None:
    records = story.changed.of("events_20250103_late.csv")
    verdicts = [(record.values["client_id"], record.reject_reasons) for record in records]
    assert verdicts == [("a-1", ["duplicate_event"]), ("a-2", ["duplicate_event"]), ("f-1", [])]


def test_a_file_that_became_unreadable_keeps_the_rows_it_had(story: Story) -> None:
    name = "events_20250103_eu.csv"
    assert entries(story.broken, name) == [("landed", 1), ("unreadable", 0)]
    assert story.broken.records == story.changed.records
    assert story.repaired.clean(name) == [(2, "c-9")]


@pytest.mark.usefixtures("started")
def test_a_refused_line_with_bytes_that_are_no_utf8_is_malformed_and_ends_no_run(
    gate: Gate,
) -> None:
    bad = line("bad", page_url='"?"x').encode().replace(b"?", b"\xff")
    gate.write("events_20250101.csv", csv_of("a").encode() + bad + b"\n")
    assert gate.dbt(*RUN)
    landed = look(gate)
    assert landed.clean("events_20250101.csv") == [(2, "a")]
    assert landed.malformed("events_20250101.csv") == [(3, bad.decode("utf-8", "surrogateescape"))]


# Other places than a folder


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a web server on this machine serves it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("started")
def test_files_land_over_http(gate: Gate, web_server: tuple[Path, str]) -> None:
    folder, address = web_server
    (folder / "shop").mkdir()
    (folder / "shop" / "events_20250101.csv").write_text(csv_of("http-1", "http-2") + "broken\n")
    (folder / "shop" / "events_20250102.csv").write_text(csv_of("http-3"))
    compressed = zstd.compress(csv_of("http-4").encode())
    (folder / "shop" / "events_20250103.csv.zst").write_bytes(compressed)
    (folder / "shop" / "events_20250104.csv.zst").write_bytes(compressed[:-1])
    location = [
        f"{address}/shop/events_{{20250101..20250102}}.csv",
        f"{address}/shop/events_{{20250103..20250104}}.csv.zst",
    ]
    assert gate.dbt(*RUN, landing={"web_events": location})
    assert gate.dbt(*RUN, landing={"web_events": location})
    landed = look(gate)
    assert landed.clean("events_20250101.csv") == [(2, "http-1"), (3, "http-2")]
    assert landed.malformed("events_20250101.csv") == [(4, "broken")]
    assert landed.clean("events_20250102.csv") == [(2, "http-3")]
    assert landed.clean("events_20250103.csv.zst") == [(2, "http-4")]
    assert landed.of("events_20250104.csv.zst") == []
    assert {entry["error"] for entry in landed.files if entry["status"] == "unreadable"} == {
        "it is cut off: its last frame has no end"
    }
    assert landed.entry("events_20250102.csv")["location"] == f"{address}/shop/events_20250102.csv"


def test_where_a_location_begins_decides_how_it_is_read(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    locations = ["s3://bucket/shop/events_*.csv", "https://data.example/a.csv", "landing/it's.csv"]
    calls = [
        f"{{{{ read_location({place!r}, 'LineAsString', 'line String') }}}}" for place in locations
    ]
    assert gate.dbt("compile", "--inline", "\n".join(calls))
    assert capsys.readouterr().out.strip().splitlines() == [
        "s3('s3://bucket/shop/events_*.csv', 'LineAsString', 'line String')",
        "url('https://data.example/a.csv', 'LineAsString', 'line String')",
        "file('landing/it\\'s.csv', 'LineAsString', 'line String')",
    ]
