"""dbt plugin module: ``driver: chdb`` for dbt-clickhouse, and what reading files needs.

dbt imports every installed module whose name begins with ``dbt_`` before it opens a connection
(``dbt debug`` excepted: ``sluicegate dbt debug`` imports this module first). Importing it

* teaches dbt-clickhouse a third driver beside ``http`` and ``native``: ``driver: chdb`` runs on
  chDB, ClickHouse inside this process, through clickhouse-connect's own chDB backend. The data
  folder is ``custom_settings.chdb_path`` in the profile (created when missing);
* gives models and materializations ``adapter.try_query(sql)``: Jinja has no ``try``, and one
  unreadable file must not keep the files after it from being landed;
* gives them ``adapter.frames_error(...)``: whether a Zstandard or LZ4 file is whole, which the
  engine does not say; and ``adapter.entries_besides_files(...)``: what of a folder the engine does
  not list;
* keeps the cause when the database cannot be created;
* gives them ``adapter.shown_text(text)``: what a log may show of a file's name or content;
* lets unit tests see ``graph``, for the rules that stand in the YAML of the model under test.

Everything else of dbt-clickhouse is used as it is. A driver of this name is proposed upstream
(dbt-clickhouse pull request 693); when it is released, the first half of this module goes.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import GENERIC_CLICKHOUSE_ERROR, ClickHouseError
from dbt.adapters.base.meta import available
from dbt.adapters.clickhouse import connections, dbclient
from dbt.adapters.clickhouse.credentials import ClickHouseCredentials
from dbt.adapters.clickhouse.httpclient import ChHttpClient
from dbt.adapters.clickhouse.impl import ClickHouseAdapter
from dbt.adapters.exceptions import FailedToConnectError
from dbt.parser.unit_tests import UnitTestManifestLoader
from dbt_common.exceptions import DbtRuntimeError

from sluicegate import compression
from sluicegate.masking import shown

# ClickHouse error codes that say something of the engine or of the statement, never of one input
# file: UNKNOWN_FUNCTION, UNKNOWN_IDENTIFIER, UNKNOWN_TABLE, SYNTAX_ERROR,
# CANNOT_WRITE_TO_FILE_DESCRIPTOR, READONLY, MEMORY_LIMIT_EXCEEDED, NOT_ENOUGH_SPACE,
# TOO_MANY_PARTS, QUERY_WAS_CANCELLED, ACCESS_DENIED.
# Source: src/Common/ErrorCodes.cpp of ClickHouse.
ENGINE_ERROR_CODES = frozenset({46, 47, 60, 62, 75, 164, 241, 243, 252, 394, 497})

# Address space that the engine must be able to reserve, in bytes. An idle run takes 2.5 GB (its
# code and the stacks of its threads are most of that); with less it ends in a segmentation fault or
# in errors that name no cause, as the moment decides.
LEAST_ADDRESS_SPACE = 4_000_000_000

CONFIG_XML = """<clickhouse>
    <!-- Written by Sluicegate when it opens the data folder; changes are overwritten. -->
    <query_log>
        <database>system</database>
        <table>query_log</table>
        <flush_interval_milliseconds>7500</flush_interval_milliseconds>
    </query_log>
    <part_log>
        <database>system</database>
        <table>part_log</table>
        <flush_interval_milliseconds>7500</flush_interval_milliseconds>
    </part_log>
    <!-- By default a dropped table stays for eight minutes, and a replaced part until a clean-up
         that starts after half a minute: longer than a run lives, so nothing would ever go. Merges
         are written through to the disk, as what they were made from is gone a second later. -->
    <database_atomic_delay_before_drop_table_sec>0</database_atomic_delay_before_drop_table_sec>
    <merge_tree>
        <old_parts_lifetime>1</old_parts_lifetime>
        <cleanup_delay_period>1</cleanup_delay_period>
        <cleanup_delay_period_random_add>0</cleanup_delay_period_random_add>
        <max_cleanup_delay_period>1</max_cleanup_delay_period>
        <min_rows_to_fsync_after_merge>1</min_rows_to_fsync_after_merge>
    </merge_tree>
</clickhouse>
"""


def _holder(folder: Path) -> str | None:
    """The live process that holds a chDB data folder, as ``process PID (command)``, else None.

    The engine itself writes ``PID: n`` into ``<folder>/status`` and keeps that file locked.
    """
    try:
        match = re.search(r"PID: (\d+)", (folder / "status").read_text(errors="replace"))
    except OSError:
        return None
    if not match or int(match[1]) == os.getpid():
        return None
    pid = int(match[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        command = ""
    return f"process {pid}" + (f" ({command[:120]})" if command else "")


def _is_locked(folder: Path) -> bool:
    """Whether a process holds the engine's lock on a data folder (asked without the engine, which
    prints lines of its own when it finds the folder locked)."""
    try:
        with (folder / "status").open() as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _prepare_folder(folder: Path) -> Path:
    """Create the data folder when missing and write the engine's config beside it.

    Returns the path of the config file. Raises FailedToConnectError when the place is not ours to
    write to.
    """
    config = folder.with_name(folder.name + ".config.xml")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not config.exists() or config.read_text() != CONFIG_XML:
            partial = config.with_name(f"{config.name}.{os.getpid()}.{threading.get_ident()}")
            partial.write_text(CONFIG_XML)
            partial.replace(config)
    except OSError as error:
        raise FailedToConnectError(
            f"The data folder {folder} cannot be written ({error.strerror}): "
            "free the place or set SLUICEGATE_DATA to a folder that can."
        ) from error
    return config


def _refuse_small_address_space() -> None:
    """Raises FailedToConnectError when ``ulimit -v`` leaves too little for the engine."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise FailedToConnectError(
            f"The address space of this process is limited to {limit / 1e9:.1f} GB (ulimit -v), "
            f"and the engine needs {LEAST_ADDRESS_SPACE / 1e9:.0f} GB of it: raise that limit. To "
            "limit the memory that is used, set max_memory_usage in profiles.yml or the limit of "
            "a container."
        )


def _followed_links(folder: Path) -> bool:
    """Whether a data folder is a copy in which something else stands for a symbolic link.

    The engine keeps ``metadata/<database>`` as a link into ``store/``. Where it is missing the
    engine makes it anew, where a directory is in its place the engine does not start.
    """
    return any(
        place.exists() and not place.is_symlink()
        for place in (definition.with_suffix("") for definition in folder.glob("metadata/*.sql"))
    )


class ChdbClient(ChHttpClient):  # type: ignore[misc]  # dbt is untyped
    """dbt-clickhouse's client over clickhouse-connect, on chDB in place of HTTP."""

    def _create_client(self, credentials: ClickHouseCredentials) -> Any:  # noqa: ARG002
        settings = dict(self._conn_settings)
        folder = Path(os.path.realpath(settings.pop("chdb_path", None) or "data/clickhouse"))
        _refuse_small_address_space()
        config = _prepare_folder(folder)
        holder = _holder(folder)
        if holder and _is_locked(folder):
            raise FailedToConnectError(
                f"The data folder {folder} is in use by {holder}: "
                "wait for it to end, or set SLUICEGATE_DATA to another folder."
            )
        if _followed_links(folder):
            raise FailedToConnectError(
                f"The data folder {folder} is a copy that followed symbolic links (as cp -rL and "
                "zip do), which the engine cannot open: copy it again with cp -a or tar."
            )
        # The adapter remembers for the whole process which databases exist; folders may change.
        dbclient.ChClientWrapper.database_dropped(self, self.database)
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=str(folder),
                chdb_options={"config-file": str(config)},
                query_limit=0,
                settings=settings,
            )
        except (ClickHouseError, RuntimeError) as error:
            raise FailedToConnectError(
                f"chDB cannot open the data folder {folder}: {error}"
            ) from error


def _with_chdb(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get_db_client(credentials: ClickHouseCredentials) -> Any:
        if credentials.driver == "chdb":
            return ChdbClient(credentials)
        return original(credentials)

    return get_db_client


def _engine_message(error: BaseException) -> str:
    """What the engine said, also where it quotes input that is no UTF-8.

    chDB fails to decode such a message; then its bytes are read as well as they can be.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeDecodeError):
            return bytes(cause.object).decode(errors="replace")
        cause = cause.__cause__ or cause.__context__
    return str(error)


@available  # type: ignore[untyped-decorator]  # dbt is untyped
def try_query(self: ClickHouseAdapter, sql: str, fetch: bool = False) -> dict[str, Any]:
    """Run one statement that reads an input file; an unreadable file is an answer, not the end.

    Returns ``{"error": "", "rows": [...]}`` (one dict a row when ``fetch``), or, when ClickHouse
    refuses the input, its error in one line and no rows. Errors that are not about the data being
    read (no space, no memory, no such table, lost connection, ...) are raised as usual.
    """
    try:
        _, table = self.connections.execute(sql, fetch=fetch)
    except DbtRuntimeError as error:
        text = " ".join(_engine_message(error).split())
        code = re.search(r"Code: (\d+)", text)
        if GENERIC_CLICKHOUSE_ERROR in text:
            # Rarely chDB gives no text at all for input that it cannot quote.
            return {"error": "Code: 0. The engine did not say why.", "rows": []}
        if code is None or int(code[1]) in ENGINE_ERROR_CODES:
            raise
        # The engine quotes what it cannot read.
        return {"error": shown(text[text.index("Code: ") :]), "rows": []}
    rows = [dict(zip(table.column_names, row.values(), strict=True)) for row in table.rows]
    return {"error": "", "rows": rows}


@available  # type: ignore[untyped-decorator]  # dbt is untyped
def frames_error(self: ClickHouseAdapter, location: str, ending: str, bytes_query: str) -> str:
    """Why a Zstandard or LZ4 file is not whole; "" when it is.

    A file of the embedded engine is followed on disk, a few bytes a block. Any other is fetched
    through the engine by ``bytes_query``, which gives its compressed bytes as one value, and is in
    memory meanwhile.
    """
    if self.config.credentials.driver == "chdb" and "://" not in location:
        try:
            with Path(location).open("rb") as file:
                return compression.frames_error(file, ending)
        except OSError as error:
            return f"it cannot be opened: {error.strerror}"
    client = getattr(self.connections.get_thread_connection().handle, "_client", None)
    if client is None or not hasattr(client, "raw_query"):
        return (
            f"the end of a {ending} file cannot be proven over the native protocol: "
            "set CLICKHOUSE_DRIVER=http, or deliver gzip"
        )
    try:
        content = client.raw_query(bytes_query, fmt="RawBLOB")
    except ClickHouseError as error:
        return f"it cannot be fetched: {shown(' '.join(_engine_message(error).split()))}"
    return compression.frames_error(io.BytesIO(content), ending)


@available  # type: ignore[untyped-decorator]  # dbt is untyped
def entries_besides_files(self: ClickHouseAdapter, location: str) -> dict[str, str]:
    """What is in a folder of the embedded engine and no file, by name with what it is.

    The engine lists files only. Names that begin with a dot are left out; so is everything on a
    server, whose folders this process does not see.
    """
    if self.config.credentials.driver != "chdb":
        return {}
    found: dict[str, str] = {}
    try:
        with os.scandir(location) as entries:
            for entry in entries:
                name = os.fsencode(entry.name).decode(errors="backslashreplace")
                if name.startswith(".") or entry.is_file():
                    continue
                if entry.is_dir():
                    found[name] = "a folder, whose files a glob such as **/events_* would read"
                else:
                    found[name] = "no file, nor a link to one"
    except OSError:
        pass  # The listing itself has said so.
    return dict(sorted(found.items()))


@available  # type: ignore[untyped-decorator]  # dbt is untyped
def shown_text(self: ClickHouseAdapter, text: str) -> str:  # noqa: ARG001
    """A text of files or events as it may stand in a log (``sluicegate.masking.shown``)."""
    return shown(text)


def _with_cause(original: Callable[..., None]) -> Callable[..., None]:
    """The creation of the database, whose error else hides what the server said."""

    def ensure_database(self: Any, *arguments: Any) -> None:
        try:
            original(self, *arguments)
        except FailedToConnectError as error:
            if error.__cause__ is None:
                raise
            raise FailedToConnectError(
                f"The database {self.database} cannot be created: {error.__cause__} "
                "Have it created, or have this user granted what is missing."
            ) from error.__cause__

    return ensure_database


def _with_graph(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The loader of a unit test, which else leaves ``graph`` empty, with the project's graph."""

    def load(self: UnitTestManifestLoader) -> Any:
        unit_test_manifest = original(self)
        unit_test_manifest.flat_graph = self.manifest.flat_graph
        return unit_test_manifest

    return load


dbclient.ChClientWrapper._ensure_database = _with_cause(dbclient.ChClientWrapper._ensure_database)
UnitTestManifestLoader.load = _with_graph(UnitTestManifestLoader.load)
connections.get_db_client = dbclient.get_db_client = _with_chdb(dbclient.get_db_client)
ClickHouseAdapter.try_query = try_query
ClickHouseAdapter.frames_error = frames_error
ClickHouseAdapter.entries_besides_files = entries_besides_files
ClickHouseAdapter.shown_text = shown_text
ClickHouseAdapter._available_ = ClickHouseAdapter._available_ | {
    "try_query",
    "frames_error",
    "entries_besides_files",
    "shown_text",
}
