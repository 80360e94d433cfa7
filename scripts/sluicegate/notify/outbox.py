"""The outbox: what is to be told, who has it already, and what goes into the next message.

A change stays in the outbox until all destinations that want it have it; then it is settled. A
message is entered as `sending` before it is sent and as `delivered` or `refused` after that:

* where nothing follows on `sending`, the process was killed or no answer came. The receiver may
  have the message, so it goes out again, the same changes under the same id;
* what was refused, and what is new, goes into one message, whatever has piled up.

So each change is told at least once, and a receiver that drops ids which it has gets it once. The
outbox is in the tables dq_incident_changes and dq_notifications; what the tables cannot say,
because they could not be opened, is in a file (see `gate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluicegate.engine import literal, rows
from sluicegate.masking import shown
from sluicegate.notify.message import SEVERITIES, Change, Situation
from sluicegate.notify.routes import Target

# How many messages that may have arrived go out again to a destination as they were; of more, the
# oldest go out as one.
MOST_AGAIN = 5
SENDING, DELIVERED, REFUSED, SETTLED = "sending", "delivered", "refused", "settled"
_IDS_PER_ROW = 500  # an INSERT must stay below max_query_size, 256 KiB


@dataclass(frozen=True)
class Mark:
    """One step of a message (see dq_notifications)."""

    message_id: str
    destination: str
    status: str
    change_ids: tuple[str, ...]


@dataclass(frozen=True)
class Parcel:
    """The changes of one message to one destination."""

    message_id: str
    changes: tuple[Change, ...]


@dataclass
class Outbox:
    """Changes that not all have yet, and what happened to their messages; each oldest first."""

    changes: list[Change] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def parcels(self, target: Target) -> list[Parcel]:
        """What is to be sent to a destination, in this order, until one is not accepted.

        What is new comes first, so that a receiver that takes messages and never answers gets it.
        """
        wanted = {
            change.id: change
            for change in self.changes
            if target.wants(change.severity, change.channel)
        }
        for id_ in self._delivered(target):
            wanted.pop(id_, None)
        again = []
        for message_id, ids in reversed(self._uncertain(target)):
            if changes := tuple(wanted.pop(id_) for id_ in ids if id_ in wanted):
                again.append(Parcel(message_id, changes))
        new = _parcel(target, wanted.values())
        many = _parcel(target, (c for one in reversed(again[MOST_AGAIN:]) for c in one.changes))
        return [*new, *again[:MOST_AGAIN], *many]

    def settled(self, targets: Sequence[Target]) -> list[str]:
        """The changes that all who want them have."""
        delivered = {target: self._delivered(target) for target in targets}
        return [
            change.id
            for change in self.changes
            if all(
                change.id in delivered[target] or not target.wants(change.severity, change.channel)
                for target in targets
            )
        ]

    def _delivered(self, target: Target) -> set[str]:
        return {
            id_
            for mark in self.marks
            if mark.destination == target.hash and mark.status == DELIVERED
            for id_ in mark.change_ids
        }

    def _uncertain(self, target: Target) -> list[tuple[str, list[str]]]:
        """The messages on which nothing followed when they were sent, with their changes."""
        last: dict[str, str] = {}
        ids: dict[str, list[str]] = {}
        for mark in self.marks:
            if mark.destination == target.hash:
                last[mark.message_id] = mark.status
                known = ids.setdefault(mark.message_id, [])
                known += [id_ for id_ in mark.change_ids if id_ not in known]
        return [
            (message_id, known)
            for message_id, known in ids.items()
            if last[message_id] == "sending"
        ]


def _parcel(target: Target, changes: Iterable[Change]) -> list[Parcel]:
    """One message with these changes, none without any; the same changes are the same message."""
    ordered = tuple(changes)
    content = "\n".join([target.hash, *sorted(change.id for change in ordered)])
    message_id = hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:24]
    return [Parcel(message_id, ordered)] if ordered else []


class Store(Protocol):
    """Where an outbox is kept."""

    def read(self) -> Outbox:
        """The outbox as it is now."""

    def add(self, mark: Mark) -> None:
        """Enter a step of a message, for good when this returns."""


# In the tables

_UNSETTLED = """
    change_id not in (
        select arrayJoin(change_ids) from dq_notifications where status = 'settled'
    )
"""

_CHANGES_SQL = f"""
    select
        change_id, incident_id, change_number, kind, severity, stream, check_name, dimension,
        message, owner, channel, remediation, runbook, acknowledged_by, batches, money_at_stake,
        first_batch, last_batch, held_batches, since, is_from_before, run_id, recorded_at
    from dq_incident_changes
    where {_UNSETTLED}
    order by entry, incident_id, change_number
    limit 1 by change_id
"""

_MARKS_SQL = f"""
    select message_id, destination, status, change_ids
    from dq_notifications
    where
        status != 'settled'
        and hasAny(
            change_ids,
            (select groupArray(change_id) from dq_incident_changes where {_UNSETTLED})
        )
    order by entry
"""

_SITUATION_SQL = """
    select
        any(run_id) as run_id,
        groupUniqArrayIf((severity::String, channel), status != 'resolved') as still_open,
        (select toString(max(batch_date)) from dq_gate) as date
    from dq_incidents
"""


class TableStore:
    """The outbox in the tables of the gate.

    Args:
        client: what ``engine.connect`` gives.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self) -> Outbox:
        """The outbox; an empty one when nothing was ever built."""
        if not _there_are(self._client, "dq_incident_changes", "dq_notifications"):
            return Outbox()
        return Outbox(
            changes=[_change(row) for row in rows(self._client, _CHANGES_SQL)],
            marks=[
                Mark(
                    row["message_id"],
                    row["destination"],
                    str(row["status"]),
                    tuple(row["change_ids"]),
                )
                for row in rows(self._client, _MARKS_SQL)
            ],
        )

    def add(self, mark: Mark) -> None:
        """Enter a step of a message; its changes in several rows where they are many."""
        ids = mark.change_ids
        for start in range(0, len(ids), _IDS_PER_ROW):
            some = ", ".join(map(literal, ids[start : start + _IDS_PER_ROW]))
            self._client.command(
                "insert into dq_notifications "
                "(message_id, destination, status, change_ids, recorded_at, entry) select "
                f"{literal(mark.message_id)}, {literal(mark.destination)}, "
                f"{literal(mark.status)}, [{some}], now64(6, 'UTC'), max(entry) + 1 "
                "from dq_notifications"
            )


def read_situation(client: Any) -> Situation:
    """How things stand by the gate's tables; all unknown when nothing was built."""
    if not _there_are(client, "dq_incidents", "dq_gate"):
        return Situation()
    [row] = rows(client, _SITUATION_SQL)
    still_open = tuple(sorted((str(severity), channel) for severity, channel in row["still_open"]))
    severities = {severity for severity, _ in still_open}
    status = "FAIL" if "CRITICAL" in severities else "WARN" if "WARN" in severities else "PASS"
    return Situation(row["run_id"], status, row["date"] or "", still_open)


def _there_are(client: Any, *tables: str) -> bool:
    names = ", ".join(map(literal, tables))
    [row] = rows(
        client,
        "select count() as tables from system.tables "
        f"where database = currentDatabase() and name in ({names})",
    )
    return bool(row["tables"] == len(tables))


def _change(row: dict[str, Any]) -> Change:
    severity = str(row["severity"])
    money, since = row["money_at_stake"], row["since"]
    return Change(
        id=row["change_id"],
        key=row["incident_id"],
        kind=str(row["kind"]),
        # What cannot be understood is better told too loudly than not at all.
        severity=severity if severity in SEVERITIES else "CRITICAL",
        check=row["check_name"],
        message=shown(row["message"]),
        stream=str(row["stream"]),
        dimension=shown(row["dimension"]),
        first_batch=str(row["first_batch"]),
        last_batch=str(row["last_batch"]),
        batches=int(row["batches"]),
        held_batches=tuple(map(str, row["held_batches"])),
        since="" if since is None else since.isoformat(),
        money_at_stake=None if money is None else float(money),
        owner=row["owner"],
        channel=row["channel"],
        remediation=row["remediation"],
        runbook=row["runbook"],
        acknowledged_by=row["acknowledged_by"],
        number=int(row["change_number"]),
        is_from_before=bool(row["is_from_before"]),
        run_id=row["run_id"],
        recorded_at=row["recorded_at"].isoformat(),
    )
