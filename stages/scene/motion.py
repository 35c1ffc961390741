"""Ken Burns: which part of a still each frame shows. Pure arithmetic, in parts of pixels.

A zoom keeps one point of the still at one point of the frame: all its views are scaled about that point. It is what
lets `stages.scene.kenburns` draw a zoom by resizing alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AUTO, STILL = "auto", "still"
ZOOMS = ("zoom_in", "zoom_out")
PANS = ("pan_left", "pan_right", "pan_up", "pan_down")
MOTIONS = (*ZOOMS, *PANS, STILL)
EASINGS = ("linear", "smooth")
_ROOMY = 1.15  # a still so much wider (higher) than the frame's shape is worth a pan
# A still that has no more to show than the frame is only moved a little: what stands in its middle stays in sight.
_TIGHT = 0.15
# Where `auto` may keep a point in place, in parts of the frame: about the middle, and rather above it, where faces are.
_FOCUS_X, _FOCUS_Y = (0.35, 0.65), (0.30, 0.55)


@dataclass(frozen=True, slots=True)
class Camera:
    """How the still is looked at.

    Attributes:
        motion: one of `MOTIONS`.
        views: left, top, width and height of what each frame shows, in pixels of the still, shape [frames, 4].
        fixed: x and y of the point of the frame (pixels, even) that shows the same point of the still in every frame;
            None with pans.
    """

    motion: str
    views: NDArray[np.float64]
    fixed: tuple[int, int] | None

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.views)


@dataclass(frozen=True, slots=True)
class Course:
    """What is asked of a camera.

    Attributes:
        motion: one of `MOTIONS`, or `auto`: chosen by the seed and the shape of the still.
        speed: how much larger the still becomes in a frame, in parts of its size; pans go as fast.
        limit: the nearest view, as a zoom factor; a longer scene goes more slowly instead of stopping.
        easing: `linear`, or `smooth`: at rest at both ends, with the same way in all.
        seed: decides what is left open.
    """

    motion: str = AUTO
    speed: float = 0.001
    limit: float = 1.5
    easing: str = "linear"
    seed: int = 0


def camera(frames: int, still: tuple[int, int], frame: tuple[int, int], course: Course) -> Camera:
    """The views of all frames. None goes past the still's border.

    Args:
        frames: 1 or more.
        still: width and height of the still, pixels.
        frame: width and height of the film's frames, pixels, even.
        course: what is asked.
    """
    motion = chosen(course, still, frame)
    if motion in PANS:
        return Camera(motion, _pan(frames, still, frame, course, motion), None)
    return _zoom(frames, still, frame, course, motion)


def chosen(course: Course, still: tuple[int, int], frame: tuple[int, int]) -> str:
    """The motion, `auto` settled: a pan across a still that has room for it, at every other seed; else a zoom."""
    if course.motion != AUTO:
        return course.motion
    shape = (still[0] * frame[1]) / (still[1] * frame[0])
    if part(course.seed, "pan") < 0.5 and shape >= _ROOMY:
        return ("pan_left", "pan_right")[part(course.seed, "way") < 0.5]
    if part(course.seed, "pan") < 0.5 and shape <= 1 / _ROOMY:
        return ("pan_up", "pan_down")[part(course.seed, "way") < 0.5]
    return ZOOMS[part(course.seed, "way") < 0.5]


def part(seed: int, name: str) -> float:
    """A number of 0 to 1 that hangs on seed and name alone, on every machine and in every version."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def base_view(still: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest part of the frame's shape, in the middle of the still: left, top, width, height, whole pixels."""
    width = max(1, min(still[0], round(still[1] * frame[0] / frame[1])))
    height = max(1, min(still[1], round(still[0] * frame[1] / frame[0])))
    return (still[0] - width) // 2, (still[1] - height) // 2, width, height


def _zoom(frames: int, still: tuple[int, int], frame: tuple[int, int], course: Course, motion: str) -> Camera:
    import numpy as np

    left, top, width, height = base_view(still, frame)
    way = 0.0 if motion == STILL else min(course.speed * (frames - 1), course.limit - 1)
    zoom = 1 + way * _progress(frames, course.easing)
    zoom = zoom[::-1] if motion == "zoom_out" else zoom
    fixed = _focus(frame, course)
    hidden = 1 - 1 / zoom
    across, down = fixed[0] / frame[0], fixed[1] / frame[1]
    views = [left + across * width * hidden, top + down * height * hidden, width / zoom, height / zoom]
    return Camera(motion, np.stack(views, axis=1), fixed)


def _focus(frame: tuple[int, int], course: Course) -> tuple[int, int]:
    """The point that stays in place, on even pixels, where samples of colour and of light begin together.

    A zoom that the script names goes to the middle, as one expects.
    """
    if course.motion != AUTO:
        return frame[0] // 4 * 2, frame[1] // 4 * 2
    across = _FOCUS_X[0] + (_FOCUS_X[1] - _FOCUS_X[0]) * part(course.seed, "x")
    down = _FOCUS_Y[0] + (_FOCUS_Y[1] - _FOCUS_Y[0]) * part(course.seed, "y")
    return round(frame[0] * across / 2) * 2, round(frame[1] * down / 2) * 2


def _pan(
    frames: int, still: tuple[int, int], frame: tuple[int, int], course: Course, motion: str
) -> NDArray[np.float64]:
    """Views of one size. They come nearer only as far as the still has too little room for the way, and not far."""
    import numpy as np

    _, _, width, height = base_view(still, frame)
    axis = 0 if motion in ("pan_left", "pan_right") else 1
    whole, shown = still[axis], (width, height)[axis]
    way = min(course.speed * (frames - 1) * shown, max(whole - shown, _TIGHT * shown))
    zoom = max(1.0, min(course.limit, shown / (whole - way) if whole > way else course.limit))
    view = (width / zoom, height / zoom)
    way = min(way, whole - view[axis])
    progress = _progress(frames, course.easing)
    if motion in ("pan_left", "pan_up"):
        progress = 1 - progress
    start = [(still[0] - view[0]) / 2, (still[1] - view[1]) / 2]
    corner = [np.full(frames, value) for value in start]
    corner[axis] = start[axis] + way * (progress - 0.5)
    return np.stack([*corner, np.full(frames, view[0]), np.full(frames, view[1])], axis=1)


def _progress(frames: int, easing: str) -> NDArray[np.float64]:
    """How much of the way is done at each frame, 0 to 1."""
    import numpy as np

    done = np.linspace(0.0, 1.0, frames)
    return done * done * (3 - 2 * done) if easing == "smooth" else done
