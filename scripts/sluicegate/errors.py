"""What can keep a run from being evaluated, said in one line."""

from __future__ import annotations

import re

# What ClickHouse and dbt wrap around the sentence that matters.
_NOISE = re.compile(
    r"\b(Runtime|Compilation|Database|Parsing|Dbt|Connection|Internal)\s*Error"
    r"|\bin (model|test|unit_test|macro|seed) \S+ \([^)]*\)"
    r"|ClickHouse exception:"
    r"|compiled code at \S+"
    r"|> (in|called by) (macro|model|test|unit_test) \S+( \([^)]*\))?"
    r"|DB::Exception:"
    r"|\(version [\d.]+[^)]*\)",
)
_NO_SPACE = re.compile(
    r"NOT_ENOUGH_SPACE|No space left on device|Cannot reserve|Code: 243\b", re.IGNORECASE
)


_NO_SERVER = re.compile(
    r"Connection refused|Name or service not known|Max retries exceeded|timed out|Errno 11[01]"
)


class SluicegateError(Exception):
    """A run that could not be evaluated: what is wrong and what to do (exit code 2)."""


def one_line(text: str, limit: int = 600) -> str:
    """The sentence that matters of an error of dbt or ClickHouse, on one line.

    Args:
        text: the error as it came, any number of lines.
        limit: how many characters to keep at the most.
    """
    if _NO_SPACE.search(text):
        return (
            "The disk is full: ClickHouse could not write. Free some space and run again; "
            "what was published before is untouched."
        )
    if _NO_SERVER.search(text):
        where = re.search(r"host='([^']+)', port=(\d+)|\(([\w.-]+):(\d+)\)", text)
        address = ":".join(part for part in where.groups() if part) if where else "the target"
        return (
            f"ClickHouse does not answer at {address}: start it, or set CLICKHOUSE_HOST, "
            "CLICKHOUSE_PORT and CLICKHOUSE_SECURE to where it is."
        )
    line = " ".join(_NOISE.sub(" ", re.sub(r"\x1b\[[0-9;]*m", "", text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
