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
    r"|\(version [\d.]+( \([^)]*\))?\)"
    r"|Received ClickHouse exception, code: \d+, server response:"
    r"|\(for url \S+\)",
)
_NO_SPACE = re.compile(
    r"NOT_ENOUGH_SPACE|No space left on device|Cannot reserve|Code: 243\b", re.IGNORECASE
)

# What client libraries say, of their side of the connection.
_REFUSED_USER = re.compile(r"(\S+): Authentication failed")
_NO_HOST = re.compile(
    r"Name or service not known|name resolution|nodename nor servname|Failed to resolve|getaddrinfo"
)
_NO_ANSWER = re.compile(r"Read timed out\. \(read timeout=(\d+)")
_DROPPED = re.compile(
    r"RemoteDisconnected|Connection aborted|Connection reset|Connection broken|Broken pipe"
    r"|IncompleteRead|Unexpected EOF|before the HTTP response headers completed"
)
_NO_SERVER = re.compile(r"Connection refused|Max retries exceeded|timed out|Errno 11[013]")
_ADDRESS = re.compile(r"host='([^']+)', port=(\d+)|https?://([^:/\s)]+):(\d+)|\(([\w.-]+):(\d+)\)")


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
    of_the_connection = _connection_error(text)
    if of_the_connection:
        return of_the_connection
    line = " ".join(_NOISE.sub(" ", re.sub(r"\x1b\[[0-9;]*m", "", text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _connection_error(text: str) -> str:
    """What is wrong between here and the server, in words; '' when the error is another one.

    What the server says of connections of its own (to S3, to a web server) is another one.
    """
    refused = _REFUSED_USER.search(text)
    if refused:
        return (
            f"ClickHouse refuses the user {refused[1]} or the password: set CLICKHOUSE_USER and "
            "CLICKHOUSE_PASSWORD."
        )
    if "DB::" in text:
        return ""
    found = _ADDRESS.search(text)
    address = ":".join(part for part in found.groups() if part) if found else "the target"
    if _NO_HOST.search(text):
        return f"There is no host of the name in {address}: set CLICKHOUSE_HOST to the right one."
    silent = _NO_ANSWER.search(text)
    if silent:
        return (
            f"ClickHouse at {address} did not finish a statement within {silent[1]} seconds: raise "
            "send_receive_timeout in profiles.yml, or lower max_rows_per_statement. Running again "
            "is safe."
        )
    if _DROPPED.search(text):
        return (
            f"The connection to ClickHouse at {address} was lost while it worked (a restart, or "
            "something between that cuts connections). Running again is safe, and does the rest."
        )
    if _NO_SERVER.search(text):
        return (
            f"ClickHouse does not answer at {address}: start it, or set CLICKHOUSE_HOST, "
            "CLICKHOUSE_PORT and CLICKHOUSE_SECURE to where it is."
        )
    return ""
