"""The ledgers: what is newer is what was written later, whatever the clock said."""

from __future__ import annotations

import copy
import gzip
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate
from dbt_common.exceptions import DbtRuntimeError
from test_publishing import clean, day, decisions, delivery, file_of, line, without_timestamp

LEDGERS = {
    "dq_files": ("landed_at",),
    "dq_batches": ("recorded_at",),
    "dq_acknowledgements": ("acknowledged_at",),
    "dq_runs": ("started_at", "ended_at"),
}


def clock_was_ahead(gate: Gate, hours: int) -> None:
    """As if the clock had been that much ahead in all runs so far, and were right again now."""
    for ledger, times in LEDGERS.items():
        moved = ", ".join(f"{time} + interval {hours} hour as {time}" for time in times)
        gate.query(f"create table shifted as {ledger}")
        gate.query(f"insert into shifted select * replace ({moved}) from {ledger}")
        gate.query(f"exchange tables shifted and {ledger}")
        gate.query("drop table shifted sync")


def counts(gate: Gate) -> dict[str, Any]:
    tables = ("dq_files", "dq_batches", "dq_acknowledgements", "raw_web_events")
    return {table: gate.query(f"select count() from {table}")[0][0] for table in tables}


def test_a_clock_that_was_ahead_delays_nothing(emptied: Gate) -> None:
    for number in (1, 2, 3):
        emptied.write(file_of(number), delivery(number, "ann", "bob"))
    assert emptied.models(), emptied.results
    clock_was_ahead(emptied, hours=2)

    # Delivered again: one as a whole other day, one without a mandatory column.
    emptied.write(file_of(2), delivery(2, "cleo", "dan", "eve"))
    emptied.write(file_of(3), without_timestamp("fay"))
    assert emptied.models(), emptied.results
    assert clean(emptied) == {
        day(1): ["ann", "bob"],
        day(2): ["cleo", "dan", "eve"],
        day(3): ["ann", "bob"],
    }
    assert {date: decision for date, (decision, _) in decisions(emptied).items()} == {
        day(1): "publish",
        day(2): "publish",
        day(3): "hold",
    }
    assert emptied.query(
        "select toDayOfMonth(batch_date), toUInt32(value) from dq_metrics "
        "where metric = 'rows_raw' order by all"
    ) == [(1, 2), (2, 3), (3, 1)]

    before = counts(emptied)
    assert emptied.models(), emptied.results
    # The day after a re-delivery, its word "delivered again" is over: one batch is judged again.
    assert counts(emptied)["dq_files"] == before["dq_files"]
    before = counts(emptied)
    assert emptied.models(), emptied.results
    assert counts(emptied) == before

    # A word is about the delivery that was there when it was given, also after another shift.
    clock_was_ahead(emptied, hours=3)
    emptied.acknowledge("web_events", day(3))
    assert emptied.models(), emptied.results
    assert decisions(emptied)[day(3)][0] == "released"
    assert clean(emptied).get(day(3), []) == []


def told_of_the_future(gate: Gate) -> list[Any]:
    return gate.query(
        "select toDayOfMonth(batch_date), toString(status), observed > 5 from dq_check_results "
        "where check_name = 'ledger_in_the_future' and status != 'pass' order by all"
    )


def test_a_ledger_that_lies_in_the_future_is_told_until_the_clock_has_caught_up(
    emptied: Gate,
) -> None:
    for number in (1, 2):
        emptied.write(file_of(number), delivery(number, "ann", "bob"))
    assert emptied.models(), emptied.results
    assert told_of_the_future(emptied) == []
    clock_was_ahead(emptied, hours=2)
    assert emptied.models(), emptied.results
    assert told_of_the_future(emptied) == [(2, "warn", True)]
    before = counts(emptied)
    assert emptied.models(), emptied.results
    assert counts(emptied) == before
    clock_was_ahead(emptied, hours=-2)
    assert emptied.models(), emptied.results
    assert told_of_the_future(emptied) == []


# What a model was built from


def steps(gate: Gate) -> dict[str, tuple[str, set[str]]]:
    """The models that are built batch by batch, first those that read no other one.

    Returns:
        {id: (name in the ledger, ids of those that it reads, also through views)}
    """
    nodes = gate.project().nodes

    def is_step(node: Any) -> bool:
        return node.resource_type == "model" and "stage" in node.config.extra

    def reads(model: str) -> set[str]:
        parents = [nodes[parent] for parent in nodes[model].depends_on.nodes]
        views = [node.unique_id for node in parents if node.config.materialized == "view"]
        direct = {node.unique_id for node in parents if is_step(node)}
        return direct.union(*(reads(view) for view in views))

    found = {node.unique_id: reads(node.unique_id) for node in nodes.values() if is_step(node)}
    in_order = TopologicalSorter(found).static_order()
    return {model: (nodes[model].config.extra["stage"], found[model]) for model in in_order}


def test_whatever_a_model_reads_makes_it_build_the_batch_again(emptied: Gate) -> None:
    models = steps(emptied)
    # The manifest is made anew at every run, and then says again what it said before.
    pairs = {
        (parent, model)
        for model, (_, reads) in models.items()
        for parent in reads - {"model.sluicegate.dq_manifest"}
    }
    parents = [model for model in models if model in {parent for parent, _ in pairs}]
    # What changes for a batch bears on later ones and on the one before: the last steps come first.
    days = {parent: day(2 * number) for number, parent in enumerate(reversed(parents), start=1)}
    for number in range(1, 2 * len(parents) + 2):
        emptied.write(file_of(number), delivery(number, "ann"))
    assert emptied.models(), emptied.results
    for parent, date in days.items():
        ((built_from, built_by),) = emptied.query(
            "select argMax(source_version, entry), argMax(definition, entry) from dq_batches "
            f"where stage = '{models[parent][0]}' and batch_date = '{date}'"
        )
        emptied.enter(
            "dq_batches",
            stream="'web_events'",
            stage=f"'{models[parent][0]}'",
            batch_date=f"toDate('{date}')",
            version="'another'",
            source_version=f"'{built_from}'",
            definition=f"'{built_by}'",
            recorded_at="now64(6, 'UTC')",
        )
    ((newest,),) = emptied.query("select max(entry) from dq_batches")
    assert emptied.models(), emptied.results

    built = emptied.query(f"select stage, batch_date from dq_batches where entry > {newest}")
    assert len(pairs) > len(models)
    assert {
        (parent, model) for parent, model in pairs if (models[model][0], days[parent]) not in built
    } == set()

    # A person's word for a batch is about the decision alone.
    emptied.acknowledge("web_events", day(1))
    ((newest,),) = emptied.query("select max(entry) from dq_acknowledgements")
    assert emptied.models(), emptied.results
    assert emptied.query(f"select stage, batch_date from dq_batches where entry > {newest}") == [
        ("gate", day(1))
    ]


def test_a_correction_that_no_session_shows_reaches_the_published_orders(
    emptied: Gate, puffy: Path
) -> None:
    """One order of a real day gets another transaction id and another name of an item."""
    for path in sorted(puffy.glob("events_*.csv.gz"))[:2]:
        text = gzip.decompress(path.read_bytes()).decode()
        last = emptied.write(path.name.removesuffix(".gz"), text)
    order = r'transaction_id"":""(ORD-[^"]+)"".*?item_name"":""([^"]+)""'
    former, name = re.findall(order, text)[0]
    assert text.count(f'""{former}""') == 1
    line_before = next(line for line in text.splitlines() if former in line)
    line_after = line_before.replace(former, "ORD-CORRECTED").replace(name, "A corrected name", 1)

    def sold(transaction: str) -> Any:
        return emptied.query(
            "select item_name from fct_order_items "
            f"where transaction_id = '{transaction}' and line_number = 1"
        )

    assert emptied.models(), emptied.results
    assert sold(former) == [(name,)]
    sessions = emptied.query("select sum(cityHash64(*)) from fct_sessions")
    emptied.write(last.name, text.replace(line_before, line_after))
    assert emptied.models(), emptied.results
    assert emptied.query("select sum(cityHash64(*)) from fct_sessions") == sessions
    assert sold(former) == []
    assert sold("ORD-CORRECTED") == [("A corrected name",)]


# What a batch was judged by


def with_another_name(number: int) -> str:
    return line(number, "bad").replace("page_viewed", "page_vanished")


def test_what_was_kept_back_is_judged_by_the_rules_of_the_run_that_publishes_it(
    emptied: Gate,
) -> None:
    people = [f"client {number}" for number in range(60)]
    emptied.rules = ("malformed_line", "invalid_timestamp", "duplicate_event")
    emptied.write(file_of(1), delivery(1, *people) + with_another_name(1))
    emptied.write(file_of(2), delivery(2, *people))
    emptied.write(file_of(3), delivery(3, *people))
    assert emptied.models(), emptied.results
    published = clean(emptied)
    assert published[day(1)] == ["bad", *sorted(people)]

    # Delivered again, evaluated and kept back, as by a test that fails.
    emptied.write(file_of(2), delivery(2, *people, "zoe") + with_another_name(2))
    assert emptied.models("--exclude", "config.materialized:published"), emptied.results
    emptied.rules = (*emptied.rules, "unknown_event_name")
    emptied.models("--select", "config.materialized:published")
    assert clean(emptied) == published

    ((newest,),) = emptied.query("select max(entry) from dq_batches")
    assert emptied.models(), emptied.results
    assert clean(emptied) == {**published, day(2): sorted([*people, "zoe"])}
    # Day 3 looks back on day 2 and waited with it; what is published stays.
    assert emptied.query(
        "select distinct batch_date from dq_batches "
        f"where entry > {newest} and stage in ('evaluated', 'published') order by all"
    ) == [(day(2),), (day(3),)]
    before = counts(emptied)
    assert emptied.models(), emptied.results
    assert counts(emptied) == before


def test_other_checks_or_variables_judge_what_waits_again_and_nothing_that_is_published(
    emptied: Gate,
) -> None:
    for number in (1, 2):
        emptied.write(file_of(number), delivery(number, "ann", "bea"))
    assert emptied.models(), emptied.results
    kept_back = ("--exclude", "config.materialized:published", "resource_type:seed")
    emptied.write(file_of(2), delivery(2, "ann", "zoe"))
    assert emptied.models(*kept_back), emptied.results

    def built_again(**variables: Any) -> set[tuple[str, Any]]:
        ((newest,),) = emptied.query("select max(entry) from dq_batches")
        assert emptied.models(*kept_back, **variables), emptied.results
        built = emptied.query(f"select stage, batch_date from dq_batches where entry > {newest}")
        return {(str(stage), batch) for stage, batch in built}

    # That the file was delivered again is said once, and that it is over.
    assert ("evaluated", day(2)) not in built_again()
    assert built_again() == set()
    judged = {(stage, day(2)) for stage in ("checks", "gate", "incidents")}
    assert built_again(baseline_days=50) == judged
    emptied.query(
        "alter table dq_checks update fail_limit = 0.5 where check_name = 'reject_rate' "
        "settings mutations_sync = 2"
    )
    assert built_again(baseline_days=50) == judged
    assert built_again(baseline_days=50) == set()


# A landed batch has a decision


def test_a_landed_batch_of_a_stream_that_nothing_judges_fails_the_run(
    emptied: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The raw model of a stream is copied, as one who begins another stream does, and no more."""
    project = emptied.project()
    copied = copy.deepcopy(project.nodes["model.sluicegate.raw_web_events"])
    copied.unique_id = "model.sluicegate.raw_orders"
    copied.name = copied.alias = "raw_orders"
    copied.relation_name = copied.relation_name.replace("raw_web_events", "raw_orders")
    copied.fqn = [*copied.fqn[:-1], "raw_orders"]
    copied.config["stream"] = "orders"
    project.nodes[copied.unique_id] = copied
    project.build_flat_graph()
    monkeypatch.setattr(Gate, "project", lambda _: copy.deepcopy(project))
    places = {stream: str(emptied.landing / stream) for stream in ("web_events", "orders")}
    for number, place in enumerate(places.values(), start=1):
        Path(place).mkdir()
        emptied.write(f"{Path(place).name}/{file_of(number)}", delivery(number, "ann"))

    # A part of the project leaves batches to the next run, and without rows there are none.
    assert emptied.models("--select", "raw_orders", landing=places), emptied.results
    assert emptied.models("--empty", landing=places), emptied.results

    with pytest.raises(DbtRuntimeError, match=r"the gate has no decision on orders: 2025-01-02\."):
        emptied.models(landing=places)
    assert decisions(emptied)[day(1)][0] == "publish"
