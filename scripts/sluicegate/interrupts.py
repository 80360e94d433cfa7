"""Ctrl-C and other requests to stop: one line that says what was finished, then the end, at once.

Whatever a run does can be cut off at any moment, and the next run does the rest; so nothing is
wound up. The process ends with 128 + the signal's number: 130 for Ctrl-C (SIGINT), 143 for SIGTERM,
129 for a closed terminal (SIGHUP).

Nothing heavy is imported here: the handlers are installed before everything else. A thread of its
own does the work, because Python runs handlers in the main thread only, which may be waiting for
the engine, and because dbt takes a KeyboardInterrupt for a failed node.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def nothing() -> str:
    """What is finished before anything has begun."""
    return "nothing was changed"


def unknown() -> str:
    """What is finished where nobody counts, and whatever it is does no harm."""
    return "running it again is safe"


_finished: Callable[[], str] = nothing


def finished(say: Callable[[], str]) -> None:
    """Set what an interrupt says was finished; asked when it comes, from another thread."""
    global _finished
    _finished = say


def install() -> None:
    """Take over the signals that ask this process to end, except those that it was told to ignore
    (``nohup``, a background job). To be called once, from the main thread."""
    # dbt's locks are cleaned up by a process that Python starts for that, and which complains on
    # standard error when it has to. It inherits these options.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), name="interrupts", daemon=True).start()


def _watch(reading: int) -> None:
    while True:
        number = os.read(reading, 1)[0]
        if number in _SIGNALS:
            _end(number)


def _end(number: int) -> None:
    try:
        what = _finished()
    except Exception:
        what = unknown()
    # A progress bar hides the cursor and may stand in the line.
    clear = "\r\x1b[2K\x1b[?25h" if sys.stderr.isatty() else ""
    with suppress(OSError):
        # The last word: what other threads still write goes nowhere.
        terminal = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(terminal, f"{clear}sluicegate: interrupted: {what}.\n".encode())
    _stop_children()
    os._exit(128 + number)


def _stop_children() -> None:
    """Ask the processes that this one has started (dbt deps, edr, git) to end as well."""
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError, ValueError):
            for child in listed.read_text().split():
                os.kill(int(child), signal.SIGTERM)
