"""Personal data in samples."""

import json

import pytest

from sluicegate.masking import mask


def test_identifiers_keep_four_characters_and_the_rest_of_the_row_stays() -> None:
    row = {
        "client_id": "1740506140-Tah24D5i44Yq",
        "event_name": "checkout_completed",
        "timestamp": "2025-02-26T01:38:52.614Z",
        "event_data": json.dumps({"transaction_id": "ORD-1", "user_email": "866d85eb684e", "n": 2}),
    }
    masked = json.loads(mask(json.dumps(row)))
    assert masked["client_id"] == "1740…"
    assert json.loads(masked["event_data"]) == {
        "transaction_id": "ORD-1",
        "user_email": "866d…",
        "n": 2,
    }
    assert masked["event_name"] == row["event_name"]
    assert masked["timestamp"] == row["timestamp"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail ann.o+x@shop.example.com now", "mail (e-mail) now"),
        ("from 203.0.113.77 to 10.0.0.1", "from (address) to (address)"),
        ("4111111111111111,b", "4111…,b"),
        ("id 866d85eb684e0c16", "id 866d…"),
        ("https://me:pw@shop.example/p?token=abc&e=a@b.de#f", "https://shop.example/p?…"),
        ("2025-02-26,page_viewed,3", "2025-02-26,page_viewed,3"),
    ],
)
def test_text_that_is_no_json_is_masked_by_what_it_looks_like(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["", "{", '{"a":', "[1, 2]", "null", '{"client_id": null}', "\0"])
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(mask(text), str)


def test_personal_data_is_found_at_any_depth_and_in_names() -> None:
    masked = mask('{"a": [{"email": "x@y.example"}], "ann@shop.example": {"ip": "203.0.113.7"}}')
    for secret in ("x@y.example", "ann@shop", "203.0.113.7"):
        assert secret not in masked
