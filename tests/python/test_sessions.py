"""Sessions and orders: what they are on deliveries told by hand, and on random ones that a plain
Python reading of the same rows must agree with, whatever is delivered in whatever order."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import HEADER, Gate
from test_publishing import story

Rows = list[tuple[Any, ...]]

TIMEOUT = datetime.timedelta(minutes=30)
WINDOW = datetime.timedelta(days=7)
REPEAT_BATCHES = 3
SHOP = "https://shop.example"

# What brings a visitor: query of the landing page, referrer, and the channel that this is.
WAYS = {
    "email": ("utm_source=letter&utm_medium=email&utm_campaign=weekly", "", "email"),
    "search": ("", "https://www.google.com/", "organic_search"),
    "ad": ("gclid=1", "https://www.google.com/", "paid_search"),
    "direct": ("", "", "direct"),
    "inside": ("", "https://shop.example/cart", "direct"),
}
DEVICES = {
    "desktop": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "mobile": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Mobile/15E148",
    "bot": "Googlebot/2.1",
}
EVENTS = {
    "view": "page_viewed",
    "email": "email_filled_on_popup",
    "cart": "product_added_to_cart",
    "checkout": "checkout_started",
    "purchase": "checkout_completed",
}


def day(number: int) -> datetime.date:
    return datetime.date(2025, 1, number)


def at(number: int, clock: str) -> datetime.datetime:
    """A time of day, as 9:30, 09:30:00 or 09:30:00.001."""
    hours, minutes, *seconds = clock.split(":")
    offset = (
        datetime.timedelta(
            hours=int(hours), minutes=int(minutes), milliseconds=round(float(seconds[0]) * 1000)
        )
        if seconds
        else datetime.timedelta(hours=int(hours), minutes=int(minutes))
    )
    return datetime.datetime.combine(day(number), datetime.time()) + offset


@dataclass(frozen=True)
class Event:
    """One row of a landing file."""

    client: str
    at: datetime.datetime
    kind: str = "view"
    way: str = "direct"
    device: str = "desktop"
    transaction: str = ""
    revenue: Any = None
    email: str = ""
    items: tuple[Any, ...] = ()
    number: int = 0

    @property
    def page(self) -> str:
        # The number makes every address one of a kind: no event is a copy of another.
        query = WAYS[self.way][0]
        return f"{SHOP}/{self.number}" + (f"?{query}" if query else "")

    @property
    def fields(self) -> list[str]:
        data: dict[str, Any] = {}
        if self.kind == "purchase":
            data = {
                "transaction_id": self.transaction,
                "revenue": self.revenue,
                "items": list(self.items),
                "user_email": self.email,
            }
        return [
            self.client,
            self.page,
            WAYS[self.way][1],
            f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03}Z",
            EVENTS[self.kind],
            json.dumps(data) if data else "",
            DEVICES[self.device],
        ]


Files = dict[str, list[Event]]


def file_of(number: int, suffix: str = "") -> str:
    return f"events_{day(number):%Y%m%d}{suffix}.csv"


def text_of(events: Iterable[Event]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(event.fields for event in events)
    return HEADER + text.getvalue()


def numbered(events: Iterable[Event], start: int = 1) -> list[Event]:
    return [replace(event, number=number) for number, event in enumerate(events, start)]


def deliver(gate: Gate, files: Files) -> None:
    """Write the files and build up to the orders."""
    for name, events in files.items():
        gate.write(name, text_of(events))
    assert gate.models("--select", "+int_web_events__orders"), gate.results


# The reference: sessions and orders of a list of files, in plain Python


@dataclass
class Session:
    client: str
    batch: datetime.date
    events: list[Event]

    @property
    def started(self) -> datetime.datetime:
        return self.events[0].at

    @property
    def ended(self) -> datetime.datetime:
        return max(event.at for event in self.events)

    @property
    def channel(self) -> str:
        return WAYS[self.events[0].way][2]

    @property
    def row(self) -> tuple[Any, ...]:
        first = self.events[0]
        count = {kind: sum(event.kind == kind for event in self.events) for kind in EVENTS}
        revenue = sum(
            (Decimal(str(event.revenue)) for event in self.events if is_worth(event)), Decimal(0)
        )
        return (
            self.batch,
            self.client,
            self.started,
            self.ended,
            first.page,
            WAYS[first.way][1],
            self.channel,
            first.device,
            len(self.events),
            count["view"],
            count["cart"],
            count["checkout"],
            count["purchase"],
            revenue,
            count["email"] > 0,
            count["cart"] > 0,
            count["checkout"] > 0,
            count["purchase"] > 0,
            first.device == "bot",
        )


SESSION_ROW = (
    "batch_date, client_id, started_at, ended_at, landing_page, referrer, channel, device_class, "
    "events, page_views, products_added, checkouts_started, purchases, revenue, has_email, "
    "has_product_added, has_checkout_started, has_purchase, is_bot"
)


def is_worth(event: Event) -> bool:
    return event.kind == "purchase" and event.revenue is not None


def batches_of(files: Files) -> dict[datetime.date, list[Event]]:
    """The accepted events of each batch by (time, file, line); batches oldest first."""
    batches: dict[datetime.date, list[tuple[Any, ...]]] = {}
    for name in sorted(files, key=lambda name: name[7:15]):
        batch = datetime.datetime.strptime(name[7:15], "%Y%m%d").date()
        rows = batches.setdefault(batch, [])
        for line, event in enumerate(files[name]):
            if event.client.strip():
                rows.append((event.at, name, line, event))
    return {batch: [row[-1] for row in sorted(rows)] for batch, rows in batches.items()}


def split(events: list[Event]) -> list[list[Event]]:
    parts: list[list[Event]] = []
    for event in events:
        if parts and event.at - parts[-1][-1].at <= TIMEOUT:
            parts[-1].append(event)
        else:
            parts.append([event])
    return parts


def sessions_of(files: Files) -> list[Session]:
    batches = batches_of(files)
    parts: dict[str, dict[datetime.date, list[list[Event]]]] = defaultdict(dict)
    for batch, events in batches.items():
        for client in {event.client for event in events}:
            parts[client][batch] = split([event for event in events if event.client == client])
    sessions: list[Session] = []
    for client, days in parts.items():
        open_session: Session | None = None
        open_date = datetime.date.min
        was_near = False
        for batch, of_day in sorted(days.items()):
            last_part = days[open_date][-1] if open_date in days else []
            near = (
                bool(last_part)
                and batch - open_date == datetime.timedelta(days=1)
                and last_part[0].at <= of_day[0][0].at <= last_part[-1].at + TIMEOUT
            )
            # The day before is one part that follows the day before that: one midnight is enough.
            too_long = was_near and len(days[open_date]) == 1
            for number, part in enumerate(of_day):
                if number == 0 and near and not too_long and open_session is not None:
                    open_session.events = open_session.events + part
                else:
                    open_session = Session(client, batch, part)
                    sessions.append(open_session)
            open_date, was_near = batch, near
    return sessions


ORDER_ROW = (
    "orders.batch_date, orders.client_id, transaction_id, ordered_at, sessions.batch_date, "
    "sessions.started_at, user_email, orders.channel, first_touch_channel, last_touch_channel, "
    "assisting_channels, orders.device_class, purchase_events, orders.revenue, revenue_of_repeats, "
    "is_assisted, is_orphan"
)


def orders_of(files: Files) -> Rows:
    sessions = sessions_of(files)
    batches = batches_of(files)
    reported: list[dict[tuple[str, str], list[Event]]] = []
    for events in batches.values():
        pairs: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in events:
            if event.kind == "purchase":
                pairs[event.client, event.transaction].append(event)
        reported.append(pairs)
    rows = []
    for sequence, (batch, pairs) in enumerate(zip(batches, reported, strict=True)):
        earlier = reported[max(0, sequence - REPEAT_BATCHES) : sequence]
        for (client, transaction), events in pairs.items():
            if any((client, transaction) in before for before in earlier):
                continue
            telling = next((event for event in events if is_worth(event)), events[0])
            worth = [Decimal(str(event.revenue)) for event in events if is_worth(event)]
            own = next(
                session
                for session in sessions
                if any(event.number == events[0].number for event in session.events)
            )
            touches = sorted(
                (
                    session
                    for session in sessions
                    if session.client == client
                    and own.started - WINDOW <= session.started <= own.started
                    and batch - WINDOW - datetime.timedelta(days=1) <= session.batch <= batch
                ),
                key=lambda session: (session.started, session.ended, session.batch),
            )
            others = [touch.channel for touch in touches if touch.channel != own.channel]
            rows.append(
                (
                    batch,
                    client,
                    transaction,
                    events[0].at,
                    own.batch,
                    own.started,
                    telling.email,
                    own.channel,
                    touches[0].channel,
                    own.channel,
                    list(dict.fromkeys(others)),
                    own.events[0].device,
                    len(events),
                    worth[0] if worth else None,
                    sum(worth[1:], Decimal(0)),
                    bool(others),
                    not any(
                        event.kind != "purchase" and event.at <= events[0].at
                        for touch in touches
                        for event in touch.events
                    ),
                )
            )
    return sorted(rows, key=lambda row: row[:3])


def sessions_in(gate: Gate) -> Rows:
    rows = gate.query(f"select {SESSION_ROW} from int_web_events__sessions")
    return sorted(rows, key=lambda row: row[:3])


def orders_in(gate: Gate) -> Rows:
    rows = gate.query(
        f"select {ORDER_ROW} from int_web_events__orders as orders "
        "inner join int_web_events__sessions as sessions "
        "on sessions.session_id = orders.session_id"
    )
    return sorted(rows, key=lambda row: row[:3])


def content(gate: Gate) -> dict[str, Rows]:
    """All columns of all rows, ids included."""
    return {
        table: gate.query(f"select toJSONString(tuple(*)) as row from {table} order by row")
        for table in (
            "int_web_events__session_parts",
            "int_web_events__sessions",
            "int_web_events__orders",
        )
    }


# Told by hand: four days, delivered one by one

EVERY_25_MINUTES = datetime.timedelta(minutes=25)
ITEMS = (
    {
        "item_id": "m1",
        "item_name": "Mattress",
        "item_variant": "Queen",
        "quantity": 2,
        "item_price": "7.50",
    },
    {
        "item_id": None,
        "item_name": None,
        "item_variant": None,
        "quantity": None,
        "item_price": None,
    },
    None,
)


def purchase(
    client: str, when: datetime.datetime, transaction: str, revenue: Any, **more: Any
) -> Event:
    return Event(client, when, "purchase", transaction=transaction, revenue=revenue, **more)


def owl() -> list[Event]:
    """Never 30 minutes without an event, from the evening of day 1 to the morning of day 4."""
    events, when = [], at(1, "20:00")
    while when < at(4, "2:00"):
        events.append(Event("owl", when))
        when += EVERY_25_MINUTES
    return events


def told() -> dict[int, list[Event]]:
    """The events of days 1 to 4."""
    days: dict[int, list[Event]] = {
        1: [
            Event("midnight", at(1, "23:50"), way="email"),
            Event("exact", at(1, "12:00:00.000")),
            Event("exact", at(1, "12:30:00.000")),
            Event("over", at(1, "12:00:00.000")),
            Event("over", at(1, "12:30:00.001")),
            Event("exact at midnight", at(1, "23:45:00.000")),
            Event("over at midnight", at(1, "23:45:00.000")),
            # Lines out of order; of two events at once the upper line is the first.
            Event("unsorted", at(1, "9:20"), "cart"),
            Event("unsorted", at(1, "9:00"), way="search", device="mobile"),
            Event("unsorted", at(1, "9:00"), way="email"),
            Event("unsorted", at(1, "9:40"), "checkout"),
            Event("late", at(1, "11:50")),
            Event("too late", at(1, "11:00")),
            Event("too late", at(1, "15:00")),
            Event("crossed", at(1, "23:40")),
            Event("crossed", at(1, "23:55")),
            Event("assisted", at(1, "10:00"), way="email"),
            Event("assisted", at(1, "12:00"), way="search"),
            Event("faithful", at(1, "10:00")),
            Event("seen before", at(1, "10:00")),
            purchase("twice", at(1, "10:02"), "T1", 50),
            purchase("twice", at(1, "10:01"), "T1", None),
            purchase("twice", at(1, "10:03"), "T1", "20.5"),
            purchase("shares an id", at(1, "10:00"), "T1", 7),
            purchase("", at(1, "10:00"), "T0", 1),
            Event("inside", at(1, "10:00"), way="inside"),
            Event("late buyer", at(1, "11:00")),
            Event("late buyer", at(1, "11:20")),
            Event("late buyer", at(1, "15:00")),
        ],
        2: [
            Event("midnight", at(2, "0:10"), "cart"),
            purchase("midnight", at(2, "0:15"), "T2", 99),
            Event("exact at midnight", at(2, "0:15:00.000")),
            Event("over at midnight", at(2, "0:15:00.001")),
            Event("late", at(1, "12:00")),
            Event("too late", at(1, "11:10")),
            Event("crossed", at(1, "23:54")),
            Event("crossed", at(2, "0:05")),
            purchase("twice", at(2, "10:00"), "T1", 50),
            purchase("nobody", at(2, "10:00"), "T3", 1),
            purchase("viewed afterwards", at(2, "10:00"), "T4", 1),
            Event("viewed afterwards", at(2, "10:05")),
            purchase("seen before", at(2, "10:00"), "T5", 1),
            purchase("late buyer", at(1, "11:10"), "T8", 1),
            Event("a week ago", at(2, "23:50")),
        ],
        3: [
            Event("assisted", at(3, "10:00")),
            purchase("assisted", at(3, "10:05"), "T6", "15.00", items=ITEMS, email="a@b.example"),
            Event("faithful", at(3, "10:00")),
            purchase("faithful", at(3, "10:05"), "T7", 0),
            purchase("a week ago", at(3, "0:10"), "T9", 1),
        ],
        4: [Event("somebody", at(4, "10:00"))],
    }
    for event in owl():
        days[event.at.day].append(event)
    return {number: numbered(events, number * 1000) for number, events in days.items()}


def week_before() -> Files:
    """The six days before day 1. A session on the first of them begins 6 days and 23:55 before one
    of day 2 that goes on on day 3: of day 3, the batch is the eighth before."""
    files = {}
    for days_before in range(6, 0, -1):
        date = day(1) - datetime.timedelta(days=days_before)
        when = datetime.datetime.combine(date, datetime.time(23, 55))
        client = "a week ago" if days_before == 6 else "somebody"
        files[f"events_{date:%Y%m%d}.csv"] = [Event(client, when, way="email")]
    return files


@dataclass
class Told:
    """What was there after day 1, and after day 4."""

    first_day: list[tuple[Any, ...]] = field(default_factory=list)
    sessions: list[tuple[Any, ...]] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    order_sessions: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    items: Rows = field(default_factory=list)
    one_by_one: dict[str, Rows] = field(default_factory=dict)
    clean_events: Rows = field(default_factory=list)
    events_of_parts: Rows = field(default_factory=list)

    def of(self, client: str) -> list[tuple[Any, ...]]:
        """Day of the batch, begin, end and number of events of a client's sessions."""
        return [row[1:] for row in self.sessions if row[0] == client]


SPANS = (
    "select client_id, toDayOfMonth(batch_date), started_at, ended_at, events "
    "from int_web_events__sessions order by client_id, started_at"
)
ORDER_FACTS = (
    "transaction_id", "client_id", "batch_date", "revenue", "revenue_of_repeats",
    "purchase_events", "channel", "first_touch_channel", "assisting_channels", "is_assisted",
    "is_orphan", "user_email",
)  # fmt: skip


@pytest.fixture(scope="module")
def days(gate_folder: Path, emptied_folder: Path) -> Told:
    with story(gate_folder, emptied_folder) as gate:
        seen = Told()
        for number, events in told().items():
            deliver(gate, {file_of(number): events} | (week_before() if number == 1 else {}))
            if number == 1:
                seen.first_day = gate.query(SPANS)
        seen.sessions = gate.query(SPANS)
        for row in gate.query(
            f"select client_id || ' ' || transaction_id, {', '.join(ORDER_FACTS)} "
            "from int_web_events__orders"
        ):
            seen.orders[row[0]] = dict(zip(ORDER_FACTS, row[1:], strict=True))
        seen.order_sessions = {
            row[2]: (row[4], row[5])
            for row in gate.query(
                f"select {ORDER_ROW} from int_web_events__orders as orders "
                "inner join int_web_events__sessions as sessions "
                "on sessions.session_id = orders.session_id"
            )
        }
        seen.items = gate.query(
            "select arrayJoin(items) as item, item.1, item.2, item.3, item.4, item.5 "
            "from int_web_events__orders"
        )
        seen.one_by_one = content(gate)
        seen.clean_events = gate.query(
            "select batch_date, count(), ifNull(sum(revenue), 0) from stg_web_events__evaluated "
            "where not is_rejected group by batch_date order by batch_date"
        )
        seen.events_of_parts = gate.query(
            "select batch_date, sum(events), sum(revenue) from int_web_events__session_parts "
            "group by batch_date order by batch_date"
        )
        return seen


def test_a_session_over_midnight_belongs_to_the_batch_it_began_in(days: Told) -> None:
    assert ("midnight", 1, at(1, "23:50"), at(1, "23:50"), 1) in days.first_day
    assert days.of("midnight") == [(1, at(1, "23:50"), at(2, "0:15"), 3)]


def test_exactly_thirty_minutes_are_no_pause(days: Told) -> None:
    assert days.of("exact") == [(1, at(1, "12:00"), at(1, "12:30"), 2)]
    assert days.of("over") == [
        (1, at(1, "12:00"), at(1, "12:00"), 1),
        (1, at(1, "12:30:00.001"), at(1, "12:30:00.001"), 1),
    ]
    assert days.of("exact at midnight") == [(1, at(1, "23:45"), at(2, "0:15"), 2)]
    assert days.of("over at midnight") == [
        (1, at(1, "23:45"), at(1, "23:45"), 1),
        (2, at(2, "0:15:00.001"), at(2, "0:15:00.001"), 1),
    ]


def test_a_session_goes_over_one_midnight_at_most(days: Told) -> None:
    events = owl()
    by_day = {
        number: [event for event in events if event.at.day == number] for number in range(1, 5)
    }
    assert days.of("owl") == [
        (1, by_day[1][0].at, by_day[2][-1].at, len(by_day[1]) + len(by_day[2])),
        (3, by_day[3][0].at, by_day[3][-1].at, len(by_day[3])),
        (4, by_day[4][0].at, by_day[4][-1].at, len(by_day[4])),
    ]


def test_the_order_of_lines_does_not_matter_but_for_events_at_once(days: Told) -> None:
    assert days.of("unsorted") == [(1, at(1, "9:00"), at(1, "9:40"), 4)]
    (row,) = [row for row in days.one_by_one["int_web_events__sessions"] if "unsorted" in row[0]]
    assert "organic_search" in row[0]
    assert "mobile" in row[0]


def test_a_late_event_joins_the_last_session_of_the_day_before_if_it_fits(days: Told) -> None:
    assert days.of("late") == [(1, at(1, "11:50"), at(1, "12:00"), 2)]
    assert days.of("crossed") == [(1, at(1, "23:40"), at(2, "0:05"), 4)]


def test_another_late_event_is_a_session_of_the_batch_it_came_in(days: Told) -> None:
    assert days.of("too late") == [
        (1, at(1, "11:00"), at(1, "11:00"), 1),
        (2, at(1, "11:10"), at(1, "11:10"), 1),
        (1, at(1, "15:00"), at(1, "15:00"), 1),
    ]


def test_every_clean_event_and_its_revenue_is_in_one_part(days: Told) -> None:
    assert days.events_of_parts == days.clean_events


def test_an_order_is_counted_once_and_its_repeats_beside_it(days: Told) -> None:
    order = days.orders["twice T1"]
    assert order["batch_date"] == day(1)
    assert (order["purchase_events"], order["revenue"], order["revenue_of_repeats"]) == (
        3,
        Decimal(50),
        Decimal("20.5"),
    )


def test_two_clients_with_one_transaction_id_are_two_orders(days: Told) -> None:
    assert days.orders["shares an id T1"]["revenue"] == Decimal(7)
    assert {name for name in days.orders if name.endswith("T1")} == {"shares an id T1", "twice T1"}


def test_a_purchase_without_client_is_no_order(days: Told) -> None:
    assert not [name for name in days.orders if name.endswith("T0")]


def test_an_order_after_midnight_has_the_session_that_began_before(days: Told) -> None:
    order = days.orders["midnight T2"]
    assert order["batch_date"] == day(2)
    assert (order["channel"], order["is_assisted"], order["is_orphan"]) == ("email", False, False)


def test_a_late_purchase_belongs_to_the_session_of_its_own_batch(days: Told) -> None:
    assert days.order_sessions["T8"] == (day(2), at(1, "11:10"))
    assert not days.orders["late buyer T8"]["is_orphan"]


def test_the_attribution_window_is_counted_from_the_begin_of_a_session_over_midnight(
    days: Told,
) -> None:
    assert days.order_sessions["T9"] == (day(2), at(2, "23:50"))
    assert days.orders["a week ago T9"]["first_touch_channel"] == "email"


def test_sessions_of_other_channels_assist(days: Told) -> None:
    order = days.orders["assisted T6"]
    assert (order["channel"], order["first_touch_channel"]) == ("direct", "email")
    assert order["assisting_channels"] == ["email", "organic_search"]
    assert order["is_assisted"]
    assert order["user_email"] == "a@b.example"
    faithful = days.orders["faithful T7"]
    assert (faithful["assisting_channels"], faithful["is_assisted"]) == ([], False)


def test_an_order_that_nothing_but_purchases_came_before_is_an_orphan(days: Told) -> None:
    assert {name for name, order in days.orders.items() if order["is_orphan"]} == {
        "twice T1",
        "shares an id T1",
        "nobody T3",
        "viewed afterwards T4",
    }


def test_items_keep_their_numbers_and_unusable_ones_are_null(days: Told) -> None:
    assert [row[1:] for row in days.items] == [
        ("m1", "Mattress", "Queen", Decimal(2), Decimal("7.5")),
        ("", "", "", None, None),
        ("", "", "", None, None),
    ]


# Random files, against the reference

CLIENTS = [f"client {number}" for number in range(30)] + [
    "o'neil",
    "Zoë",
    "a,b",
    'quo"te',
    "back\\slash",
]


def random_day(number: int, dice: random.Random) -> list[Event]:
    """Events on a grid that makes exact and nearly exact pauses likely, many at midnight."""
    events = []
    for client in CLIENTS:
        if dice.random() < 0.25:
            continue
        for _ in range(dice.choice([1, 1, 2, 4, 9])):
            minute = dice.choice(
                [0, 10, 15, 30, 45, 60, 600, 630, 660, 1380, 1410, 1425, 1430, 1439]
            )
            when = at(number, "0:00") + datetime.timedelta(
                minutes=minute, milliseconds=dice.choice([0, 0, 1])
            )
            if dice.random() < 0.05:
                when -= datetime.timedelta(days=dice.choice([1, 1, 2, 9]))
            event = Event(
                client,
                when,
                dice.choice(["view", "view", "view", "email", "cart", "checkout", "purchase"]),
                dice.choice(list(WAYS)),
                dice.choice(list(DEVICES)),
            )
            if event.kind == "purchase":
                event = replace(
                    event,
                    # Few ids, so that they come again: with the same client and with others.
                    transaction=f"T{dice.randrange(12)}",
                    revenue=dice.choice([None, 0, 12, "99.95", -5, 1234.5]),
                    email=dice.choice(["", "e@shop.example"]),
                )
            events.append(event)
    awake = [
        Event("never asleep", at(number, "0:00") + step * EVERY_25_MINUTES) for step in range(57)
    ]
    events += awake + [replace(event, client=" ") for event in events[:5]]
    dice.shuffle(events)
    return numbered(events, number * 10_000 + dice.randrange(5) * 1000)


def random_files(days: Iterable[int], dice: random.Random) -> Files:
    """One file a day, two on every third day."""
    files = {}
    for number in days:
        events = random_day(number, dice)
        middle = len(events) // 2 if number % 3 == 0 else len(events)
        files[file_of(number)] = events[:middle]
        if events[middle:]:
            files[file_of(number, "_b")] = events[middle:]
    return files


@dataclass
class Arrivals:
    """Ten days but the sixth, in four runs with late days and days that come again, and at once."""

    steps: list[tuple[Files, Rows, Rows]]
    one_by_one: dict[str, Rows]
    at_once: dict[str, Rows]
    ids: dict[str, list[str]]


@pytest.fixture(scope="module")
def arrivals(gate_folder: Path, emptied_folder: Path) -> Arrivals:
    dice = random.Random(20250223)
    first = random_files([1, 2, 4, 5, 7], dice)
    steps = [
        first,
        random_files([3, 8], dice),
        random_files([2, 4, 10, 11], dice),
        random_files([9, 7], dice),
    ]
    seen = []
    with story(gate_folder, emptied_folder) as gate:
        files: Files = {}
        for step in steps:
            files = files | step
            deliver(gate, step)
            seen.append((files, sessions_in(gate), orders_in(gate)))
        one_by_one = content(gate)
    with story(gate_folder, emptied_folder) as gate:
        deliver(gate, files)
        ids = {
            name: [row[0] for row in gate.query(f"select {name} from int_web_events__{table}")]
            for name, table in (("session_id", "sessions"), ("order_id", "orders"))
        }
        return Arrivals(seen, one_by_one, content(gate), ids)


STEPS = ["missing_days", "late_day", "delivered_again", "late_and_again"]


@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_sessions_are_those_of_the_reference(arrivals: Arrivals, step: int) -> None:
    files, sessions, _ = arrivals.steps[step]
    expected = sorted((session.row for session in sessions_of(files)), key=lambda row: row[:3])
    assert sessions == expected


@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_orders_are_those_of_the_reference(arrivals: Arrivals, step: int) -> None:
    files, _, orders = arrivals.steps[step]
    assert orders == orders_of(files)


def test_the_random_files_hold_what_they_are_for(arrivals: Arrivals) -> None:
    files, sessions, orders = arrivals.steps[-1]
    assert len(sessions) > 500
    assert len([row for row in sessions if row[3].date() > row[0]]) > 20
    assert len([row for row in orders if row[4] < row[0]]) > 5
    purchases = {
        (event.client, event.transaction, batch)
        for batch, events in batches_of(files).items()
        for event in events
        if event.kind == "purchase"
    }
    assert len(orders) < len(purchases) - 5
    assert {row[-1] for row in orders} == {row[-2] for row in orders} == {True, False}


def test_the_order_of_arrival_leaves_no_trace_in_sessions_and_orders(arrivals: Arrivals) -> None:
    assert arrivals.one_by_one == arrivals.at_once


@pytest.mark.parametrize("name", ["session_id", "order_id"])
def test_ids_are_unique(arrivals: Arrivals, name: str) -> None:
    assert len(arrivals.ids[name]) == len(set(arrivals.ids[name])) > 100


# Published with their batch


@dataclass(frozen=True)
class Published:
    """Days 1 and 2, each in a run of its own; then day 2 again, without times."""

    midnight_before: Rows
    midnight_after: Rows
    orders: Rows
    candidates: Rows
    items: Rows
    orders_when_held: Rows
    decision: Rows


@pytest.fixture(scope="module")
def published(gate_folder: Path, emptied_folder: Path) -> Published:
    midnight = "select ended_at, events from fct_sessions where client_id = 'midnight'"
    orders = "select order_id, batch_date, revenue from {} order by order_id"
    with story(gate_folder, emptied_folder) as gate:
        first = [
            Event("shopper", at(1, "10:00")),
            purchase("shopper", at(1, "10:05"), "T1", 15, items=ITEMS),
            Event("midnight", at(1, "23:50"), way="email"),
        ]
        second = [
            Event("midnight", at(2, "0:10"), "cart"),
            purchase("midnight", at(2, "0:15"), "T2", 99),
        ]
        gate.write(file_of(1), text_of(numbered(first)))
        assert gate.models(), gate.results
        midnight_before = gate.query(midnight)
        gate.write(file_of(2), text_of(numbered(second, 2000)))
        assert gate.models(), gate.results
        midnight_after = gate.query(midnight)
        seen = gate.query(orders.format("fct_orders"))
        candidates = gate.query(orders.format("int_web_events__orders"))
        items = gate.query(
            "select line_number, item_id, quantity, item_price from fct_order_items order by all"
        )
        gate.write(file_of(2), text_of(numbered(second, 2000)).replace("timestamp", "time", 1))
        assert gate.models(), gate.results
        return Published(
            midnight_before,
            midnight_after,
            seen,
            candidates,
            items,
            gate.query(orders.format("fct_orders")),
            gate.query("select decision from dq_gate where batch_date = '2025-01-02'"),
        )


def test_a_published_session_goes_on_when_the_next_day_is_published(published: Published) -> None:
    assert published.midnight_before == [(at(1, "23:50"), 1)]
    assert published.midnight_after == [(at(2, "0:15"), 3)]


def test_orders_are_published_with_their_batch(published: Published) -> None:
    assert published.orders == published.candidates
    assert {date for _, date, _ in published.orders} == {day(1), day(2)}


def test_published_items_are_numbered_within_their_order(published: Published) -> None:
    assert published.items == [
        (1, "m1", Decimal(2), Decimal("7.5")),
        (2, "", None, None),
        (3, "", None, None),
    ]


def test_a_held_batch_leaves_its_published_orders_untouched(published: Published) -> None:
    assert published.decision == [("hold",)]
    assert published.orders_when_held == published.orders


# What is judged again


def test_a_day_is_judged_again_when_one_of_its_sessions_went_on_and_else_not(emptied: Gate) -> None:
    def times_judged() -> int:
        [(times,)] = emptied.query(
            "select count() from dq_batches where stage = 'checks' and batch_date = '2025-01-01'"
        )
        return int(times)

    def view(number: int, clock: str, client: str) -> str:
        return f"{client},https://s/,,2025-01-0{number}T{clock}:00.000Z,page_viewed,,agent\n"

    emptied.write(file_of(1), HEADER + view(1, "10:00", "day") + view(1, "23:50", "night"))
    assert emptied.models()
    emptied.write(file_of(2), HEADER + view(2, "10:00", "day"))
    assert emptied.models()
    assert times_judged() == 1
    emptied.write(file_of(2), HEADER + view(2, "00:05", "night") + view(2, "10:00", "day"))
    assert emptied.models()
    assert times_judged() == 2


# The real files


def real_events(folder: Path) -> Iterator[tuple[datetime.date, str, datetime.datetime, str]]:
    for path in sorted(folder.glob("*.csv.gz")):
        batch = datetime.datetime.strptime(path.name[7:15], "%Y%m%d").date()
        with gzip.open(path, "rt", newline="") as file:
            for row in csv.DictReader(file):
                client = row.get("client_id") or row.get("clientId") or ""
                when = datetime.datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
                if client:
                    yield batch, client, when, row["event_name"]


def test_real_sessions_are_as_many_as_counted_in_python(emptied: Gate, puffy: Path) -> None:
    by_client: dict[str, list[tuple[datetime.datetime, str]]] = defaultdict(list)
    for _, client, when, name in real_events(puffy):
        by_client[client].append((when, name))
    expected: dict[datetime.date, list[int]] = defaultdict(lambda: [0, 0, 0])
    for events in by_client.values():
        begin = before = datetime.datetime.min
        for when, name in sorted(events):
            if when - before > TIMEOUT:
                begin = when
                expected[begin.date()][0] += 1
            before = when
            expected[begin.date()][1] += 1
            expected[begin.date()][2] += name == "checkout_completed"
    for path in puffy.glob("*.csv.gz"):
        emptied.write(path.name, path.read_bytes())
    deliver(emptied, {})
    assert {
        batch: counts
        for batch, *counts in emptied.query(
            "select batch_date, count(), sum(events), sum(purchases) "
            "from int_web_events__sessions group by batch_date"
        )
    } == expected
    assert emptied.query(
        "select sum(purchase_events), sum(revenue) from int_web_events__orders"
    ) == [(147, Decimal("148037.6"))]
