"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file whole or not at all; the one that is there stays until the new one is whole.

    Args:
        path: the file, in a folder that is there.
        content: all of it.
        mode: its permissions; by default what the umask leaves.

    Raises:
        OSError: the folder cannot be written, or has no space.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.touch(mode=0o666 if mode is None else mode)
        partial.write_bytes(content)
        if mode is not None:
            partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
