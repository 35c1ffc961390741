"""Names beside the points of a picture: inside the panel, and over no point and no other name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
Line = tuple[Point, Point]

LONGEST = 40
_MARK = 7.0  # half the side of a point, pixels
_GAP = 4.0  # between a point and the name beside it
_ROOM = 2.0  # between two names
_NEAR_RINGS, _FAR_RINGS = 3, 12
_RING = 18.0  # names go further from their point by so much until there is room
_TURNS = (90, -90, 45, 135, -45, -135, 0, 180, 68, 112, -68, -112, 22, 158, -22, -158)  # degrees; above and below first
_LINE_FROM = _MARK + _GAP + _ROOM  # a name further away than this is joined to its point


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def holds(self, other: Box) -> bool:
        """Whether all of the other lies inside."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.bottom <= other.bottom and other.top <= self.top

    def meets(self, other: Box) -> bool:
        """Whether they overlap."""
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def away(self, x: float, y: float) -> float:
        """How far a point is from its nearest edge; 0 inside."""
        return math.hypot(max(self.left - x, 0, x - self.right), max(self.bottom - y, 0, y - self.top))

    def has(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left < x < self.right and self.bottom < y < self.top


def about(x: float, y: float, width: float, height: float) -> Box:
    """The box of a size around a centre."""
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def places(
    points: Sequence[Point], sizes: Sequence[Point], order: Sequence[int], panel: Box, curve: Sequence[Line] = ()
) -> dict[int, Point]:
    """Where the centre of each name goes; a name for which there is no clear room is left out (the table has it).

    Args:
        points: of all marks, pixels; names keep clear of them.
        sizes: width and height of each point's name, pixels.
        order: which points are named, those first that matter most.
        panel: what names must stay in.
        curve: lines that names keep clear of as long as they stay near their points.
    """
    drawn = _Drawn(panel, [about(x, y, 2 * _MARK, 2 * _MARK) for x, y in points])
    found: dict[int, Point] = {}
    for number in order:
        point, size = points[number], sizes[number]
        near, far = (_around(point, size, rings) for rings in (_NEAR_RINGS, _FAR_RINGS))
        centre = next((at for at in near if drawn.leaves_room(point, at, size, curve)), None)
        centre = centre or next((at for at in far if drawn.leaves_room(point, at, size)), None)
        if centre:
            found[number] = centre
            drawn.names.append(about(*centre, *size))
            drawn.lines.append((point, centre))
    return found


@dataclass(slots=True)
class _Drawn:
    """What lies on a panel so far."""

    panel: Box
    marks: list[Box]
    names: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def leaves_room(self, point: Point, centre: Point, size: Point, curve: Sequence[Line] = ()) -> bool:
        """Whether a name fits there, and the line from its point to it."""
        box = about(*centre, size[0] + _ROOM, size[1] + _ROOM)
        if not self.panel.holds(box) or any(map(box.meets, [*self.names, *self.marks])):
            return False
        own = about(*point, 2 * _MARK, 2 * _MARK)
        crossed = [*self.names, *(mark for mark in self.marks if not mark.meets(own))]
        if any(_over(other, (point, centre)) for other in crossed):
            return False
        return not any(_over(box, line) for line in [*self.lines, *curve])


def _around(point: Point, size: Point, rings: int) -> Iterator[Point]:
    """Centres of a name, the nearest first."""
    for ring in range(rings):
        for turn in _TURNS:
            across, up = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            away = _MARK + _GAP + ring * _RING
            yield point[0] + across * (away + size[0] / 2), point[1] + up * (away + size[1] / 2)


def _over(box: Box, line: Line) -> bool:
    """Whether any of a line lies inside: what each edge leaves of it, from 0 (start) to 1 (end)."""
    (x0, y0), (x1, y1) = line
    first, last = 0.0, 1.0
    for start, move, low, high in ((x0, x1 - x0, box.left, box.right), (y0, y1 - y0, box.bottom, box.top)):
        if abs(move) < 1e-9:
            if not low < start < high:
                return False
            continue
        enters, leaves = sorted(((low - start) / move, (high - start) / move))
        first, last = max(first, enters), min(last, leaves)
    return first < last


def shortened(name: str) -> str:
    """A name that is too long for a panel loses its middle."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"


def name_points(
    axes: Axes, names: Sequence[str], points: Sequence[Point], order: Sequence[int], bold: Sequence[int]
) -> None:
    """Write the names; the panel must have its final place and limits.

    Args:
        axes: the panel.
        names: of all points.
        points: in the panel's own units.
        order: which points are named, those first that matter most.
        bold: points whose names are bold, joined by a line in this order.
    """
    pixels = [(float(x), float(y)) for x, y in axes.transData.transform(points)] if points else []
    texts = [_text(axes, shortened(name), number in bold) for number, name in enumerate(names)]
    extents = [text.get_window_extent() for text in texts]
    at = axes.get_window_extent()
    panel = Box(at.x0 + _ROOM, at.y0 + _ROOM, at.x1 - _ROOM, at.y1 - _ROOM)
    curve = [(pixels[one], pixels[other]) for one, other in pairwise(bold)]
    found = places(pixels, [(box.width, box.height) for box in extents], order, panel, curve)
    back = axes.transAxes.inverted()
    for number, text in enumerate(texts):
        if number not in found:
            text.remove()
            continue
        text.set_position(back.transform(found[number]))
        if _unclear(about(*found[number], extents[number].width, extents[number].height), number, pixels):
            _line(axes, pixels[number], found[number])


def _unclear(box: Box, own: int, points: Sequence[Point]) -> bool:
    """Whether one could not tell whose name it is: it is far from its point, or as near to another."""
    away = box.away(*points[own])
    others = [point for point in points if math.dist(point, points[own]) > _MARK]
    return away > _LINE_FROM or any(box.away(*point) < away + _MARK for point in others)


def _text(axes: Axes, name: str, bold: bool) -> Any:
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    weight = "bold" if bold else "normal"
    return axes.text(
        0.5, 0.5, name, transform=axes.transAxes, fontsize=8, ha="center", va="center", fontweight=weight, bbox=ground
    )


def _line(axes: Axes, start: Point, end: Point) -> None:
    from matplotlib.lines import Line2D

    ends = axes.transAxes.inverted().transform([start, end])
    axes.add_artist(Line2D(*ends.T, color="#a9b4c4", linewidth=0.7, transform=axes.transAxes, zorder=1))
