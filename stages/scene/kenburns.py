"""Draws the frames of a moving view, sub-pixel exact, as raw planes of 4:2:0.

A zoom is one resize: the still is cut at the point that stays in place, each quarter is turned so that this point is
its first corner, and the four lie over each other as the channels of one picture. A resize then has to hit nothing but
the scale, which it does exactly; the result is that of an affine warp, at a fourth of its work. Pans take the warp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.scene.motion import Camera
    from stages.scene.planes import Planes

    Plane = NDArray[np.uint8]

# How cv2.flip turns the quarters into place, in the order of `_turned`: 0 upside down, 1 left to right, -1 both.
_FLIPS = (None, 0, 1, -1)


def draw(planes: Planes, camera: Camera, frame: tuple[int, int]) -> Iterator[memoryview]:
    """The frames one after another: luma, then blue and red difference.

    Args:
        planes: made for this camera.
        camera: the views.
        frame: width and height of the frames, pixels, even.

    Yields:
        `width · height · 3 / 2` bytes, always in the same memory: use them before asking for the next.
    """
    import cv2
    import numpy as np

    # Pieces of a frame are too small for more threads to gain anything.
    cv2.setNumThreads(1)
    buffer = np.empty(frame[0] * frame[1] * 3 // 2, np.uint8)
    targets = parts_of(buffer, frame)
    if (camera.views == camera.views[0]).all():
        _draw_view(planes, camera, 0, targets)
        for _ in range(camera.frames):
            yield buffer.data
        return
    zoom = _Zoom(planes, camera, targets) if camera.fixed else None
    for number in range(camera.frames):
        if zoom:
            zoom.draw(number)
        else:
            _draw_view(planes, camera, number, targets)
        yield buffer.data


def parts_of(buffer: Plane, frame: tuple[int, int]) -> list[Plane]:
    """Luma and both colours of a frame in a flat buffer, as planes."""
    width, height = frame
    luma, quarter = width * height, width * height // 4
    colours = [buffer[luma + k * quarter : luma + (k + 1) * quarter].reshape(height // 2, width // 2) for k in (0, 1)]
    return [buffer[:luma].reshape(height, width), *colours]


def _draw_view(planes: Planes, camera: Camera, number: int, targets: list[Plane]) -> None:
    """Any view, by an affine warp.

    Column c of the frame shows `left + (c + ½) · width / W` of the still; the colours' shift to the left is in the
    planes. Twice the samples of colour lie in half as many: the same number for each of the frame.
    """
    import cv2
    import numpy as np

    left, top, width, height = camera.views[number]
    shown_x, shown_y = targets[0].shape[1], targets[0].shape[0]
    step_x, step_y = width * planes.across / shown_x, height * planes.down / shown_y
    for index, (plane, target) in enumerate(zip(planes.planes, targets, strict=True)):
        half = 2 if index else 1
        at_x = (left - planes.left) * planes.across / half + step_x / 2 - 0.5
        at_y = (top - planes.top) * planes.down / half + step_y / 2 - 0.5
        cv2.warpAffine(
            plane, np.array([[step_x, 0, at_x], [0, step_y, at_y]]), (target.shape[1], target.shape[0]), dst=target,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip


class _Zoom:
    """Zooms about the camera's fixed point."""

    def __init__(self, planes: Planes, camera: Camera, targets: list[Plane]) -> None:
        assert camera.fixed is not None
        self._steps_x = camera.views[:, 2] * planes.across / targets[0].shape[1]
        self._steps_y = camera.views[:, 3] * planes.down / targets[0].shape[0]
        self._quarters = [
            _Quarters(plane, target, (camera.fixed[0] // half, camera.fixed[1] // half))
            for plane, target, half in zip(planes.planes, targets, (1, 2, 2), strict=True)
        ]

    def draw(self, number: int) -> None:
        for quarters in self._quarters:
            quarters.draw(float(self._steps_x[number]), float(self._steps_y[number]))


class _Quarters:
    """The four sides of the fixed point in one plane, turned to begin there, as channels; and the parts they fill."""

    def __init__(self, plane: Plane, target: Plane, fixed: tuple[int, int]) -> None:
        import cv2

        x, y = fixed
        over_x, over_y = plane.shape[1] // target.shape[1], plane.shape[0] // target.shape[0]
        self._parts = [target[y:, x:], target[:y, x:], target[y:, :x], target[:y, :x]]
        sides = _turned(plane, (x * over_x, y * over_y))
        self._height, self._width = max(y, target.shape[0] - y), max(x, target.shape[1] - x)
        whole = (self._height * over_y, self._width * over_x)
        self._channels = cv2.merge([_filled_up(side, whole) for side in sides])

    def draw(self, step_x: float, step_y: float) -> None:
        """Fill them. `step_x` and `step_y`: samples of the plane for one of the frame."""
        import cv2

        rows, columns = math.ceil(self._height * step_y) + 1, math.ceil(self._width * step_x) + 1
        # Without a size it is the factors that hold, exactly; the size would be a quotient of whole numbers.
        drawn = cv2.resize(
            self._channels[:rows, :columns], None, fx=1 / step_x, fy=1 / step_y, interpolation=cv2.INTER_LINEAR
        )
        for side, part, flip in zip(cv2.split(drawn), self._parts, _FLIPS, strict=True):
            height, width = part.shape
            if flip is None:
                part[:] = side[:height, :width]
            else:
                cv2.flip(side[:height, :width], flip, dst=part)


def _turned(plane: Plane, at: tuple[int, int]) -> list[Plane]:
    """The parts of a plane below right, above right, below left and above left of a point, each beginning there."""
    x, y = at
    return [plane[y:, x:], plane[:y, x:][::-1], plane[y:, :x][:, ::-1], plane[:y, :x][::-1, ::-1]]


def _filled_up(part: Plane, size: tuple[int, int]) -> Plane:
    """As large as the largest; what is added is never seen."""
    import numpy as np

    height, width = part.shape
    return np.pad(part, ((0, size[0] - height), (0, size[1] - width)))
