"""Telling people what changed: incidents, and what kept the gate from being evaluated.

`routes` says who is told what, `outbox` and `gate` what there is to tell and who has it,
`message` how it reads, `delivery` how it is sent. A problem that merely lasts is not told again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from sluicegate.errors import one_line
from sluicegate.masking import shown
from sluicegate.notify.delivery import Delivery, Retry, deliver
from sluicegate.notify.gate import GATE, Failure, GateStore
from sluicegate.notify.message import Change, Situation
from sluicegate.notify.outbox import (
    DELIVERED,
    REFUSED,
    SENDING,
    SETTLED,
    Mark,
    Outbox,
    Store,
    TableStore,
    read_situation,
)
from sluicegate.notify.routes import Target, runbook_url, targets

__all__ = [
    "GATE",
    "Change",
    "Delivery",
    "Failure",
    "GateStore",
    "Mark",
    "Outbox",
    "Retry",
    "Situation",
    "TableStore",
    "Target",
    "failure_lines",
    "read_situation",
    "runbook_url",
    "send",
    "send_incidents",
    "targets",
]


def send(
    store: Store,
    aims: Sequence[Target],
    situation: Situation,
    runbook: str = "",
    retry: Retry | None = None,
) -> list[Delivery]:
    """Send each destination what the outbox has for it, and enter what came of it.

    Args:
        store: where the outbox is kept.
        aims: the destinations (see ``targets``).
        situation: how things stand now.
        runbook: page of the runbook (see ``runbook_url``).
        retry: how stubbornly.

    Returns:
        One entry for each message. Failures are in there and never raised; of a destination that
        fails, the rest waits for the next time.
    """
    outbox = store.read()
    book = _Book(store)
    deliveries = []
    for target in aims:
        for parcel in outbox.parcels(target):
            ids = tuple(change.id for change in parcel.changes)
            book.enter(Mark(parcel.message_id, target.hash, SENDING, ids))
            delivery = deliver(target, parcel.changes, situation, parcel.message_id, runbook, retry)
            deliveries.append(delivery)
            if delivery.ok or delivery.is_refused:
                status = DELIVERED if delivery.ok else REFUSED
                mark = Mark(parcel.message_id, target.hash, status, ids)
                book.enter(mark)
                outbox.marks.append(mark)
            if not delivery.ok:
                break
    if settled := outbox.settled(aims):
        book.enter(Mark("", "", SETTLED, tuple(settled)))
    return deliveries


def send_incidents(
    client: object,
    gate: GateStore,
    aims: Sequence[Target],
    situation: Situation,
    runbook: str = "",
    retry: Retry | None = None,
) -> list[Delivery]:
    """``send`` for the incidents in the gate's tables; what an earlier version told is settled."""
    store = TableStore(client)
    if gate.told_by_earlier_version:
        known = [change.id for change in store.read().changes if change.is_from_before]
        _Book(store).enter(Mark("", "", SETTLED, tuple(known)))
    return send(store, aims, situation, runbook, retry)


class _Book:
    """Enters steps of messages; where that fails, it is said and the message sent all the same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failed = False

    def enter(self, mark: Mark) -> None:
        try:
            self._store.add(mark)
        except Exception as error:
            if not self._failed:
                text = f"{one_line(str(error))}: what was sent may be sent again"
                print(
                    f"sluicegate: what is sent cannot be recorded: {shown(text)}", file=sys.stderr
                )
            self._failed = True


def failure_lines(deliveries: Iterable[Delivery]) -> list[str]:
    """One line for standard error for each that failed."""
    return [
        f"not notified: {delivery.url_masked} ({', '.join(delivery.variables)}), "
        f"{_tries(delivery.tries)}, kept for the next run: {delivery.error}"
        for delivery in deliveries
        if not delivery.ok
    ]


def _tries(count: int) -> str:
    return {0: "not tried", 1: "tried once"}.get(count, f"tried {count} times")
