"""A person's word that what a check found in a batch is right: audited, and the batch released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sluicegate.engine import literal, rows
from sluicegate.errors import SluicegateError
from sluicegate.pipeline import STREAMS

_LONGEST = 2000

# As in macros/batches/next_entry.sql.
_LEDGERS = ("dq_files", "dq_batches", "dq_acknowledgements")
_NEXT_ENTRY = (
    "(select max(newest_entry) + 1 from ("
    + " union all ".join(f"select max(entry) as newest_entry from {name}" for name in _LEDGERS)
    + "))"
)


@dataclass(frozen=True)
class Acknowledgement:
    """Who says why that a batch is right.

    Attributes:
        stream: name of the stream.
        batch_date: the batch.
        by: who says so.
        reason: why.
        check: the one check that it is about; None for all that raised an alert.

    Raises:
        SluicegateError: a field is empty, too long or unknown.
    """

    stream: str
    batch_date: date
    by: str
    reason: str
    check: str | None = None

    def __post_init__(self) -> None:
        if self.stream not in STREAMS:
            raise SluicegateError(
                f"There is no stream {self.stream}: the streams are {', '.join(STREAMS)}."
            )
        for name, value, what in (
            ("by", self.by, "who releases it"),
            ("reason", self.reason, "why the batch is right as it is"),
        ):
            if not value.strip():
                raise SluicegateError(f"--{name} is empty: say {what}. Nothing was acknowledged.")
            if len(value) > _LONGEST:
                raise SluicegateError(
                    f"--{name} has {len(value)} characters: {_LONGEST} are the most."
                )


def acknowledge(client: Any, word: Acknowledgement) -> list[str]:
    """Enter an acknowledgement into dq_acknowledgements.

    The gate decides anew when it is built the next time (dbt build --select dq_gate+).

    Args:
        client: what ``engine.connect`` gives.
        word: who, what, why.

    Returns:
        The checks that it is about.

    Raises:
        SluicegateError: nothing has been judged yet, or there is no such alert to acknowledge.
    """
    alerting = _alerting(client, word)
    if not alerting:
        raise SluicegateError(
            f"Batch {word.batch_date} of {word.stream} has no alert: there is nothing to "
            "acknowledge. The batches and their alerts are in the report of sluicegate run."
        )
    if word.check is not None and word.check not in alerting:
        raise SluicegateError(
            f"{word.check} raised no alert for batch {word.batch_date} of {word.stream}: "
            f"those that did are {', '.join(alerting)}."
        )
    stream, by, reason, check = map(
        literal, (word.stream, word.by.strip(), word.reason.strip(), word.check or "")
    )
    client.command(
        "insert into dq_acknowledgements "
        "(stream, batch_date, check_name, acknowledged_by, reason, acknowledged_at, entry) "
        f"select {stream}, toDate('{word.batch_date}'), {check}, {by}, {reason}, now64(6, 'UTC'), "
        f"{_NEXT_ENTRY}"
    )
    return [word.check] if word.check else alerting


def _alerting(client: Any, word: Acknowledgement) -> list[str]:
    try:
        found = rows(
            client,
            "select distinct check_name from ("
            "select check_name, stream, batch_date from dq_check_results "
            "where status in ('warn', 'fail', 'not_computed') "
            "union all select arrayJoin(holding_checks), stream, batch_date from dq_gate"
            f") where stream = {literal(word.stream)} "
            f"and batch_date = toDate('{word.batch_date}') order by check_name",
        )
    except Exception as error:
        if "UNKNOWN_TABLE" in str(error) or "UNKNOWN_DATABASE" in str(error):
            raise SluicegateError(
                "Nothing has been judged yet: run sluicegate run first."
            ) from error
        raise
    return [row["check_name"] for row in found]
