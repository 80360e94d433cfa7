"""Whether a compressed file is whole, for the formats whose end the engine does not prove.

ClickHouse refuses a gzip, xz or brotli file that was cut off, but takes what it has decoded so far
of a Zstandard or LZ4 file for the whole. Both are chains of frames made of blocks that say how long
they are, so the chain can be followed without decompressing anything.

Sources: RFC 8878 (Zstandard), sections 3.1.1 and 3.1.2; LZ4 Frame Format Description 1.6.4.
"""

from __future__ import annotations

import os
from typing import BinaryIO

ZSTD_MAGIC = 0xFD2FB528
LZ4_MAGIC = 0x184D2204
# Frames that hold no data: 0x184D2A50 to 0x184D2A5F, the same in both formats.
SKIPPABLE_MAGIC = 0x184D2A50

CUT_OFF = "it is cut off: its last frame has no end"


class _BrokenFrameError(Exception):
    """The chain of frames is broken; the message says how."""


class _Chain:
    """A file that is followed from its beginning, never beyond its end."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.position = file.seek(0)

    def number(self, width: int) -> int:
        """The next little-endian number of so many bytes."""
        read = self.file.read(width)
        if len(read) < width:
            raise _BrokenFrameError(CUT_OFF)
        self.position += width
        return int.from_bytes(read, "little")

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > self.size:
            raise _BrokenFrameError(CUT_OFF)
        self.file.seek(self.position)


def _follow_zstd_frame(chain: _Chain) -> None:
    descriptor = chain.number(1)
    is_single_segment = descriptor >> 5 & 1
    content_size_bytes = [is_single_segment, 2, 4, 8][descriptor >> 6]
    chain.skip(1 - is_single_segment + [0, 1, 2, 4][descriptor & 3] + content_size_bytes)
    is_last = False
    while not is_last:
        header = chain.number(3)
        is_last = bool(header & 1)
        kind, size = header >> 1 & 3, header >> 3
        if kind == 3:
            raise _BrokenFrameError("it is damaged: it has a block of a kind that does not exist")
        chain.skip(1 if kind == 1 else size)  # kind 1: one byte that is repeated
    if descriptor >> 2 & 1:
        chain.skip(4)  # checksum, compared by the engine


def _follow_lz4_frame(chain: _Chain) -> None:
    flags = chain.number(1)
    has_block_checksum, has_content_checksum = flags >> 4 & 1, flags >> 2 & 1
    chain.skip(1 + 8 * (flags >> 3 & 1) + 4 * (flags & 1) + 1)
    while size := chain.number(4) & 0x7FFFFFFF:  # the highest bit: stored without compression
        chain.skip(size + 4 * has_block_checksum)
    chain.skip(4 * has_content_checksum)


FRAMES = {"zst": (ZSTD_MAGIC, _follow_zstd_frame), "lz4": (LZ4_MAGIC, _follow_lz4_frame)}


def frames_error(file: BinaryIO, ending: str) -> str:
    """Why a file is not a whole chain of frames; '' when it is one.

    ``file`` can seek; ``ending`` is a key of ``FRAMES``. Reads a few bytes of each block.
    """
    magic_number, follow_frame = FRAMES[ending]
    chain = _Chain(file)
    try:
        while chain.position < chain.size:
            start = chain.position
            magic = chain.number(4)
            if magic == magic_number:
                follow_frame(chain)
            elif magic & ~0xF == SKIPPABLE_MAGIC:
                chain.skip(chain.number(4))
            elif start == 0:
                return f"it is no {ending} file: it begins with other bytes"
            else:
                return f"something else follows its last frame, from byte {start + 1} on"
    except _BrokenFrameError as error:
        return str(error)
    return ""
