"""The outer boxes of an MP4 file (ISO/IEC 14496-12, 4.2), read without a library: is it whole, is its index first."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stages.contract import Failure, StageError


@dataclass(frozen=True, slots=True)
class Box:
    """One outer box: its four-letter name, where it starts and how long it is, in bytes; header included."""

    name: str
    start: int
    size: int


def outer_boxes(path: Path) -> list[Box]:
    """The outer boxes in their order.

    Raises:
        StageError: BAD_INPUT when the file ends inside a box, or holds no boxes.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_walk(file, length))
    if not boxes or boxes[0].name not in {"ftyp", "styp", "moov", "free", "wide", "mdat", "skip"}:
        raise StageError(Failure.BAD_INPUT, f"{path.name}: is no MP4 file")
    last = boxes[-1]
    if last.start + last.size > length:
        missing = last.start + last.size - length
        raise StageError(Failure.BAD_INPUT, f"{path.name}: is cut off, {missing} bytes of {last.name!r} are missing")
    return boxes


def _walk(file: BinaryIO, length: int) -> Iterator[Box]:
    start = 0
    while start + 8 <= length:
        file.seek(start, os.SEEK_SET)
        size, name = struct.unpack(">I4s", file.read(8))
        if size == 1:  # the true size follows in 64 bits
            size = int.from_bytes(file.read(8), "big")
        elif size == 0:  # to the end of the file
            size = length - start
        if size < 8:
            return
        yield Box(name.decode("latin-1"), start, size)
        start += size


def is_faststart(path: Path) -> bool:
    """Whether playing can begin before the whole file is there: `moov` comes before `mdat`.

    Raises:
        StageError: BAD_INPUT when the file is cut off, is no MP4, or lacks either box.
    """
    names = [box.name for box in outer_boxes(path)]
    for name in ("moov", "mdat"):
        if name not in names:
            raise StageError(
                Failure.BAD_INPUT, f"{path.name}: has no {name!r} box, so it cannot be played; make it again"
            )
    return names.index("moov") < names.index("mdat")
