"""What may be shown of values: nothing invisible, nothing personal, everything ordinary.

Every personal value here is an example that standards reserve for it: example domains (RFC 2606),
documentation addresses (RFC 5737, RFC 3849), the test numbers of card schemes, telephone numbers
that regulators keep for fiction, and the sample IBANs of the SWIFT registry.
"""

from __future__ import annotations

import json
import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.masking import (
    Contract,
    mask_row,
    read_contract,
    shape,
    shown,
    shown_document,
    visible,
)

PERSONAL = {
    "e-mail": [
        "ann@example.com",
        "ann.o+x@shop.example.com",
        "ANN@EXAMPLE.ORG",
        "jürgen@bücher.example",
        "ann%40example.com",
        "o'hara@example.net",
    ],
    "card": [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "5555555555554444",
        "5555 5555 5555 4444",
        "3782 822463 10005",
        "378282246310005",
        "6011111111111117",
        "4222222222222",
    ],
    "phone": [
        "+49 30 23125 123",
        "+1 (212) 555-0123",
        "+1-202-555-0143",
        "(212) 555-0123",
        "212-555-0123",
        "212.555.0123",
        "1-212-555-0123",
        "+44 20 7946 0958",
        "020 7946 0958",
        "0049 30 23125 123",
        "+442079460958",
        "030/23125-123",
        "01 99 00 12 34",
        "(030) 23125 123",
    ],
    "IBAN": [
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NL91ABNA0417164300",
        "BE68 5390 0754 7034",
        "de89370400440532013000",
    ],
    "IP address": [
        "203.0.113.77",
        "192.0.2.1",
        "2001:db8::1",
        "2001:db8:85a3::8a2e:370:7334",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "::ffff:192.0.2.128",
    ],
    "secret": [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJleGFtcGxlIn0.c2lnbmF0dXJlLWV4YW1wbGU",
        "sk_test_EXAMPLEexample1234567890",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "xoxb-EXAMPLE-0123456789-abcdef",
    ],
    "id": [
        "866d85eb684e0c16",
        "866d85eb684e",
        "1740506140-Tah24D5i44Yq",
        "d41d8cd98f00b204e9800998ecf8427e",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
    "number": ["078-05-1120", "491511234567", "0301234567", "2125550123"],
}

ORDINARY = [
    "ORD-1001",
    "#100045",
    "ORD-2025-000123",
    "SG-1000234567",
    "#4500123456",
    "2025-02-26T01:38:52.614Z",
    "2025-02-26 01:38:52",
    "2025-02-26T01:38:52+01:00",
    "2025-02-26 01:38:52 +0000",
    "2025-02-26 01:38:52 +1000 2025-02-27",
    "2025-01-01 2025-01-02 2025-01-03",
    "26/02/2025 10:00",
    "01-02-2025 10 12",
    "1740506140",
    "1740506140123",
    "20250226013852",
    "1,234.50",
    "1 234 567.89",
    "12 345 678",
    "1234567890.55",
    "0.123456789012",
    "1.2.3",
    "v1.2.3.4",
    "chDB 26.9.1",
    "(version 26.5.1.1)",
    "10:00:00",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36",
    "Edg/133.0.6943.98",
    "/collections/mattresses-2025-sale-queen",
    "https://shop.example/products/lux-mattress-2024",
    # Where a service is: whoever has to repair the connection must read it.
    "The dbt package hub http://127.0.0.1:9/ cannot be reached",
    "ClickHouse does not answer at 10.20.0.7:8123: start it",
    "https://198.51.100.7/hub",
    "data/landing/2025/events_20250226.csv",
    "events_20250101123456.csv",
    "events_2025-02-26T01-38-52.csv.gz",
    "part-00000-123e4567-e89b-12d3-a456-426614174000-c000.parquet",
    "/var/lib/866d85eb684e0c16/clickhouse",
    "stg_web_events__evaluated",
    "product_added_to_cart",
    "reject_rate=0.0582 (max 0.05, usually 0.0061) since 09:00; revenue 1240.5 at stake; "
    "mostly missing_client_id (1204, usually 14)",
    "events_raw=12345678901 (min 2000000)",
    "missing_session_id=0.0261 (max 0.02)",
    "unexpected_payload[session_id: String]=3 (max 0)",
    "std::vector",
    "Pantone 18-1664",
    "12in x 80in x 60in",
    "SKU LUX-QN-12-2024",
    "naïve café, Ünïcödé, 東京",
]


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in PERSONAL.items() for value in values]
)
def test_personal_data_is_replaced_by_what_it_is(kind: str, value: str) -> None:
    for text in (value, f"mostly {value} (3, usually 0)", f"[{value}]", f"{value},x", f'"{value}"'):
        assert shown(text) == text.replace(value, f"({kind})")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert shown(text) == text
    assert shown(f"found {text} there") == f"found {text} there"


def test_of_web_addresses_the_user_the_query_and_the_fragment_go() -> None:
    assert shown("https://me:pw@shop.example/p?token=abc&e=a@b.de#f") == "https://shop.example/p?…"
    assert shown("/reset?token=Zk3examplE9 ok") == "/reset?token=(secret) ok"


# The code points that Unicode's Bidirectional Algorithm (UAX 9) reads as controls, C0, C1 and DEL
# (ISO 6429), line separators, zero-width characters, a byte that is no UTF-8, a lone surrogate.
HIDDEN = {
    "\x1b[2J\x1b[31m": "\\x1b[2J\\x1b[31m",
    "a\nPASS the gate is open": "a\\x0aPASS the gate is open",
    "a\r\tb": "a\\x0d\\x09b",
    "\x9b31m\x85": "\\x9b31m\\x85",
    "\x7f\x00\x08": "\\x7f\\x00\\x08",
    "\u202egpj.exe\u202c": "\\u202egpj.exe\\u202c",
    "\u2066x\u2069\u061c": "\\u2066x\\u2069\\u061c",
    "a\u200bb\u200db\ufeff": "a\\u200bb\\u200db\\ufeff",
    "\u2028\u2029": "\\u2028\\u2029",
    "\udc80\udcff": "\\x80\\xff",
    "\ud800": "\\ud800",
    "\U000e0041": "\\U000e0041",
    "\u3164": "\\u3164",
}


@pytest.mark.parametrize(("text", "said"), HIDDEN.items())
def test_what_has_no_shape_is_spelled_out(text: str, said: str) -> None:
    assert visible(text) == shown(text) == said


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters()))
def test_any_text_becomes_one_line_of_signs_that_can_be_seen_and_stays_so(text: str) -> None:
    said = shown(text)
    assert len(said.splitlines()) < 2
    assert not {unicodedata.category(sign) for sign in said} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    said.encode("utf-8")
    assert shown(said) == said


@pytest.mark.parametrize("signs", [string.digits + " -", "0123456789abcdef:.", string.printable])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_masking_twice_is_masking_once(signs: str, data: st.DataObject) -> None:
    said = shown(data.draw(st.text(signs, max_size=80)))
    assert shown(said) == said


# Rows

COLUMNS: list[dict[str, Any]] = [
    {"name": "client_id", "config": {"meta": {"contract": True, "personal": True}}},
    {"name": "event_name", "config": {"meta": {"contract": True}}},
    {"name": "timestamp", "config": {"meta": {"contract": True}}},
    {
        "name": "event_data",
        "config": {
            "meta": {
                "contract": True,
                "payload": {
                    "transaction_id": [],
                    "user_email": [],
                    "items[].item_id": [],
                    "items": [],
                },
                "personal_payload": ["user_email"],
            }
        },
    },
    {"name": "file_name"},
]
CONTRACT = read_contract(COLUMNS)


def test_a_column_marked_personal_is_never_shown_and_the_rest_of_the_row_stays() -> None:
    row = {
        "client_id": "ann",
        "event_name": "checkout_completed",
        "timestamp": "2025-02-26T01:38:52.614Z",
        "event_data": json.dumps(
            {"transaction_id": "4500123456", "user_email": "866d", "items": [{"item_id": "LUX-1"}]}
        ),
    }
    masked = json.loads(mask_row(json.dumps(row), CONTRACT))
    assert masked["client_id"] == "(personal)"
    assert json.loads(masked["event_data"]) == {
        "transaction_id": "4500123456",
        "user_email": "(personal)",
        "items": [{"item_id": "LUX-1"}],
    }
    assert masked["event_name"] == row["event_name"]
    assert masked["timestamp"] == row["timestamp"]


def test_an_empty_personal_column_is_shown_as_empty() -> None:
    assert json.loads(mask_row('{"client_id": ""}', CONTRACT)) == {"client_id": ""}


def test_of_what_the_contract_does_not_know_only_the_shape_is_shown() -> None:
    row = {"visitor_id": "Ann-42", "event_data": '{"nick": "Ann", "n": 42}'}
    masked = json.loads(mask_row(json.dumps(row), CONTRACT))
    assert masked["visitor_id"] == "xxx-00"
    assert json.loads(masked["event_data"]) == {"nick": "xxx", "n": "00"}


@pytest.mark.parametrize(
    "text", ['ann,"x@example.com,4', '{"client_id": "ann', "[1, 2]", "null", "{"]
)
def test_of_a_line_that_is_no_record_only_the_shape_is_shown(text: str) -> None:
    masked = mask_row(text, CONTRACT)
    assert masked == shape(text)
    assert "ann" not in masked


def test_a_payload_that_is_cut_short_shows_its_shape() -> None:
    masked = json.loads(mask_row('{"event_data": "{\\"user_email\\": \\"ann"}', CONTRACT))
    assert masked == {"event_data": '{"xxxx_xxxxx": "xxx'}


def test_personal_data_is_found_at_any_depth_and_in_names() -> None:
    masked = mask_row(
        '{"a": [{"email": "x@y.example"}],'
        ' "ann@shop.example": {"ip": "203.0.113.7", "n": 491511234567}}',
        Contract(),
    )
    for secret in ("x@y.example", "ann@shop", "203.0.113.7", "491511234567"):
        assert secret not in masked


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_can_be_a_row(text: str) -> None:
    assert isinstance(mask_row(text, CONTRACT), str)


# Documents


def test_a_document_is_masked_but_for_what_is_the_products_own() -> None:
    document = {
        "run_id": "123e4567-e89b-12d3-a456-426614174000",
        "alerts": [
            {
                "incident_id": "d41d8cd98f00b204e9800998ecf8427e",
                "message": "mostly ann@example.com",
                "owner": "data-team@example.com",
                "remediation": "a\x1bb",
                "observed": 4111111111111111.0,
            }
        ],
        "reasons": {"x@example.com": 1},
    }
    assert shown_document(document) == {
        "run_id": "123e4567-e89b-12d3-a456-426614174000",
        "alerts": [
            {
                "incident_id": "d41d8cd98f00b204e9800998ecf8427e",
                "message": "mostly (e-mail)",
                "owner": "data-team@example.com",
                "remediation": "a\\x1bb",
                "observed": 4111111111111111.0,
            }
        ],
        "reasons": {"(e-mail)": 1},
    }
