"""Motion between frames, found on small grey pictures: where each pixel of one frame is in another, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flow = NDArray[np.float32]  # [H, W, 2]: to the right and down, in pixels

NO_MAP: Any = None  # the second map of `cv2.remap`, whose types forget that the first may hold both sides
_AGREE = 0.3  # pixels by which the ways there and back miss, where a match is worth 0.6 of a sure one


class Motion:
    """Optical flow by dense inverse search (Kroeger et al., 2016): quick, and the same whatever threads it has."""

    def __init__(self) -> None:
        import cv2

        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._search.setFinestScale(0)  # at half the size motion is a quarter of a pixel off: that blurs
        self._search.setVariationalRefinementIterations(2)

    def between(self, start: NDArray[np.uint8], end: NDArray[np.uint8]) -> Flow:
        """Where each pixel of `start` is in `end`, both grey [H, W], as steps from its own place.

        No first guess is taken from other frames: a frame's motion depends on its two pictures alone.
        """
        import numpy as np

        no_guess: Any = None
        return np.asarray(self._search.calc(start, end, no_guess), np.float32)


def surely(there: Flow, back: Flow) -> NDArray[np.float32]:
    """How far each pixel of a frame can be trusted to be seen in another: [H, W], 0 … 1.

    What goes there and comes back elsewhere is hidden in one of the two; what leaves the picture is not seen at all.
    """
    import cv2
    import numpy as np

    height, width = there.shape[:2]
    x, y = cv2.split(places(there))
    inside = (x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)
    to_right, down = cv2.split(there + warped(back, there))
    distance = to_right * to_right + down * down
    trust = np.exp(-distance / (2 * _AGREE * _AGREE)) * inside
    return np.asarray(cv2.erode(trust.astype(np.float32), np.ones((3, 3), np.uint8)), np.float32)


def warped(picture: Any, flow: Flow) -> NDArray[np.float32]:
    """A picture [H, W] or [H, W, n] fetched along a flow of its own size."""
    import cv2
    import numpy as np

    found: Any = cv2.remap(picture, places(flow), NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found).reshape(picture.shape)  # OpenCV drops a last axis of one


def places(flow: Flow) -> Flow:
    """Where to fetch each pixel from, [H, W, 2], in pixels from the upper left."""
    return _from_the_corner(flow.copy())


def places_in(flow: Flow, height: int, width: int) -> Flow:
    """`places` of the same motion in a larger or smaller picture of these sides, in its pixels."""
    return _from_the_corner(scaled(flow, height, width))


def scaled(flow: Flow, height: int, width: int) -> Flow:
    """The same motion for a larger or smaller picture of these sides, in its pixels."""
    import cv2
    import numpy as np

    pixels = flow * np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _from_the_corner(steps: Flow) -> Flow:
    import numpy as np

    steps[..., 0] += np.arange(steps.shape[1], dtype=np.float32)
    steps[..., 1] += np.arange(steps.shape[0], dtype=np.float32)[:, None]
    return steps
