"""Small files that people stumble over, all landed in one run.

The files and what should happen to them come from the folder ``cases`` beside the project, most of
them made after public bug reports; the tests are skipped where that folder is not.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT, Gate

CASES = ROOT.parent / "shared" / "data" / "cases"

# The time of change of every file, for those whose name has no day.
WRITTEN = 1_750_000_000  # 2025-06-15


@dataclass(frozen=True)
class Batch:
    """What a case's batch must come to: the day, rows clean and rejected, and the decision."""

    day: str
    clean: int
    rejected: int
    decision: str


def published(day: str, clean: int = 12, rejected: int = 0) -> Batch:
    return Batch(day, clean, rejected, "publish")


def held(day: str, clean: int, rejected: int) -> Batch:
    return Batch(day, clean, rejected, "hold")


RIGHT = {
    "c00_control": published("2025-01-02"),
    "c01_bom": published("2025-01-03"),
    "c02_crlf": published("2025-01-05"),
    "c03_semicolon": published("2025-01-06"),
    "c05_doubled_header": published("2025-01-08", 12, 1),
    "c06_ragged": published("2025-01-09", 10, 2),
    "c08_header_only": held("2025-01-11", 0, 0),
    "c09_trailing_nuls": published("2025-01-12", 12, 1),
    "c11_latin1": published("2025-01-14"),
    "c14_sep_line": held("2025-01-17", 0, 13),
    "c15_backslash_escape": held("2025-01-18", 9, 3),
    "c17_no_final_newline": published("2025-01-20"),
    "c18_footer": published("2025-01-21", 12, 1),
    "c19_upper_header": published("2025-01-22"),
    "c20_dup_column": published("2025-01-23"),
    "c21_comment_top": held("2025-01-24", 0, 14),
    "c26_injection_col": published("2025-01-29"),
    "c27_empty_colname": published("2025-01-30"),
    "d00_control": published("2025-04-02"),
    "f05b_export_date_first": published("2025-12-30"),
    "f06_hourly_10digits": published("2025-05-04"),
    "f06c_compact_ts": published("2025-05-06"),
    "f11_number_before": published("2025-05-13"),
    "f16_upper_ext": published("2025-05-18"),
    "f26_tsv": published("2025-05-29"),
    "f20_underscore_date": published("2025-05-28"),
    "f21_intraday": published("2025-05-23"),
    "g01_multi_member": published("2025-03-19"),
    "g08_zst_multi": published("2025-04-03"),
    "j02_nested": published("2025-02-26"),
    "j03_dupkeys": published("2025-02-27"),
    "j05_bigint": published("2025-03-01"),
    "j06_array": held("2025-03-02", 0, 1),
    "j07_pretty": held("2025-03-04", 0, 141),
    "j08_bom": published("2025-03-05"),
    "j10_truncated": published("2025-03-07", 11, 1),
    "j11_crlf": published("2025-03-08"),
    "j13_event_data_string": published("2025-03-10"),
    "j14_event_data_double_string": held("2025-03-11", 9, 3),
    "j15_ga4": held("2025-03-12", 0, 8),
    "j16_segment": held("2025-03-13", 0, 8),
    "j17_snowplow_tsv_csv": held("2025-03-14", 0, 7),
    "j20_nan_in_jsonl": held("2025-03-17", 9, 3),
    "j21_empty_object": published("2025-03-18", 12, 5),
    "n02_thousands": held("2025-02-02", 9, 0),
    "n03_decimal_comma": held("2025-02-03", 7, 0),
    "n05_negzero": held("2025-02-05", 8, 0),
    "n06_nan_inf": held("2025-02-06", 8, 3),
    "n08_leading_zero_tid": published("2025-02-08", 10),
    "n09_1e400": held("2025-02-09", 8, 1),
    "n11_nonscalar": published("2025-02-11"),
    "n12_double_encoded": held("2025-02-12", 6, 3),
    "n14_cents": published("2025-02-14", 9),
    "p00_plain": published("2025-04-05"),
    "p02_ts_berlin": published("2025-04-07"),
    "p03_ts_naive": published("2025-04-08"),
    "p05_ts_ns": published("2025-04-10"),
    "p06_struct_decimal": published("2025-04-11"),
    "p08_nullable_null": published("2025-04-13", 9, 3),
    "p09_date32": held("2025-04-14", 0, 12),
    "p11_double_client": published("2025-04-16"),
    "p12_map": published("2025-04-17"),
    "p15_large_string": published("2025-04-20"),
    "p17_binary": published("2025-04-22"),
    "p18_uuid_fixed": published("2025-04-23"),
    "p20_struct_all_null": published("2025-04-25"),
    "p21_zstd_codec": published("2025-04-26"),
    "t01_before_1970": held("2025-02-15", 7, 2),
    "t02_2262": held("2025-02-16", 6, 3),
    "t04_bigquery_utc": held("2025-02-18", 12, 0),
    "t05_epoch_ms": held("2025-02-19", 10, 0),
    "t06_epoch_us_ns": held("2025-02-20", 9, 3),
    "t07_impossible": held("2025-02-21", 6, 5),
    "t08_us_and_others": held("2025-02-22", 7, 6),
    "t10_nano": held("2025-02-24", 8, 2),
}

# Right once mended: each of these fails today.
MENDED = {
    "c23_null_words": held("2025-01-26", 5, 7),
    "c24_nbsp_client": held("2025-01-27", 9, 3),
}

UNREADABLE = {
    "f12_bad_date": "events_20251332.csv",
    "g02b_truncated_trailer": "events_20250321.csv.gz",
    "g03_plain_named_gz": "events_20250322.csv.gz",
    "g05_trailing_garbage": "events_20250324.csv.gz",
    "g06_double_gz": "events_20250325.csv.gz",
    "g09_zst_trunc": "events_20250404.csv.zst",
    "p14_truncated": "events_20250419.parquet",
}


@pytest.fixture(scope="module")
def judged(gate_folder: Path) -> Iterator[Gate]:
    """The gate after one run over the files of all cases."""
    if not CASES.is_dir():
        pytest.skip(f"the cases are not here: no folder {CASES}")
    gate = Gate(gate_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        for folder in (gate.landing, gate.data):
            shutil.rmtree(folder, ignore_errors=True)
        gate.landing.mkdir()
        for path in CASES.glob("*/*"):
            os.utime(shutil.copy(path, gate.landing), (WRITTEN, WRITTEN))
        with gate.started():
            assert gate.models(as_of="2026-01-01T12:00:00"), gate.results
            yield gate


def outcome(gate: Gate, day: str) -> Batch:
    (clean, rejected) = gate.query(
        f"select countIf(not is_rejected), countIf(is_rejected) from stg_web_events__evaluated "
        f"where batch_date = '{day}'"
    )[0]
    decisions = gate.query(
        f"select any(toString(decision)) from dq_gate where batch_date = '{day}'"
    )
    return Batch(day, clean, rejected, decisions[0][0])


def case(name: str, *, mended: bool) -> object:
    marks = (
        () if mended else (pytest.mark.xfail(strict=True, reason="this file is still read wrong"),)
    )
    return pytest.param(name, marks=marks, id=name)


@pytest.mark.parametrize(
    "name",
    [case(name, mended=True) for name in RIGHT] + [case(name, mended=False) for name in MENDED],
)
def test_a_case_is_read_and_judged_as_it_should_be(judged: Gate, name: str) -> None:
    expected = {**RIGHT, **MENDED}[name]
    assert outcome(judged, expected.day) == expected


@pytest.mark.parametrize(
    "name",
    UNREADABLE,
)
def test_a_file_that_cannot_be_read_whole_is_refused_and_named(judged: Gate, name: str) -> None:
    file = UNREADABLE[name]
    ledger = judged.query(
        "select toString(status), error != '', rows_landed from dq_files "
        f"where file_name = '{file}'"
    )
    assert ledger == [("unreadable", True, 0)]
    assert judged.query(f"select count() from raw_web_events where file_name = '{file}'") == [(0,)]


def test_values_land_as_they_are_written(judged: Gate) -> None:
    clients = "select client_id from raw_web_events where batch_date = '{}' order by row_number"
    numbers = [client for (client,) in judged.query(clients.format("2025-03-01"))]
    assert numbers[-3:] == ["1e3", "12345678901234567890124", "12345678901234567890123"]
    uuids = [client for (client,) in judged.query(clients.format("2025-04-23"))]
    assert uuids[:2] == [str(uuid.UUID(bytes=bytes([byte]) * 16)) for byte in (1, 2)]
