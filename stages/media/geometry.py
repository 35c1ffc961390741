"""Which part of two videos shows the same: what a stage that cropped or padded tells the one that scores."""

from __future__ import annotations

from dataclasses import dataclass

from stages.contract import Failure, Json, StageError
from stages.media.frames import Track

_WORDS = ("crop", "inside", "not")


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in pixels."""

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
        reference: the part of the reference that the video shows, as it is shown; None: all of it.
        video: the part of the video that shows the reference, as it is stored; None: all of it.
        reason: why the two cannot be compared at all; "" when they can.
    """

    reference: Box | None = None
    video: Box | None = None
    reason: str = ""


def geometry(told: Json) -> Geometry:
    """Read what `compare` tells: `{"crop": [x, y, w, h]}`, `{"inside": [x, y, w, h]}`, both, or `{"not": reason}`.

    `crop` is in pixels of the reference as it is shown, upright; `inside` in pixels of the video as it is stored.
    Nothing told, or `{}`: all of both.

    Raises:
        StageError: BUG for anything else: scoring another part than the right one would give a low score silently.
    """
    if told is None:
        return Geometry()
    if not isinstance(told, dict) or not set(told) <= set(_WORDS):
        raise _wrong(told, f"it is no mapping of {', '.join(_WORDS)}")
    if "not" in told:
        if not isinstance(told["not"], str) or not told["not"]:
            raise _wrong(told, "'not' gives no reason")
        return Geometry(reason=told["not"])
    return Geometry(_box(told, "crop"), _box(told, "inside"))


def turned(box: Box | None, track: Track) -> Box | None:
    """A part of the stored picture as a part of the picture that is shown."""
    if box is None or track.rotation % 360 == 0:
        return box
    upright = track.rotation % 180 == 0
    wide, high = (track.width, track.height) if upright else (track.height, track.width)
    right, below = wide - box.x - box.width, high - box.y - box.height  # what the box leaves on these sides
    if upright:
        return Box(right, below, box.width, box.height)
    x, y = (box.y, right) if track.rotation % 360 == 90 else (below, box.x)
    return Box(x, y, box.height, box.width)


def held(box: Box | None, track: Track) -> Box | None:
    """The box of the picture as shown, or None when it is all of it.

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
