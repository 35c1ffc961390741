"""One frame blended with its neighbours, where they show the same thing.

Whether they do is judged at the size of the input picture. What the neighbours differ by is taken apart: slow changes
over the picture (brightness, colour) and fine ones (noise, wavering detail).

Fine differences are averaged, the less the larger they are beside the usual ones of the frame: of patches first, then
of each pixel, so that a sharp edge that is a fraction of a pixel off is not blurred. Of slow differences the middle one
of the three frames is taken: a flicker is an outlier and goes, while a fade, a shadow that comes or a lamp that is lit
go one way and stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.upscale.flow import NO_MAP, places_in, warped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.upscale.flow import Flow

    Plane = NDArray[np.float32]

_SLOW = 4.0  # pixels of the input: standard deviation of the window that tells slow from fine
_PATCH = (5, 5)  # pixels of the input over which fine differences are judged
_USUAL = 3.0  # times the usual fine difference of a patch (squared): half as much of a neighbour is taken there
_ODD = 4.5  # times the usual difference of a pixel (median): half of it is taken there. About 3 standard deviations
_SAME = 1 / 255  # differences of a pixel below this are never odd
_EVERY = 8  # pixels apart: those that tell what is usual


@dataclass(frozen=True, slots=True)
class Strength:
    """How much is done.

    Attributes:
        neighbours: weight of a sure neighbour beside the frame's own 1.
        brightness: share of a flicker of brightness that is taken away.
        tolerance: fine difference of a patch (root of mean square, of 1) that is always taken for flicker.
        limit: slow difference (of 1) above which a neighbour shows something else.
    """

    neighbours: float
    brightness: float
    tolerance: float
    limit: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A frame before or after: its planes, these small [H, W, n], the way to it, and how surely it is seen there."""

    planes: Sequence[Plane]
    small: Plane
    flow: Flow
    seen: Plane


@dataclass(frozen=True, slots=True)
class _Share:
    """What a neighbour gives: slow differences [H, W, n], and how far it shows the same [H, W], 0 … 1."""

    slow: Plane
    same: Plane


@dataclass(frozen=True, slots=True)
class _Source:
    """A neighbour for planes of one size: where its pixels are fetched from [h, w, 2], and its weights [h, w]."""

    places: Flow
    weight: Plane


def blend(
    planes: Sequence[Plane], small: Plane, neighbours: Sequence[Neighbour], strength: Strength, into: Sequence[Plane]
) -> None:
    """Steady the planes of a frame.

    Args:
        planes: the frame, each [h, w] of 0 … 1; sizes may differ.
        small: the same planes at the input's size, [H, W, n].
        neighbours: none, one or two; without any the frame stays what it is.
        strength: how much is done.
        into: where the steady planes are written, as large as the others.
    """
    import numpy as np

    shares = [_share(small, neighbour, strength) for neighbour in neighbours]
    total = 1 + sum((strength.neighbours * share.same for share in shares), np.zeros(small.shape[:2], np.float32))
    weights = [strength.neighbours * share.same / total for share in shares]
    shift = _to_the_middle(shares[0], shares[1], strength) if len(shares) == 2 else np.zeros_like(small)
    for share, weight in zip(shares, weights, strict=True):
        shift -= weight[..., None] * share.slow
    sizes = {plane.shape for plane in planes}
    pairs = list(zip(neighbours, weights, strict=True))
    sources = {size: [_source(other, weight, size) for other, weight in pairs] for size in sizes}
    for at, plane in enumerate(planes):
        _mix(plane, shift[..., at], [n.planes[at] for n in neighbours], sources[plane.shape], into[at])


def _share(small: Plane, neighbour: Neighbour, strength: Strength) -> _Share:
    import cv2
    import numpy as np

    difference = warped(neighbour.small, neighbour.flow) - small
    slow = _slow(difference, neighbour.seen)
    energy = cv2.blur(_mean_of(np.square(difference - slow)), _PATCH)
    certain = neighbour.seen > 0.5
    usual = np.median(energy[certain]) if certain.any() else np.float32(0)
    like = 1 / (1 + (energy / (_USUAL * usual + strength.tolerance**2)) ** 2)
    near = 1 / (1 + (np.maximum.reduce(_each(np.abs(slow))) / strength.limit) ** 4)
    return _Share(slow, np.asarray(neighbour.seen * like * near, np.float32))


def _each(planes: Plane) -> list[Plane]:
    """[H, W, n] as n planes: NumPy is slow over a last axis that is short."""
    return [planes[..., n] for n in range(planes.shape[-1])]


def _mean_of(planes: Plane) -> Plane:
    import numpy as np

    return np.asarray(np.add.reduce(_each(planes)) / planes.shape[-1], np.float32)


def _slow(difference: Plane, seen: Plane) -> Plane:
    """Mean of the differences around each pixel; those that are not seen in both frames do not count."""
    import cv2
    import numpy as np

    counted = seen[..., None] + np.float32(1e-4)
    summed = cv2.GaussianBlur(difference * counted, (0, 0), _SLOW).reshape(difference.shape)
    return np.asarray(summed / cv2.GaussianBlur(counted, (0, 0), _SLOW)[..., None], np.float32)


def _to_the_middle(before: _Share, after: _Share, strength: Strength) -> Plane:
    """What brings slow differences to the middle of the three frames: nothing, where the frame is the middle one."""
    import numpy as np

    least = np.minimum(np.abs(before.slow), np.abs(after.slow))
    step = np.where(before.slow * after.slow > 0, np.copysign(least, before.slow), np.float32(0))
    sure = strength.brightness * np.minimum(before.same, after.same)
    return np.asarray(step * sure[..., None], np.float32)


def _source(neighbour: Neighbour, weight: Plane, size: tuple[int, int]) -> _Source:
    import cv2
    import numpy as np

    height, width = size
    large = cv2.resize(weight, (width, height), interpolation=cv2.INTER_LINEAR)
    return _Source(places_in(neighbour.flow, height, width), np.asarray(large, np.float32))


def _mix(plane: Plane, shift: Plane, others: Sequence[Plane], sources: Sequence[_Source], into: Plane) -> None:
    """Plane + shift + weight x (neighbour - plane) of each neighbour, kept in 0 … 1."""
    import cv2
    import numpy as np

    height, width = plane.shape
    cv2.add(plane, cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR), dst=into)
    for other, source in zip(others, sources, strict=True):
        step: Any = cv2.remap(other, source.places, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        cv2.subtract(step, plane, dst=step)
        _tame(step)
        cv2.multiply(step, source.weight, dst=step)
        cv2.add(into, step, dst=into)
    np.clip(into, 0, 1, out=into)


def _tame(step: Plane) -> None:
    """Let small steps be and take odd ones back: x / (1 + (x / odd)²)."""
    import cv2
    import numpy as np

    middle = _EVERY // 2
    odd = _ODD * float(np.median(np.abs(step[middle::_EVERY, middle::_EVERY]))) + _SAME
    bound = cv2.multiply(step, step, scale=1 / odd**2)
    bound += 1
    cv2.divide(step, bound, dst=step)
