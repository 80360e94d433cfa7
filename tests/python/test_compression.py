"""Whether a compressed file is whole: files written by other libraries, cut at every byte."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import lz4.frame
import pyarrow as pa
import pytest
from backports import zstd

from sluicegate.compression import frames_error

DICE = random.Random(7)
# Text, bytes that do not compress, and a long repetition: blocks of each kind.
CONTENT = b"a,b\n1,2\n" * 2000 + DICE.randbytes(150_000) + b"\0" * 400_000

PARAMETER = zstd.CompressionParameter

COMPRESSED: dict[str, tuple[str, bytes]] = {
    "zst": ("zst", zstd.compress(CONTENT)),
    "zst of another library": ("zst", pa.Codec("zstd").compress(CONTENT, asbytes=True)),
    "zst with a checksum": ("zst", zstd.compress(CONTENT, options={PARAMETER.checksum_flag: 1})),
    "zst without its size": (
        "zst",
        zstd.compress(CONTENT, options={PARAMETER.content_size_flag: 0}),
    ),
    "zst of nothing": ("zst", zstd.compress(b"")),
    "zst of two frames": ("zst", zstd.compress(CONTENT) + zstd.compress(b"1,2\n")),
    "zst with a frame to skip": (
        "zst",
        bytes.fromhex("5a2a4d18 03000000 616263") + zstd.compress(CONTENT),
    ),
    "lz4": ("lz4", lz4.frame.compress(CONTENT)),
    "lz4 with every checksum": (
        "lz4",
        lz4.frame.compress(CONTENT, content_checksum=True, block_checksum=True),
    ),
    "lz4 without its size": ("lz4", lz4.frame.compress(CONTENT, store_size=False)),
    "lz4 of two frames": ("lz4", lz4.frame.compress(CONTENT) + lz4.frame.compress(b"1,2\n")),
}

DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "zst": zstd.decompress,
    "lz4": lz4.frame.decompress,
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_whole_file_is_whole(name: str) -> None:
    ending, compressed = COMPRESSED[name]
    DECOMPRESS[ending](compressed)
    assert frames_error(io.BytesIO(compressed), ending) == ""


def cuts(compressed: bytes) -> list[int]:
    """Every length near the beginning and the end, and some between."""
    last = len(compressed)
    near = [*range(1, min(300, last)), *range(max(last - 300, 1), last)]
    return sorted({*near, *(DICE.randrange(1, last) for _ in range(200))})


@pytest.mark.parametrize(
    "name", [name for name in COMPRESSED if "frame" not in name and "nothing" not in name]
)
def test_a_file_of_one_frame_is_cut_off_wherever_it_is_cut(name: str) -> None:
    ending, compressed = COMPRESSED[name]
    told = {frames_error(io.BytesIO(compressed[:cut]), ending) for cut in cuts(compressed)}
    assert told == {"it is cut off: its last frame has no end"}


@pytest.mark.parametrize("name", ["zst of two frames", "lz4 of two frames"])
def test_the_last_frame_must_have_an_end_too(name: str) -> None:
    ending, compressed = COMPRESSED[name]
    assert "cut off" in frames_error(io.BytesIO(compressed[:-1]), ending)


@pytest.mark.parametrize("name", ["zst", "lz4"])
@pytest.mark.parametrize("garbage", [b"garbage!", bytes(512), b"\n1,2,3\n"])
def test_what_follows_the_last_frame_is_told(name: str, garbage: bytes) -> None:
    ending, compressed = COMPRESSED[name]
    error = frames_error(io.BytesIO(compressed + garbage), ending)
    assert error == f"something else follows its last frame, from byte {len(compressed) + 1} on"


@pytest.mark.parametrize("ending", ["zst", "lz4"])
def test_another_kind_of_file_is_none_of_this_kind(ending: str) -> None:
    assert "begins with other bytes" in frames_error(io.BytesIO(CONTENT), ending)
