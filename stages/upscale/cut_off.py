"""Whether a film ends before its end: what is missing there is no packet that a decoder could complain of."""

from __future__ import annotations

from pathlib import Path

from stages.contract import StageError
from stages.media.film import Film
from stages.media.mp4 import outer_boxes

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067  # RFC 8794, RFC 9559: the header, and the element that is all the rest


def cut_off(film: Film) -> str:
    """What is missing at the end of an MP4 or Matroska file, a sentence without mend; "" for nothing, or not known."""
    kinds = film.container.split(",")
    if "mp4" in kinds:
        try:
            outer_boxes(film.path)
        except StageError as error:
            return error.sentence
    if "matroska" in kinds:
        missing = _segment_end(film.path) - film.path.stat().st_size
        return f"{film.path.name}: is cut off, {missing} bytes are missing" if missing > 0 else ""
    return ""


def _segment_end(path: Path) -> int:
    """Where the header says that the file ends; 0 when it does not say."""
    with path.open("rb") as file:
        data = file.read(4096)
    place = 0
    while place + 12 < len(data):
        name, place = _number(data, place, keep_marker=True)
        size, place = _number(data, place, keep_marker=False)
        if name == _SEGMENT:
            return place + size if size >= 0 else 0
        if name != _EBML or size < 0:
            return 0
        place += size
    return 0


def _number(data: bytes, place: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number of variable length and the place after it; -1 for a size that is not known (all bits set)."""
    length = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + length], "big")
    if keep_marker:
        return value, place + length
    value &= (1 << 7 * length) - 1
    return (-1 if value == (1 << 7 * length) - 1 else value), place + length
