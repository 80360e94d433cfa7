"""What the tables cannot say of the gate: that it could not be evaluated, and which tests failed.

The data folder may be what is broken, so this outbox is a file: `notified.json` beside the report
or, where that cannot be written, one in the user's state folder (`$XDG_STATE_HOME/sluicegate`, by
default `~/.local/state/sluicegate`). Where neither can, a failure is told by every run.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sluicegate.files import write_whole
from sluicegate.masking import shown
from sluicegate.notify.message import SEVERITIES, Change
from sluicegate.notify.outbox import DELIVERED, SETTLED, Mark, Outbox

STATE_NAME = "notified.json"
GATE = "run"
_VERSION = 2


@dataclass(frozen=True)
class Failure:
    """Something that is wrong with the gate itself, or a dbt test that does not pass.

    Attributes:
        check: `run` for the gate, else the name of the test.
        severity: CRITICAL or WARN.
        message: what is wrong, on one line.
        runbook: the section of the runbook.
    """

    check: str
    severity: str
    message: str
    runbook: str = ""

    @property
    def signature(self) -> str:
        """What must differ for it to be told again: not a number of a process or of rows."""
        text = self.message if self.check == GATE else ""
        return f"{self.severity} {re.sub(r'[0-9]+', '#', text)}"


@dataclass
class _State:
    """What the file holds.

    Attributes:
        revision: grows with every write, so that of two files the newer one is known.
        failing: by check, the failure that was recorded last.
        told_by_earlier_version: whether a version without dq_incident_changes has notified here.
    """

    revision: int = 0
    failing: dict[str, Failure] = field(default_factory=dict)
    outbox: Outbox = field(default_factory=Outbox)
    told_by_earlier_version: bool = False


class GateStore:
    """The outbox in a file.

    Args:
        folder: where the report is; None when that is not known.
        environ: names the user's state folder.
    """

    def __init__(self, folder: Path | None, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        home = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '~'}/.local/state"
        whose = hashlib.sha256(os.fsencode(folder or Path.cwd())).hexdigest()[:16]
        beside_report = [] if folder is None else [folder / STATE_NAME]
        self._paths = [*beside_report, Path(home).expanduser() / "sluicegate" / f"{whose}.json"]
        self._state: _State | None = None
        self._is_lost = False

    @property
    def told_by_earlier_version(self) -> bool:
        """Whether a version without dq_incident_changes has notified here."""
        return self._load().told_by_earlier_version

    def read(self) -> Outbox:
        """The outbox as the file has it."""
        outbox = self._load().outbox
        return Outbox(list(outbox.changes), list(outbox.marks))

    def add(self, mark: Mark) -> None:
        """Enter a step of a message; what is settled is forgotten."""
        outbox = self._load().outbox
        if mark.status == SETTLED:
            kept = [change for change in outbox.changes if change.id not in mark.change_ids]
            ids = {change.id for change in kept}
            outbox.changes = kept
            outbox.marks = [mark for mark in outbox.marks if ids & set(mark.change_ids)]
        else:
            outbox.marks.append(mark)
        self._save()

    def record(self, failures: list[Failure], run_id: str, over: bool = True) -> None:
        """Enter what has changed since the failures that were recorded last.

        Args:
            failures: what is wrong now; of one check the first counts.
            run_id: the run that found it; '' when it came to none.
            over: whether what is not among the failures is right again; else it was not looked at,
                except for the gate itself.
        """
        state = self._load()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        by_check: dict[str, Failure] = {}
        for failure in failures:
            by_check.setdefault(failure.check, failure)
        found = []
        for check, failure in by_check.items():
            former = state.failing.get(check)
            if former is None or former.signature != failure.signature:
                kind = "error" if check == GATE else "opened" if former is None else "escalated"
                found.append(_change(failure, kind, 1 if former is None else 2, run_id, now))
                state.failing[check] = failure
        for check in [check for check in state.failing if check not in by_check]:
            if over or check == GATE:
                found.append(_change(state.failing.pop(check), "resolved", 2, run_id, now))
        if found:
            state.outbox.changes += found
            self._save()

    def _load(self) -> _State:
        if self._state is None:
            states = [state for path in self._paths if (state := _read(path)) is not None]
            self._state = max(states, key=lambda state: state.revision, default=_State())
        return self._state

    def _save(self) -> None:
        """Write the file whole or not at all; where there is no place for it, that is said once."""
        state = self._load()
        state.revision += 1
        content = f"{json.dumps(_document(state), indent=2)}\n".encode()
        problem = ""
        for path in self._paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, content, mode=0o600)
            except OSError as error:
                problem = problem or f"{path} cannot be written ({error.strerror})"
                continue
            return
        if not self._is_lost:
            _say(f"{problem}: what was sent may be sent again")
        self._is_lost = True


def _change(failure: Failure, kind: str, number: int, run_id: str, now: str) -> Change:
    content = "\n".join([failure.check, failure.signature, kind, now])
    return Change(
        id=hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32],
        key=f"gate {failure.check}",
        kind=kind,
        severity=failure.severity,
        check=failure.check,
        message=failure.message,
        runbook=failure.runbook,
        number=number,
        run_id=run_id,
        recorded_at=now,
    )


def _document(state: _State) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "revision": state.revision,
        "told_by_earlier_version": state.told_by_earlier_version,
        "failing": [asdict(failure) for failure in state.failing.values()],
        "changes": [asdict(change) for change in state.outbox.changes],
        "marks": [asdict(mark) for mark in state.outbox.marks],
    }


def _read(path: Path) -> _State | None:
    """What a file holds; None where there is none, and, said on standard error, no sound one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "outbox" in document:
            return _of_earlier_version(document)
        return _State(
            revision=int(document["revision"]),
            failing={one["check"]: Failure(**one) for one in document["failing"]},
            outbox=Outbox(
                changes=[_sound(Change(**one)) for one in document["changes"]],
                marks=[
                    replace(mark, change_ids=tuple(mark.change_ids))
                    for mark in (Mark(**one) for one in document["marks"])
                ],
            ),
            told_by_earlier_version=bool(document["told_by_earlier_version"]),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _say(f"{path} cannot be read: what it said was sent may be sent again")
        return None


def _of_earlier_version(document: Mapping[str, Any]) -> _State:
    """What an earlier version kept: by run the URLs that were told, and changes that some lack."""
    state = _State(told_by_earlier_version=bool(document["delivered"]))
    names = set(Change.__dataclass_fields__)
    for run_id, run in document["outbox"].items():
        changes = [
            _sound(
                Change(
                    **{name: value for name, value in one.items() if name in names},
                    id=hashlib.sha256(f"{run_id}\n{one['key']}".encode()).hexdigest()[:32],
                    run_id=run_id,
                    recorded_at=one.get("as_of", ""),
                )
            )
            for one in run["changes"]
        ]
        ids = tuple(change.id for change in changes)
        state.outbox.changes += changes
        state.outbox.marks += [
            Mark(run_id, str(destination), DELIVERED, ids)
            for destination in document["delivered"].get(run_id, [])
        ]
    return state


def _sound(change: Change) -> Change:
    """The change, with held_batches as a tuple.

    Raises:
        ValueError: a field has another type.
    """
    change = replace(change, held_batches=tuple(change.held_batches))
    others = ("batches", "held_batches", "money_at_stake", "number", "is_from_before")
    texts = [value for name, value in vars(change).items() if name not in others]
    if (
        not all(isinstance(text, str) for text in (*texts, *change.held_batches))
        or not isinstance(change.batches, int)
        or not isinstance(change.number, int)
        or not isinstance(change.money_at_stake, int | float | None)
        or change.severity not in SEVERITIES
    ):
        raise ValueError("a field of another type")
    return change


def _say(line: str) -> None:
    print(f"sluicegate: {shown(line)}", file=sys.stderr)
