"""Whether two runs of frames show the same pictures at the same index, told from a thumbnail of each frame.

A score of frames that do not belong together is low without saying why. Here each frame of the one is compared with
its neighbours in the other; the cheapest way through (Viterbi, with a price on each change of offset) tells by how
many frames they are apart, and from which index on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE = 16  # a thumbnail is SIDE × SIDE grey values
REACH = 3  # offsets looked at frame by frame: −REACH … REACH
_FAR = 100  # offsets looked at once for all frames
_FAR_FRAMES = 400
_CHUNK = 4096
_STEP_PRICE = (
    0.75  # per change of offset, in units of coding noise; whole footage up to CRF 51 stayed below 0.3 a frame
)
_LEAST_NOISE = 0.1  # grey levels of 255: a thumbnail's rounding
_BELIEVED = 0.88  # cost at an offset / cost in place, over its stretch: real slips stay below even at CRF 36, and
# what a starved encoder drags behind in nearly still pictures stays above 0.93
_ALIKE = 0.5  # correlation below which two runs of pictures are not the same


@dataclass(frozen=True, slots=True)
class Slip:
    """From `index` of the distorted video on, its frame i shows what frame i + `offset` of the reference shows."""

    index: int
    offset: int
    before: int

    def sentence(self, first: int = 0) -> str:
        """What happened there, for people; `first` is the index of the first frame that was looked at."""
        change = self.offset - self.before
        count = f"{abs(change)} frame{'s' if abs(change) > 1 else ''}"
        if self.index == 0:
            since = f"at index {first}, since that or an earlier one" if first else "from its first frame on"
            return f"it is {count} {'ahead' if change > 0 else 'behind'} {since}"
        if change > 0:
            return f"{count} of the reference dropped: index {first + self.index + self.before}"
        return f"{count} doubled or put in: index {first + self.index}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where two runs of frames are apart.

    Attributes:
        slips: changes of offset, in order.
        displaced: how many of the frames compared are not at their index.
        alike: correlation of the thumbnails at the offsets found; 1.0 where the pictures are flat.
    """

    slips: tuple[Slip, ...]
    displaced: int
    alike: float

    @property
    def unlike(self) -> bool:
        """Whether the two do not show the same pictures, at any offset that was looked at."""
        return self.alike < _ALIKE


def align(reference: Floats, distorted: Floats, missing: int = 0) -> Alignment:
    """Compare two runs of thumbnails frame by frame.

    Args:
        reference: grey values 0 … 255, shape [n, SIDE·SIDE].
        distorted: the same, shape [m, SIDE·SIDE]; the first min(n, m) of it are looked at.
        missing: frames that the distorted is known to lack (negative: has too many): a way that ends at that very
            offset is believed without further proof.
    """
    import numpy as np

    count = min(len(reference), len(distorted))
    levelled = _levelled(reference, distorted[:count])
    far = _far_offset(reference, levelled)
    if far:
        return Alignment((Slip(0, far, 0),), count, 1.0)
    costs = _costs(reference, levelled)
    path = _cheapest(costs) - REACH
    if not missing or path[-1] != missing:
        path = _believed(path, costs)
    at = np.clip(np.arange(count) + path, 0, len(reference) - 1)
    return Alignment(tuple(_slips(path)), int(np.count_nonzero(path)), _alike(reference[at], levelled))


def _levelled(reference: Floats, distorted: Floats) -> Floats:
    """The distorted with the reference's brightness and contrast: another colour range is no other picture."""
    first = reference[: len(distorted)]
    spread = float(distorted.std())
    if spread == 0:
        return distorted
    levelled: Floats = (distorted - distorted.mean()) * (first.std() / spread) + first.mean()
    return levelled


def _costs(reference: Floats, distorted: Floats) -> Floats:
    """Mean absolute difference of each frame to its neighbours, shape [m, 2·REACH + 1].

    Where there is no such neighbour the cost is the least of those that are there: neither for nor against.
    """
    import numpy as np

    count = len(distorted)
    costs = np.full((count, 2 * REACH + 1), np.inf, np.float32)
    for column, offset in enumerate(range(-REACH, REACH + 1)):
        first, last = max(0, -offset), min(count, len(reference) - offset)
        for low in range(first, last, _CHUNK):
            high = min(low + _CHUNK, last)
            apart = np.abs(distorted[low:high] - reference[low + offset : high + offset])
            costs[low:high, column] = apart.mean(axis=1)
    return np.where(np.isinf(costs), costs.min(axis=1, keepdims=True), costs)


def _cheapest(costs: Floats) -> NDArray[np.int64]:
    """Column per frame along the cheapest way through, where each change of column has its price. Viterbi."""
    import numpy as np

    noise = max(_LEAST_NOISE, float(np.median(costs.min(axis=1))))
    steps = costs / noise
    stay = np.arange(costs.shape[1])
    came = np.empty(costs.shape, np.int64)
    total = np.where(stay == REACH, 0.0, _STEP_PRICE)
    for index, step in enumerate(steps):
        best = int(total.argmin())
        came[index] = np.where(total <= total[best] + _STEP_PRICE, stay, best)
        total = np.minimum(total, total[best] + _STEP_PRICE) + step
    column = REACH if total[REACH] <= total.min() else int(total.argmin())
    path = np.empty(len(costs), np.int64)
    for index in range(len(costs) - 1, -1, -1):
        path[index] = column
        column = int(came[index, column])
    return path


def _believed(path: NDArray[np.int64], costs: Floats) -> NDArray[np.int64]:
    """The path without the stretches that fit hardly better at their offset than in place."""
    import numpy as np

    ends = [*(np.flatnonzero(np.diff(path)) + 1), len(path)]
    kept = path.copy()
    for first, last in zip([0, *ends], ends, strict=False):
        there = costs[first:last, path[first] + REACH].mean()
        if there > _BELIEVED * costs[first:last, REACH].mean():
            kept[first:last] = 0
    return kept


def _slips(path: NDArray[np.int64]) -> Iterator[Slip]:
    before = 0
    for index, offset in enumerate(path.tolist()):
        if offset != before:
            yield Slip(index, offset, before)
            before = offset


def _far_offset(reference: Floats, distorted: Floats) -> int:
    """A constant offset beyond REACH that fits far better than none; 0 when there is none. Looks at the middle."""
    import numpy as np

    count = min(len(reference), len(distorted))
    low = max(0, (count - _FAR_FRAMES) // 2)
    length = min(count - low, _FAR_FRAMES)

    def cost(offset: int) -> float:
        first, last = max(low, -offset), min(low + length, len(reference) - offset)
        if last - first < min(length // 2, 20) or last <= first:
            return float("inf")
        apart = distorted[first:last] - reference[first + offset : last + offset]
        return float(np.mean(np.abs(apart)))

    near = min(cost(offset) for offset in range(-REACH, REACH + 1))
    far, best = min((cost(offset), offset) for offset in range(-_FAR, _FAR + 1) if abs(offset) > REACH)
    return best if near > 10 * _LEAST_NOISE and far < near / 4 else 0


def _alike(reference: Floats, distorted: Floats) -> float:
    a, b = reference - reference.mean(), distorted - distorted.mean()
    energy = float((a * a).mean() * (b * b).mean()) ** 0.5
    return float((a * b).mean()) / energy if energy > 1.0 else 1.0
