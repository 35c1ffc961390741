"""Which stretches of a film stand for all of it when a quality number is looked for.

Films up to `WHOLE_S` are taken whole. Longer ones are parted into cells of `CELL_S`, which begin at key frames of the
source where these are near enough: that is where its scenes change. Bytes per frame tell how hard a cell is to encode.
The cells, sorted by that, are parted into as many layers as windows are wanted, each of as many cells. The middle cell
of each layer is probed, and another of the layer, far from it in time, is held out for the check. So every layer counts
as much as it has in the film, and a hard scene is not missed because it is short or lies at an end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.media.frames import Coding
from stages.video.parting import Times
from stages.video.piece import Piece

WHOLE_S = 20.0
CELL_S = 2.0
_WINDOWS = 8  # of films that are just too long to be taken whole
_MORE_EACH_S = 600.0  # one window more for each ten minutes
_MOST = 16


@dataclass(frozen=True, slots=True)
class Samples:
    """The pieces that are probed, those held out for the check (none: all was probed), and what they are in words."""

    probed: tuple[Piece, ...]
    held_out: tuple[Piece, ...] = ()
    called: str = "the whole film"


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of frames, and the bytes that the source spends on each."""

    first: int
    count: int
    weight: float


def samples(pieces: Sequence[Piece], times: Times) -> Samples:
    """What is probed of a stream.

    Args:
        pieces: those that the finished film is made of, in order.
        times: the frames of the stream.
    """
    line = times.timeline
    seconds = line.seconds(line.count - 1)
    if seconds <= WHOLE_S or not times.distinct or not times.coding.sizes:
        return Samples(tuple(pieces))
    length = max(1, round(CELL_S * (line.count - 1) / seconds))
    found = cells(times.coding, line.count, length)
    number = min(_MOST, _WINDOWS + int(seconds / _MORE_EACH_S), len(found) // 2)
    probed, held_out = layered(found, number)
    called = f"{number} windows of about {CELL_S:g} s"
    return Samples(_cut(pieces[0], times, probed), _cut(pieces[0], times, held_out), called)


def cells(coding: Coding, count: int, length: int) -> list[Cell]:
    """Stretches of so many frames that do not overlap: from key frame to key frame where they are near enough."""
    found, first = [], 0
    while first + length <= count:
        found.append(Cell(first, length, sum(coding.sizes[first : first + length]) / length))
        place = bisect_left(coding.keys, first + length)
        key = coding.keys[place] if place < len(coding.keys) else count
        first = key if key < first + 2 * length else first + length
    return found


def layered(found: Sequence[Cell], number: int) -> tuple[list[Cell], list[Cell]]:
    """So many cells to probe and as many to check with, two from each layer of complexity; both in order of time."""
    ranked = sorted(found, key=lambda cell: cell.weight)
    probed, held_out = [], []
    for place in range(number):
        layer = ranked[place * len(ranked) // number : (place + 1) * len(ranked) // number]
        middle = layer[len(layer) // 2]
        probed.append(middle)
        held_out.append(_other(layer, middle))
    return sorted(probed, key=lambda cell: cell.first), sorted(held_out, key=lambda cell: cell.first)


def _other(layer: Sequence[Cell], middle: Cell) -> Cell:
    """Of the half of a layer that is next to its middle, the cell that is farthest from it in time."""
    place = layer.index(middle)
    near = [layer[max(0, place - len(layer) // 4 - 1) : place], layer[place + 1 : place + len(layer) // 4 + 2]]
    return max((cell for side in near for cell in side), key=lambda cell: abs(cell.first - middle.first))


def _cut(piece: Piece, times: Times, chosen: Sequence[Cell]) -> tuple[Piece, ...]:
    """The cells as pieces of their own, encoded by the very words of a chunk."""
    line = times.timeline
    return tuple(
        replace(
            piece, first=cell.first, count=cell.count, expected=cell.count,
            pts=(line.pts[cell.first], line.pts[end] if (end := cell.first + cell.count) < line.count else times.end),
            seek=str(line.just_before(cell.first)) if cell.first else "",
        )
        for cell in chosen
    )  # fmt: skip
