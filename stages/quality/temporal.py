"""How steady and how sharp moving pictures are: measures of one plane of a picture, in the units of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

_EDGE = 8  # pixels at the frame's edge that are not judged: motion out of the picture cannot be followed
_AGREE = 0.5  # pixels by which the way there and back may miss


def warping_error(before: Plane, after: Plane, flow: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    """Mean absolute change of what is seen in both frames, with its motion taken out.

    The measure of Lai et al., "Learning Blind Video Temporal Consistency" (2018), with absolute values: their squares
    would show a third less as a half less. Use a flow that the frames were not made with.

    Args:
        before: plane [H, W] of the earlier frame.
        after: plane [H, W] of the later one.
        flow: [H, W, 2]; where each pixel of the later frame is in the earlier one, in pixels from its own place.
        seen: [H, W]; which pixels of the later frame are to be seen in the earlier one.

    Returns:
        the error in the units of the planes; 0.0 when nothing is seen in both.
    """
    import numpy as np

    inner = np.zeros_like(seen)
    inner[_EDGE:-_EDGE, _EDGE:-_EDGE] = seen[_EDGE:-_EDGE, _EDGE:-_EDGE]
    change = np.abs(_warped(before, flow) - after)[inner]
    return float(change.mean()) if change.size else 0.0


def _warped(plane: Plane, flow: NDArray[np.float32]) -> Plane:
    import cv2
    import numpy as np

    columns, rows = np.meshgrid(np.arange(plane.shape[1]), np.arange(plane.shape[0]))
    maps = np.stack([columns, rows], axis=-1).astype(np.float32) + flow
    no_map: Any = None
    return np.asarray(cv2.remap(plane, maps, no_map, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def farneback(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Motion between two grey pictures [H, W] by Farnebäck's polynomials: for films whose motion is not known.

    Returns:
        `flow` and `seen` for `warping_error`; seen is where the ways there and back agree.
    """
    import numpy as np

    there, back = _polynomial(after, before), _polynomial(before, after)
    returned = np.stack([_warped(np.ascontiguousarray(back[..., side]), there) for side in (0, 1)], axis=-1)
    return there, np.hypot(*np.moveaxis(there + returned, -1, 0)) < _AGREE


def _polynomial(start: NDArray[np.uint8], end: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2
    import numpy as np

    guess = np.zeros((*start.shape, 2), np.float32)
    found = cv2.calcOpticalFlowFarneback(start, end, guess, 0.5, 5, 21, 5, 7, 1.5, 0)
    return np.asarray(found, np.float32)


def sharpness(plane: Plane) -> float:
    """Variance of the Laplacian of a plane [H, W]. Noise counts as sharp: compare pictures that are equally clean."""
    return float(_laplacian(plane).var())


def detail_kept(plane: Plane, clean: Plane) -> float:
    """The share of a clean picture's fine detail that is in a noisy or treated one, both [H, W].

    The slope of one Laplacian over the other (least squares): 1.0 for all of it. Noise that has nothing to do with the
    picture does not change it, which `sharpness` would take for detail. 1.0 as well where the clean one has none.
    """
    fine = _laplacian(clean)
    energy = (fine * fine).sum()
    return float((fine * _laplacian(plane)).sum() / energy) if energy else 1.0


def _laplacian(plane: Plane) -> NDArray[np.float64]:
    import cv2
    import numpy as np

    return np.asarray(cv2.Laplacian(plane, cv2.CV_32F), np.float64)
