"""A small ClickHouse server on loopback for tests of what is said when one fails.

It speaks enough of ClickHouse's HTTP protocol for dbt-clickhouse's own driver, answers from chDB,
and fails as a server does where it is told to. It is no server to trust: it knows no users, no
sessions and no settings.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import chdb

# What a server of this version says after every error.
VERSION = "(version 25.8.4.13 (official build))"


@dataclass(frozen=True)
class Refusal:
    """An error as ClickHouse sends it: HTTP status, code, name, and text."""

    status: int
    code: int
    name: str
    text: str


@dataclass(frozen=True)
class Silence:
    """No answer for so many seconds."""

    seconds: float


DROPPED = "the connection is closed without an answer"

Answer = Refusal | Silence | str


@dataclass
class Loopback:
    """The server: where it listens, what was sent to it, and the first failure to every statement
    that matches a pattern (``failures``)."""

    port: int
    statements: list[str] = field(default_factory=list)
    failures: dict[str, Answer] = field(default_factory=dict)

    def failure(self, sql: str) -> Answer | None:
        return next(
            (answer for pattern, answer in self.failures.items() if re.search(pattern, sql, re.I)),
            None,
        )


@contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """A server whose tables are in a folder. One at a time in a process, and no other engine."""
    connection = chdb.connect(str(folder))
    lock = threading.Lock()

    def run(sql: str, database: str) -> bytes:
        with lock:
            if database:
                connection.query(f"use `{database}`")
            return bytes(connection.query(sql, "TabSeparated").bytes())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            sql = (asked.get("query", [""])[0] + "\n" + body).strip()
            server.statements.append(sql)
            answer = server.failure(sql)
            if answer == DROPPED:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            elif isinstance(answer, Refusal):
                self._refuse(answer)
            elif isinstance(answer, Silence):
                time.sleep(answer.seconds)
                self.close_connection = True
            else:
                try:
                    self._send(200, run(sql, asked.get("database", [""])[0]))
                except RuntimeError as error:
                    [code] = re.findall(r"Code: (\d+)", str(error))[:1] or ["0"]
                    self._send(500, str(error).encode(), code)

        do_GET = do_POST  # noqa: N815

        def _refuse(self, refusal: Refusal) -> None:
            text = (
                f"Code: {refusal.code}. DB::Exception: {refusal.text} ({refusal.name}) {VERSION}\n"
            )
            self._send(refusal.status, text.encode(), str(refusal.code))

        def _send(self, status: int, content: bytes, code: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if code:
                self.send_header("X-ClickHouse-Exception-Code", code)
            self.end_headers()
            self.wfile.write(content)

        log_message: Callable[..., None] = lambda *_: None

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = Loopback(listening.server_address[1])
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        connection.close()
