"""Which steps of a build are done, for whoever interrupts it."""

from __future__ import annotations

from typing import Any

_CHANGING = ("model", "seed", "snapshot")


class Steps:
    """What dbt has done so far, from its log events: give ``on_event`` to dbt as a callback.

    Attributes:
        before: what was done before the build, in words; '' for nothing.
        is_over: whether dbt has ended.
    """

    def __init__(self, before: str = "") -> None:
        self.before = before
        self.is_over = False
        self._total = 0
        self._done = 0
        self._begun: list[str] = []
        self._publishing: list[str] = []
        self._published: list[str] = []

    def on_event(self, event: Any) -> None:
        """Take one of dbt's log events."""
        name = event.info.name
        if name == "LogStartLine":
            self._total = event.data.total
        elif name == "NodeStart":
            node = event.data.node_info
            if node.resource_type in _CHANGING:
                self._begun.append(node.node_name)
                if node.materialized == "published":
                    self._publishing.append(node.node_name)
        elif name == "NodeFinished":
            node = event.data.node_info
            self._done += 1
            if node.node_name in self._publishing:
                self._publishing.remove(node.node_name)
                if str(node.node_status) == "success":
                    self._published.append(node.node_name)

    def finished(self) -> str:
        """What is finished, as the end of a sentence without its full stop."""
        return "; ".join(part for part in (self.before, self._of_the_build()) if part)

    def _of_the_build(self) -> str:
        if self.is_over:
            return "all tables are built; the report is not, the next run writes it"
        if not self._begun:
            return "" if self.before else "nothing was changed"
        parts = [f"{self._done} of {self._total or 'some'} steps are done"]
        if self._published:
            parts.append(f"published: {', '.join(self._published)}")
        if self._publishing:
            parts.append(
                f"{', '.join(self._publishing)} perhaps for some of the batches, each as a whole"
            )
        if not self._published and not self._publishing:
            parts.append("nothing was published")
        return f"{', '.join(parts)}; the next run does the rest"
