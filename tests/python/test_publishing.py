"""Publishing: what readers of the clean table see, whatever is delivered and in whatever order.

A story is a few deliveries and builds, told once; the tests below it each state one fact of what it
left. Expected values are written by hand from the deliveries.
"""

from __future__ import annotations

import datetime
import json
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import HEADER, ROOT, Gate
from dbt.cli.main import dbtRunner

Rows = list[tuple[Any, ...]]

# What says when and by which run something was done: never the same in two histories.
OF_THE_RUN = {
    "raw_web_events": ("landed_at", "file_mtime"),
    "stg_web_events__evaluated": ("landed_at",),
    "stg_web_events__clean": ("landed_at",),
    "stg_web_events__rejects": ("run_id", "first_failed_at", "last_failed_at", "retry_count"),
    "int_web_events__event_metrics": (),
    "fct_sessions": (),
    "fct_orders": (),
    "dq_gate": ("run_id", "decided_at"),
}


def day(number: int) -> datetime.date:
    return datetime.date(2025, 1, number)


def file_of(number: int) -> str:
    return f"events_{day(number):%Y%m%d}.csv"


def line(number: int, client: str) -> str:
    """A page view without faults, in the first second of a day."""
    return f"{client},https://shop.example/,,{day(number)}T00:00:00.000Z,page_viewed,,Mozilla/5.0\n"


def delivery(number: int, *clients: str) -> str:
    """A day's file: one event a client, on lines 2, 3, ..."""
    return HEADER + "".join(line(number, client) for client in clients)


def without_timestamp(*clients: str) -> str:
    """A day's file whose header lacks a mandatory column."""
    return HEADER.replace("timestamp,", "") + "".join(
        f"{client},https://shop.example/,,page_viewed,,Mozilla/5.0\n" for client in clients
    )


def empty_gate(folder: Path) -> Gate:
    """A gate without files and data."""
    gate = Gate(folder)
    for path in (gate.landing, gate.data):
        shutil.rmtree(path, ignore_errors=True)
    gate.landing.mkdir()
    return gate


@contextmanager
def story(folder: Path, emptied_folder: Path) -> Iterator[Gate]:
    """The fixture ``emptied`` for fixtures that live longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        gate = empty_gate(folder)
        shutil.copytree(emptied_folder, gate.data, symlinks=True)
        patch.setenv("SLUICEGATE_DATA", str(gate.data))
        patch.chdir(ROOT)
        with gate.started():
            yield gate


def clean(gate: Gate) -> dict[datetime.date, list[str]]:
    """The published clients of each day, in order."""
    rows = gate.query(
        "select batch_date, arraySort(groupArray(client_id)) from stg_web_events__clean "
        "group by batch_date order by batch_date"
    )
    return {date: list(clients) for date, clients in rows}


def rejects(gate: Gate) -> dict[datetime.date, list[tuple[str, list[str]]]]:
    """Client and reasons of each day's rejects, in order."""
    rows = gate.query(
        "select batch_date, arraySort(groupArray((client_id, reject_reasons))) "
        "from stg_web_events__rejects group by batch_date order by batch_date"
    )
    return {
        date: [(client, list(reasons)) for client, reasons in entries] for date, entries in rows
    }


def parts(gate: Gate, table: str = "stg_web_events__clean") -> dict[datetime.date, Rows]:
    """The parts that hold each day of a table: name, checksum and time of change."""
    rows = gate.query(
        "select toDate(extract(partition, '[0-9]{4}-[0-9]{2}-[0-9]{2}')), name, hash_of_all_files, "
        "modification_time "
        "from system.parts "
        f"where active and database = 'sluicegate' and table = '{table}' order by all"
    )
    return {date: [row[1:] for row in rows if row[0] == date] for date, *_ in rows}


def content(gate: Gate, table: str, leave_out: tuple[str, ...] = ()) -> Rows:
    """All rows of a table, as text and sorted."""
    columns = f"* except ({', '.join(leave_out)})" if leave_out else "*"
    return gate.query(f"select toJSONString(tuple({columns})) as row from {table} order by row")


def decisions(gate: Gate) -> dict[datetime.date, tuple[str, list[str]]]:
    """The gate's decision on each day, with its reasons."""
    rows = gate.query("select batch_date, decision, hold_reasons from dq_gate order by batch_date")
    return {date: (decision, list(reasons)) for date, decision, reasons in rows}


# A delivery takes the place of the one before it


@dataclass(frozen=True)
class Redelivered:
    """Nine days, of which days 2 to 5 were delivered again with other content."""

    held: set[datetime.date]
    clean: dict[datetime.date, list[str]]
    rejects: dict[datetime.date, list[tuple[str, list[str]]]]
    parts_before: dict[datetime.date, Rows]
    parts_after: dict[datetime.date, Rows]
    raw_parts_before: dict[datetime.date, Rows]
    raw_parts_after: dict[datetime.date, Rows]


@pytest.fixture(scope="module")
def redelivered(gate_folder: Path, emptied_folder: Path) -> Redelivered:
    with story(gate_folder, emptied_folder) as gate:
        for number in range(1, 10):
            gate.write(file_of(number), delivery(number, "ann", "bob"))
        assert gate.models()
        parts_before, raw_parts_before = parts(gate), parts(gate, "raw_web_events")

        gate.write(file_of(2), delivery(2, "bob", "cleo", "dan"))
        gate.write(file_of(3), HEADER)
        gate.write(file_of(4), "")
        gate.write(file_of(5), delivery(5, "", " "))
        assert gate.models()
        held = decisions(gate)
        for number in (3, 4):
            gate.acknowledge("web_events", day(number))
        assert gate.models()
        return Redelivered(
            held={date for date, (decision, _) in held.items() if decision == "hold"},
            clean=clean(gate),
            rejects=rejects(gate),
            parts_before=parts_before,
            parts_after=parts(gate),
            raw_parts_before=raw_parts_before,
            raw_parts_after=parts(gate, "raw_web_events"),
        )


def test_a_day_delivered_again_holds_exactly_the_new_rows(redelivered: Redelivered) -> None:
    assert redelivered.clean[day(2)] == ["bob", "cleo", "dan"]


def test_a_day_that_became_empty_is_held_until_somebody_says_that_it_is_right(
    redelivered: Redelivered,
) -> None:
    assert redelivered.held == {day(3), day(4)}


@pytest.mark.parametrize("number", [3, 4], ids=["header only", "no byte"])
def test_a_day_that_became_empty_has_no_clean_partition_any_more(
    redelivered: Redelivered, number: int
) -> None:
    assert day(number) in redelivered.parts_before
    assert day(number) not in redelivered.parts_after
    assert day(number) not in redelivered.clean
    assert day(number) not in redelivered.rejects


def test_a_day_whose_rows_all_became_rejects_has_them_there_and_nothing_clean(
    redelivered: Redelivered,
) -> None:
    assert redelivered.rejects == {
        day(5): [("", ["missing_client_id"]), (" ", ["missing_client_id"])]
    }
    assert day(5) not in redelivered.clean
    assert day(5) not in redelivered.parts_after


def test_other_days_keep_their_rows(redelivered: Redelivered) -> None:
    others = {date: clients for date, clients in redelivered.clean.items() if date != day(2)}
    assert others == {day(number): ["ann", "bob"] for number in (1, 6, 7, 8, 9)}


def test_days_that_no_changed_day_can_bear_on_keep_their_very_parts(
    redelivered: Redelivered,
) -> None:
    for number in (1, 9):
        date = day(number)
        assert redelivered.parts_after[date] == redelivered.parts_before[date]
    for number in (1, 6, 7, 8, 9):
        date = day(number)
        assert redelivered.raw_parts_after[date] == redelivered.raw_parts_before[date]


# The gate holds a batch


@dataclass(frozen=True)
class Held:
    """What is there after a build: published rows, decisions, and the status of every node."""

    is_green: bool
    results: dict[str, str]
    clean: dict[datetime.date, list[str]]
    rejects: dict[datetime.date, list[tuple[str, list[str]]]]
    decisions: dict[datetime.date, tuple[str, list[str]]]
    day_2_parts: Rows

    @classmethod
    def after_build(cls, gate: Gate) -> Held:
        return cls(
            is_green=gate.build(),
            results=dict(gate.results),
            clean=clean(gate),
            rejects=rejects(gate),
            decisions=decisions(gate),
            day_2_parts=parts(gate).get(day(2), []),
        )

    @property
    def failed(self) -> list[str]:
        return [name for name, status in self.results.items() if not _is_fine(status)]


def _is_fine(status: str) -> bool:
    # A warning makes no build red.
    return status.partition(":")[0] in ("success", "pass", "warn")


@dataclass(frozen=True)
class HoldStory:
    """Day 2 is good, then lacks a column, is published anew from nothing, and is corrected.

    Day 4 comes with day 2's second delivery and lacks the column from the start.
    """

    good: Held
    held: Held
    rebuilt: dict[datetime.date, list[str]]
    corrected: Held


@pytest.fixture(scope="module")
def hold(gate_folder: Path, emptied_folder: Path) -> HoldStory:
    with story(gate_folder, emptied_folder) as gate:
        for number in (1, 2):
            gate.write(file_of(number), delivery(number, "ann", "bob"))
        good = Held.after_build(gate)
        gate.write(file_of(1), delivery(1, "ann", "eve"))
        gate.write(file_of(2), without_timestamp("fay", "gus", "hal"))
        gate.write(file_of(3), delivery(3, "ida"))
        gate.write(file_of(4), without_timestamp("jon"))
        held = Held.after_build(gate)
        assert gate.models("--full-refresh", "--select", "stg_web_events__clean")
        rebuilt = clean(gate)
        gate.write(file_of(2), delivery(2, "fay", "gus", "hal"))
        gate.write(file_of(4), delivery(4, "jon"))
        return HoldStory(good, held, rebuilt, Held.after_build(gate))


def test_a_batch_whose_file_lacks_a_mandatory_column_is_held_with_the_reason(
    hold: HoldStory,
) -> None:
    assert hold.good.decisions == {day(1): ("publish", []), day(2): ("publish", [])}
    assert hold.held.decisions[day(2)] == (
        "hold",
        [
            "mandatory_column_missing[timestamp]=1 (max 0, usually 0), "
            "absent from events_20250102.csv"
        ],
    )


def test_a_held_batch_leaves_what_was_published_untouched(hold: HoldStory) -> None:
    assert hold.held.clean[day(2)] == ["ann", "bob"]
    assert hold.held.day_2_parts == hold.good.day_2_parts != []


def test_rejects_of_a_held_batch_are_visible(hold: HoldStory) -> None:
    reasons = ["missing_timestamp"]
    assert hold.held.rejects == {
        day(2): [("fay", reasons), ("gus", reasons), ("hal", reasons)],
        day(4): [("jon", reasons)],
    }


def test_a_held_batch_keeps_no_other_batch_of_its_run_back(hold: HoldStory) -> None:
    assert hold.held.clean[day(1)] == ["ann", "eve"]
    assert hold.held.clean[day(3)] == ["ida"]
    assert hold.held.decisions[day(1)] == hold.held.decisions[day(3)] == ("publish", [])


def test_a_build_is_red_when_a_batch_is_held_and_for_this_alone(hold: HoldStory) -> None:
    assert hold.good.is_green
    assert not hold.held.is_green
    assert hold.held.failed == ["assert_no_batch_held", "assert_no_critical_alerts"]


def test_a_full_refresh_keeps_the_published_rows_of_a_held_batch(hold: HoldStory) -> None:
    assert hold.rebuilt == hold.held.clean


def test_a_corrected_file_is_published(hold: HoldStory) -> None:
    assert hold.corrected.is_green
    assert hold.corrected.decisions[day(2)] == ("publish", [])
    assert hold.corrected.clean[day(2)] == ["fay", "gus", "hal"]
    assert hold.corrected.clean[day(4)] == ["jon"]
    assert hold.corrected.rejects == {}


def test_a_held_batch_that_was_never_published_has_no_clean_rows(hold: HoldStory) -> None:
    assert hold.held.decisions[day(4)][0] == "hold"
    assert day(4) not in hold.held.clean


# Nothing runs twice


def test_the_same_run_twice_changes_nothing(emptied: Gate) -> None:
    emptied.write(file_of(1), delivery(1, "ann", "bob", "ann", ""))
    emptied.write(file_of(2), delivery(2, "cleo") + "no record\n")
    emptied.write(file_of(3), without_timestamp("dan"))
    emptied.write(file_of(4), HEADER)
    assert emptied.models()
    tables = [name for (name,) in emptied.query("show tables")]
    # Runs are counted, an incident is new only once, and nobody has acknowledged anything.
    told = {"dq_runs", "dq_incidents", "dq_alerts", "dq_acknowledgements"}
    tables = [table for table in tables if table not in told]
    before = {table: content(emptied, table) for table in tables}
    parts_before = {table: parts(emptied, table) for table in OF_THE_RUN}
    assert len(before["raw_web_events"]) > len(before["stg_web_events__clean"]) > 0

    assert emptied.models()
    assert {table: content(emptied, table) for table in tables} == before
    assert {table: parts(emptied, table) for table in OF_THE_RUN} == parts_before


# Copies across batches, and the order of arrival


def copies_across_days() -> dict[int, str]:
    """Days 1 to 6: first copies on days 1 and 2, others three, three and four batches later."""
    files = {number: delivery(number, f"visitor-{number}") for number in range(1, 7)}
    files[1] += line(1, "within") + line(1, "beyond")
    files[2] += line(2, "late")
    files[4] += line(1, "within")
    files[5] += line(1, "beyond") + line(2, "late")
    return files


def everything(gate: Gate) -> dict[str, Rows]:
    """All content but for when and by which run it came to be."""
    return {table: content(gate, table, leave_out) for table, leave_out in OF_THE_RUN.items()}


@dataclass(frozen=True)
class Arrivals:
    """The same six files, all at once and in two runs, days 1 and 3 last."""

    at_once: dict[str, Rows]
    first_copies: dict[str, str]
    clean: dict[datetime.date, list[str]]
    late_clean_before: dict[datetime.date, list[str]]
    late_clean_after: dict[datetime.date, list[str]]
    one_by_one: dict[str, Rows]


@pytest.fixture(scope="module")
def arrivals(gate_folder: Path, emptied_folder: Path) -> Arrivals:
    files = copies_across_days()
    with story(gate_folder, emptied_folder) as gate:
        for number, file in files.items():
            gate.write(file_of(number), file)
        assert gate.models()
        at_once = everything(gate)
        first_copies = dict(
            gate.query(
                "select client_id, first_copy from stg_web_events__rejects "
                "where reject_reasons = ['duplicate_event']"
            )
        )
        published = clean(gate)
    with story(gate_folder, emptied_folder) as gate:
        for number in (2, 4, 5, 6):
            gate.write(file_of(number), files[number])
        assert gate.models()
        late_clean_before = clean(gate)
        for number in (1, 3):
            gate.write(file_of(number), files[number])
        assert gate.models()
        return Arrivals(
            at_once=at_once,
            first_copies=first_copies,
            clean=published,
            late_clean_before=late_clean_before,
            late_clean_after=clean(gate),
            one_by_one=everything(gate),
        )


def test_a_copy_within_the_lookback_is_a_duplicate_that_names_the_first(arrivals: Arrivals) -> None:
    assert arrivals.first_copies == {
        "within": "2025-01-01 events_20250101.csv:3",
        "late": "2025-01-02 events_20250102.csv:3",
    }
    assert arrivals.clean[day(4)] == ["visitor-4"]


def test_a_copy_beyond_the_lookback_is_published(arrivals: Arrivals) -> None:
    assert arrivals.clean[day(1)] == ["beyond", "visitor-1", "within"]
    assert arrivals.clean[day(5)] == ["beyond", "visitor-5"]


def test_a_late_batch_with_the_first_copy_makes_the_published_copy_a_reject(
    arrivals: Arrivals,
) -> None:
    assert arrivals.late_clean_before[day(4)] == ["visitor-4", "within"]
    assert arrivals.late_clean_after[day(4)] == ["visitor-4"]


def test_the_order_of_arrival_leaves_no_trace(arrivals: Arrivals) -> None:
    assert arrivals.one_by_one == arrivals.at_once


# The published table has other columns than its candidate


def test_a_published_table_of_another_structure_is_refused_by_column_and_repaired(
    emptied: Gate,
) -> None:
    for number in (1, 2):
        emptied.write(file_of(number), delivery(number, "ann", "bob"))
    assert emptied.models()
    columns = emptied.query("describe table stg_web_events__clean")
    emptied.query("alter table stg_web_events__clean add column loyalty_tier String")
    emptied.query("alter table stg_web_events__clean drop column device_class")
    published = content(emptied, "stg_web_events__clean")

    emptied.write(file_of(1), delivery(1, "ann", "bob", "dan"))
    emptied.write(file_of(2), without_timestamp("cleo"))
    assert not emptied.models()
    refusal = emptied.results["stg_web_events__clean"]
    assert refusal.startswith("error")
    assert "column loyalty_tier is gone" in refusal
    assert "column device_class LowCardinality(String) is new" in refusal
    assert "dbt build --full-refresh --select stg_web_events__clean" in refusal
    assert content(emptied, "stg_web_events__clean") == published

    assert emptied.models("--full-refresh", "--select", "stg_web_events__clean")
    assert emptied.query("describe table stg_web_events__clean") == columns
    # Day 2 is held: its rows are those published before. What a row no longer has cannot come back.
    assert clean(emptied) == {day(1): ["ann", "bob", "dan"], day(2): ["ann", "bob"]}
    assert emptied.query(
        "select distinct batch_date, device_class from stg_web_events__clean order by all"
    ) == [(day(1), "unknown"), (day(2), "")]
    assert emptied.query("select name from system.tables where position(name, '__sg_') > 0") == []

    emptied.write(file_of(2), delivery(2, "cleo"))
    assert emptied.models()
    assert clean(emptied)[day(2)] == ["cleo"]


# Other targets, other tables


def throw_away_profile(folder: Path, data: Path, schema: str, cluster: str = "") -> None:
    (folder / "profiles.yml").write_text(
        textwrap.dedent(f"""
            sluicegate:
              target: embedded
              outputs:
                embedded:
                  type: clickhouse
                  driver: chdb
                  schema: {schema}
                  cluster: "{cluster}"
                  check_exchange: false
                  custom_settings: {{chdb_path: {data}, session_timezone: UTC}}
        """)
    )


def dbt(folder: Path, project: Path, *arguments: str) -> Any:
    """Run a dbt command on a project with the profile that lies in a folder; its result."""
    outcome = dbtRunner().invoke(
        [
            *arguments,
            *("--project-dir", str(project)),
            *("--profiles-dir", str(folder)),
            *("--target-path", str(folder / "target")),
            *("--log-path", str(folder / "logs")),
            *("--log-level", "none"),
        ]
    )
    if outcome.exception is not None:
        raise outcome.exception
    assert outcome.success, [result.message for result in outcome.result.results]
    return outcome.result


INLINE = """
-- depends_on: {{ ref('stg_web_events__clean') }} {{ ref('stg_web_events__evaluated') }}
{% if execute %}
{{ partition_statements(
    ref('stg_web_events__clean'), ref('stg_web_events__evaluated'), ['20250101'], ['20250102']
) | join(';') }}
{% endif %}
"""


@pytest.mark.parametrize("cluster", ["", "shop_cluster"])
def test_partitions_are_changed_on_the_whole_cluster_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str
) -> None:
    """Only the SQL is looked at: the embedded engine has no cluster that could run it."""
    throw_away_profile(tmp_path, tmp_path / "clickhouse", "default", cluster)
    monkeypatch.chdir(ROOT)
    result = dbt(tmp_path, ROOT, "compile", "--no-populate-cache", "--inline", INLINE)
    sql = result.results[0].node.compiled_code
    statements = " ".join(sql.splitlines()[2:]).strip().split(";")
    clause = f' ON CLUSTER "{cluster}" ' if cluster else "  "
    assert statements == [
        f"alter table `default`.`stg_web_events__clean`{clause}"
        "replace partition id '20250101' from `default`.`stg_web_events__evaluated`",
        f"alter table `default`.`stg_web_events__clean`{clause}drop partition id '20250102'",
    ]


SHOP_PROJECT = {
    "dbt_project.yml": """
        name: shop
        profile: sluicegate
        flags: {send_anonymous_usage_stats: false}
        macro-paths: ["{macros}"]
        vars: {max_rows_per_statement: 1000}
    """,
    "models/orders_delivered.sql": """
        {{ config(
            materialized='table', stage='delivered', order_by='batch_date',
            post_hook="{{ record_changed(this) }}"
        ) }}
        select
            'shop' as stream,
            toDate(delivered.1) as batch_date,
            delivered.2 as fingerprint
        from (select arrayJoin([{{ var('deliveries') }}]) as delivered)
    """,
    "models/orders_candidate.sql": """
        {{ config(
            materialized='batches', stream='shop', stage='orders',
            partition_by=['batch_date', 'is_paid'], order_by='order_id'
        ) }}
        -- depends_on: {{ ref('orders_delivered') }}
        select ordered.1 as order_id, toDate(ordered.2) as batch_date, ordered.3 as is_paid
        from (select arrayJoin([{{ var('orders') }}]) as ordered)
        where {{ in_scope('batch_date') }}
    """,
    "models/orders_verdicts.sql": """
        {{ config(materialized='table', order_by='batch_date') }}
        select 'shop' as stream, toDate(verdict.1) as batch_date, verdict.2 as decision
        from (select arrayJoin([{{ var('verdicts') }}]) as verdict)
    """,
    "models/orders.sql": """
        {{ config(
            materialized='published', stream='shop', stage='orders_published'
        ) }}
        {{ published_from('orders_candidate', where='is_paid', gate='orders_verdicts') }}
    """,
}


@pytest.mark.usefixtures("started")
def test_any_candidate_can_be_published_to_any_table(gate: Gate, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    for name, text in SHOP_PROJECT.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("{macros}", str(ROOT / "macros")))
    for ledger in ("dq_files.sql", "dq_batches.sql", "dq_acknowledgements.sql"):
        shutil.copy(ROOT / "models" / "monitoring" / ledger, project / "models")
    throw_away_profile(tmp_path, gate.data, "sluicegate")

    def build(deliveries: str, orders: str, verdicts: str) -> list[tuple[Any, ...]]:
        variables = {"deliveries": deliveries, "orders": orders, "verdicts": verdicts}
        dbt(tmp_path, project, "run", "--vars", json.dumps(variables))
        return gate.query("select batch_date, order_id from orders order by all")

    assert build(
        deliveries="('2025-01-01', 'a'), ('2025-01-02', 'b')",
        orders="(1, '2025-01-01', true), (2, '2025-01-01', false), (3, '2025-01-02', true)",
        verdicts="('2025-01-01', 'publish'), ('2025-01-02', 'hold')",
    ) == [(day(1), 1)]
    # Both files come again: day 1 has no paid order any more, day 2 is released.
    assert build(
        deliveries="('2025-01-01', 'c'), ('2025-01-02', 'd')",
        orders="(1, '2025-01-01', false), (2, '2025-01-01', false), (3, '2025-01-02', true)",
        verdicts="('2025-01-01', 'publish'), ('2025-01-02', 'released')",
    ) == [(day(2), 3)]
