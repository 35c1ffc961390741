"""Which part of two videos shows the same: what a stage that cropped or padded tells the one that scores."""

from __future__ import annotations

from dataclasses import dataclass

from stages.contract import Failure, Json, StageError
from stages.media.frames import Track

_WORDS = ("crop", "inside", "not")


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in pixels of the picture as shown (after its rotation)."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class Geometry:
    """How two pictures meet.

    Attributes:
        reference: the part of the reference that the video shows; None: all of it.
        video: the part of the video that shows the reference; None: all of it.
        reason: why the two cannot be compared at all; "" when they can.
    """

    reference: Box | None = None
    video: Box | None = None
    reason: str = ""


def geometry(told: Json) -> Geometry:
    """Read what `compare` tells: `{"crop": [x, y, w, h]}`, `{"inside": [x, y, w, h]}`, both, or `{"not": reason}`.

    Raises:
        StageError: BUG for anything else: scoring another part than the right one would give a low score silently.
    """
    if told is None:
        return Geometry()
    if not isinstance(told, dict) or not told or not set(told) <= set(_WORDS):
        raise _wrong(told, f"it is no mapping of {', '.join(_WORDS)}")
    if "not" in told:
        if not isinstance(told["not"], str) or not told["not"]:
            raise _wrong(told, "'not' gives no reason")
        return Geometry(reason=told["not"])
    return Geometry(_box(told, "crop"), _box(told, "inside"))


def held(box: Box | None, track: Track) -> Box | None:
    """The box, or None when it is the whole picture.

    Raises:
        StageError: BUG when it reaches out of the picture.
    """
    if box is None or box == Box(0, 0, track.width, track.height):
        return None
    if min(box.x, box.y) < 0 or box.x + box.width > track.width or box.y + box.height > track.height:
        what = f"{box.width}×{box.height} at {box.x},{box.y} reaches out of {track.width}×{track.height}"
        raise StageError(Failure.BUG, f"{track.path.name}: 'compare' cannot be right: {what}; mend the stage before")
    return box


def _box(told: dict[str, Json], word: str) -> Box | None:
    if word not in told:
        return None
    numbers = told[word]
    if not isinstance(numbers, list | tuple) or len(numbers) != 4 or not all(type(n) is int for n in numbers):
        raise _wrong(told, f"{word!r} is no [x, y, width, height] in whole pixels")
    if min(numbers[2:]) < 1:
        raise _wrong(told, f"{word!r} is empty")
    return Box(*numbers)


def _wrong(told: Json, why: str) -> StageError:
    return StageError(Failure.BUG, f"'compare' is {told!r}: {why}; mend the stage that wrote it")
