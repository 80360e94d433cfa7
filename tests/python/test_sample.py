"""The sample generator, checked with Python's csv, json, gzip and decimal modules."""

import csv
import datetime
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import chdb
import pytest

from sluicegate.sample import SampleSpec, write_sample

COLUMNS = [
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
]
EVENTS = {
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
}
MONDAY = datetime.date(2026, 6, 1)
Row = dict[str, str]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("sample")
    return write_sample(directory, SampleSpec(first_date=MONDAY))


@pytest.fixture(scope="module")
def days(paths: list[Path]) -> dict[str, list[Row]]:
    return {path.name[7:15]: read(path) for path in paths}


@pytest.fixture(scope="module")
def rows(days: dict[str, list[Row]]) -> list[Row]:
    return [row for day in days.values() for row in day]


@pytest.fixture(scope="module")
def orders(rows: list[Row]) -> list[dict[str, object]]:
    return [order_of(row) for row in rows if row["event_name"] == "checkout_completed"]


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def order_of(row: Row) -> dict[str, object]:
    order = json.loads(row["event_data"], parse_float=Decimal, parse_int=Decimal)
    assert isinstance(order, dict)
    return order


def items_of(order: dict[str, object]) -> list[dict[str, object]]:
    items = order["items"]
    assert isinstance(items, list)
    return items


def time_of(row: Row) -> datetime.datetime:
    return datetime.datetime.fromisoformat(row["timestamp"])


def purchases_with_history(days: dict[str, list[Row]]) -> Iterator[tuple[Row, list[Row]]]:
    """Every purchase, with the rows of the same client and day in the hour before it."""
    for day in days.values():
        by_client = defaultdict(list)
        for row in day:
            by_client[row["client_id"]].append(row)
            if row["event_name"] == "checkout_completed":
                since = time_of(row) - datetime.timedelta(hours=1)
                earlier = by_client[row["client_id"]][:-1]
                yield row, [before for before in earlier if time_of(before) >= since]


def share(rows: list[Row], column: str, value: str) -> float:
    return sum(row[column] == value for row in rows) / len(rows)


def test_there_is_one_file_per_day_under_its_date(paths: list[Path]) -> None:
    names = [f"events_202606{day:02d}.csv" for day in range(1, 15)]
    assert [path.name for path in paths] == names
    assert sorted(entry.name for entry in paths[0].parent.iterdir()) == names


def test_the_same_spec_gives_the_same_bytes(paths: list[Path], tmp_path: Path) -> None:
    again = write_sample(tmp_path, SampleSpec(first_date=MONDAY, days=2))
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths[:2]]


def test_a_day_is_the_same_whichever_day_the_run_starts_with(
    paths: list[Path], tmp_path: Path
) -> None:
    fifth = MONDAY + datetime.timedelta(days=4)
    [alone] = write_sample(tmp_path, SampleSpec(first_date=fifth, days=1))
    assert alone.read_bytes() == paths[4].read_bytes()


def test_another_seed_gives_other_data(paths: list[Path], tmp_path: Path) -> None:
    [other] = write_sample(tmp_path, SampleSpec(first_date=MONDAY, days=1, seed=7))
    assert other.read_bytes() != paths[0].read_bytes()


def test_the_header_is_as_exported_and_every_row_has_seven_fields(paths: list[Path]) -> None:
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file, strict=True)
        assert header == COLUMNS
        assert {len(line) for line in lines} == {7}


def test_quoting_is_minimal_and_line_ends_are_lf(paths: list[Path], tmp_path: Path) -> None:
    text = paths[0].read_bytes()
    copy = tmp_path / "copy.csv"
    with copy.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(read(paths[0]))
    assert copy.read_bytes() == text
    assert b"\r" not in text


def test_item_variants_exercise_escaped_inch_quotes(paths: list[Path]) -> None:
    assert b'80\\""L' in paths[0].read_bytes()


def test_rows_are_ordered_by_time_within_the_day_of_the_file(days: dict[str, list[Row]]) -> None:
    for date, day in days.items():
        stamps = [row["timestamp"] for row in day]
        assert stamps == sorted(stamps)
        assert all(re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", stamp) for stamp in stamps)
        assert {f"{time_of(row):%Y%m%d %z}" for row in day} == {f"{date} +0000"}


def test_only_known_events_occur_and_data_belongs_to_two_of_them(rows: list[Row]) -> None:
    assert {row["event_name"] for row in rows} == EVENTS
    with_data = {"email_filled_on_popup", "checkout_completed"}
    assert all(bool(row["event_data"]) == (row["event_name"] in with_data) for row in rows)
    for row in rows:
        if row["event_data"]:
            assert re.fullmatch(r"[0-9a-f]{64}", json.loads(row["event_data"])["user_email"])


def test_the_funnel_narrows(rows: list[Row]) -> None:
    counts = Counter(row["event_name"] for row in rows)
    assert 0.005 < counts["checkout_completed"] / len(rows) < 0.007
    assert counts["checkout_completed"] < counts["checkout_started"]
    assert counts["checkout_started"] < counts["product_added_to_cart"]
    assert counts["product_added_to_cart"] / len(rows) < 0.05


def test_every_purchase_follows_its_page_views_cart_and_checkout(
    days: dict[str, list[Row]],
) -> None:
    purchases = list(purchases_with_history(days))
    assert len(purchases) > 200
    for purchase, history in purchases:
        assert purchase["client_id"]
        names = [row["event_name"] for row in history]
        assert {"page_viewed", "product_added_to_cart", "checkout_started"} <= set(names)
        assert {row["user_agent"] for row in history} == {purchase["user_agent"]}


def test_revenue_equals_the_sum_of_the_items(orders: list[dict[str, object]]) -> None:
    for order in orders:
        if order["revenue"] == 0:
            continue
        amounts = [(item["quantity"], item["item_price"]) for item in items_of(order)]
        total = Decimal(0)
        for quantity, price in amounts:
            assert isinstance(quantity, Decimal)
            assert isinstance(price, Decimal)
            assert price > 0
            assert quantity >= 1
            total += quantity * price
        assert order["revenue"] == total


def test_a_purchase_without_value_has_one_item_of_nulls(orders: list[dict[str, object]]) -> None:
    free = [order for order in orders if order["revenue"] == 0]
    assert 1 <= len(free) <= 5
    keys = ["item_id", "item_name", "item_variant", "quantity", "item_price"]
    assert all(order["items"] == [dict.fromkeys(keys)] for order in free)


def test_transaction_ids_are_unique_and_dated(days: dict[str, list[Row]]) -> None:
    ids = []
    for date, day in days.items():
        for row in day:
            if row["event_name"] == "checkout_completed":
                ids.append(str(order_of(row)["transaction_id"]))
                assert re.fullmatch(rf"ORD-{date}-[0-9]{{6}}", ids[-1])
    assert len(set(ids)) == len(ids)


def test_half_a_percent_of_rows_has_no_client(days: dict[str, list[Row]], rows: list[Row]) -> None:
    assert 0.003 < share(rows, "client_id", "") < 0.007
    assert all(share(day, "client_id", "") < 0.012 for day in days.values())


def test_every_day_has_a_few_exact_duplicates_and_no_purchase_among_them(
    days: dict[str, list[Row]],
) -> None:
    for day in days.values():
        counts = Counter(tuple(row.values()) for row in day)
        repeated = [row for row, count in counts.items() if count > 1]
        assert 1 <= len(repeated) <= 3
        assert max(counts.values()) == 2
        assert all("checkout_completed" not in row for row in repeated)


def test_traffic_comes_from_where_a_shop_gets_it(rows: list[Row]) -> None:
    assert 0.55 < share(rows, "referrer", "") < 0.65
    assert 0.02 < share(rows, "referrer", "https://www.google.com/") < 0.2
    assert 0.01 < share(rows, "referrer", "https://m.facebook.com/") < 0.1
    assert all(row["page_url"].startswith("https://shop.example/") for row in rows)
    assert 0.01 < sum("utm_source=" in row["page_url"] for row in rows) / len(rows) < 0.2
    bots = sum("bot/" in row["user_agent"] for row in rows)
    assert 0.005 < bots / len(rows) < 0.02
    assert len({row["user_agent"] for row in rows}) >= 12


def test_volume_has_a_weekly_and_a_daily_rhythm_and_little_noise(
    days: dict[str, list[Row]], rows: list[Row]
) -> None:
    sizes = [len(day) for day in days.values()]
    weekend = [size for n, size in enumerate(sizes) if n % 7 >= 5]
    weekdays = [size for n, size in enumerate(sizes) if n % 7 < 5]
    assert abs(sum(sizes) / len(sizes) - 3000) < 100
    usual = sum(weekdays) / len(weekdays)
    assert 1.10 < sum(weekend) / len(weekend) / usual < 1.20
    assert all(abs(size / usual - 1) < 0.05 for size in weekdays)
    hours = Counter(time_of(row).hour for row in rows)
    assert max(hours, key=lambda hour: hours[hour]) in {18, 19, 20, 21}
    assert sum(hours[hour] for hour in range(1, 6)) < hours[19] + hours[20]


@pytest.mark.parametrize("rows_per_day", [1, 200, 40_000])
def test_other_scales_keep_the_proportions(tmp_path: Path, rows_per_day: int) -> None:
    [path] = write_sample(tmp_path, SampleSpec(MONDAY, days=1, rows_per_day=rows_per_day))
    day = read(path)
    assert 0.9 * rows_per_day - 10 < len(day) < 1.05 * rows_per_day + 20
    purchases = sum(row["event_name"] == "checkout_completed" for row in day)
    assert abs(purchases - 0.006 * len(day)) < 2 + 0.001 * len(day)


def test_gzip_holds_the_same_bytes(paths: list[Path], tmp_path: Path) -> None:
    [packed] = write_sample(tmp_path, SampleSpec(MONDAY, days=1, compression="gz"))
    assert packed.name == "events_20260601.csv.gz"
    assert gzip.decompress(packed.read_bytes()) == paths[0].read_bytes()


def test_zstd_has_its_suffix_and_its_magic_number(tmp_path: Path) -> None:
    [packed] = write_sample(tmp_path, SampleSpec(MONDAY, days=1, compression="zst"))
    assert packed.name == "events_20260601.csv.zst"
    assert packed.read_bytes()[:4] == bytes.fromhex("28b52ffd")  # RFC 8878, 3.1.1


def test_it_refuses_to_overwrite_and_then_writes_nothing(tmp_path: Path) -> None:
    present = tmp_path / "events_20260602.csv"
    present.write_text("mine")
    with pytest.raises(FileExistsError, match="delete the files or choose another directory"):
        write_sample(tmp_path, SampleSpec(MONDAY, days=3))
    assert present.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [present]


def test_the_rest_of_a_killed_run_is_no_obstacle(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / ".events_20260601.csv.part").write_text("half a li")
    [path] = write_sample(tmp_path, SampleSpec(MONDAY, days=1))
    assert path.read_bytes() == paths[0].read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_data_folder_can_be_opened_afterwards(paths: list[Path], tmp_path: Path) -> None:
    assert paths
    connection = chdb.connect(str(tmp_path / "db"))
    try:
        assert str(connection.query("select 1")).strip() == "1"
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"days": 0}, "at least one day"),
        ({"rows_per_day": 0}, "choose between 1 and"),
        ({"seed": -1}, "non-negative"),
        ({"compression": "bz2"}, "'gz' or 'zst'"),
    ],
)
def test_a_spec_out_of_range_says_what_to_write(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleSpec(MONDAY, **changes)  # type: ignore[arg-type]


def test_a_directory_that_reads_as_a_glob_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose a directory without them"):
        write_sample(tmp_path / "a*b", SampleSpec(MONDAY, days=1))
