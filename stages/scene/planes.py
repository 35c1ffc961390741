"""The part of a still that its views show, made ready once for all frames: BT.709 in limited range, planes of 4:2:0.

The planes have twice the frame's resolution at the widest view: halfway between their samples a linear interpolation
then loses nearly as little as on them, so that sharpness does not swell as the view moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from stages.media.color import Colour

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.scene.motion import Camera

    Plane = NDArray[np.uint8]

OVER = 2  # samples of the planes for one of the frame, at the widest view
COLOUR = Colour("bt709", "tv", "bt709", "bt709", "left")
_RED, _BLUE = 0.2126, 0.0722  # ITU-R BT.709, table 3
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Planes:
    """A part of a still.

    Attributes:
        planes: luma, shape [height, width], and blue and red difference, of half of both.
        left: of the part, pixels of the still.
        top: likewise.
        across: samples of luma per pixel of the still, horizontally.
        down: vertically.
    """

    planes: tuple[Plane, Plane, Plane]
    left: int
    top: int
    across: float
    down: float


def make_planes(still: NDArray[np.uint8], camera: Camera, frame: tuple[int, int]) -> Planes:
    """The planes that all views of a camera are drawn from.

    Args:
        still: shape [height, width, 3], red first.
        camera: its views lie inside of the still.
        frame: width and height of the film's frames, pixels, even.
    """
    left, top, right, bottom = _region(still, camera)
    widest, highest = camera.views[:, 2].max(), camera.views[:, 3].max()
    width = 2 * round(OVER * frame[0] * (right - left) / widest / 2)
    height = 2 * round(OVER * frame[1] * (bottom - top) / highest / 2)
    across, down = width / (right - left), height / (bottom - top)
    samples = float(camera.views[:, 2].mean()) * across / frame[0]
    planes = _converted(still[top:bottom, left:right], (width, height), samples / 4)
    return Planes(planes, left, top, across, down)


def _region(still: NDArray[np.uint8], camera: Camera) -> tuple[int, int, int, int]:
    """Whole pixels of the still that hold every view."""
    height, width = still.shape[:2]
    first, last = camera.views[:, :2].min(axis=0), (camera.views[:, :2] + camera.views[:, 2:]).max(axis=0)
    left, top = (max(0, math.floor(value + _TINY)) for value in first)
    right, bottom = (math.ceil(value - _TINY) for value in last)
    return left, top, min(width, right), min(height, bottom)


def _converted(part: NDArray[np.uint8], size: tuple[int, int], shift: float) -> tuple[Plane, Plane, Plane]:
    """Scaled and converted, whichever comes first is less work.

    Samples of colour lie on the left of their pair of pixels (`left`), a quarter of their distance from its middle,
    where resizing takes them to be. Colour is moved by as much, in the mean of all views: by what the distance changes
    in a zoom, colour is off by less than 0.1 pixels.
    """
    import cv2

    if part.shape[0] * part.shape[1] > size[0] * size[1]:
        part = _resized(part, size)
    planes: Any = cv2.split(cv2.transform(part, _matrix()))
    luma, colours = planes[0], planes[1:]
    half = (size[0] // 2, size[1] // 2)
    middle = ((half[0] - 1) / 2 - shift, (half[1] - 1) / 2)
    blue, red = (_typed(cv2.getRectSubPix(_resized(one, half), half, middle)) for one in colours)
    return _resized(luma, size), blue, red


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Averaged over the area of each new pixel where there are fewer of them; else a cubic goes through all."""
    import cv2

    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    way = cv2.INTER_AREA if size[0] * size[1] < width * height else cv2.INTER_CUBIC
    return _typed(cv2.resize(picture, size, interpolation=way))


def _typed(picture: Any) -> NDArray[np.uint8]:
    """OpenCV's stubs know no element type."""
    assert picture.dtype == "uint8"
    return cast("NDArray[np.uint8]", picture)


def _matrix() -> NDArray[np.float32]:
    """From red, green, blue of 0 to 255 to Y of 16 to 235, Cb and Cr of 16 to 240, shape [3, 4]."""
    import numpy as np

    light = np.array([_RED, 1 - _RED - _BLUE, _BLUE])
    blue = (np.array([0, 0, 1]) - light) / (2 * (1 - _BLUE))
    red = (np.array([1, 0, 0]) - light) / (2 * (1 - _RED))
    scaled = np.stack([light * 219, blue * 224, red * 224]) / 255
    return np.hstack([scaled, [[16], [128], [128]]]).astype(np.float32)
