"""A frame cut into tiles of one shape, so that what is put together is what the whole frame gives.

A net sees `radius` pixels around each one. A tile therefore overlaps its neighbours by that much, and what lies nearer
to its inner edges is thrown away. Tiles at the border of the frame lie flush with it, so that the zeros with which
convolutions pad lie where they lie for the whole frame, and nowhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


# Side, in pixels, from which tiles are exact in fp32 on a CPU: torch convolves single pictures of up to 20480 numbers
# (3 × 82 × 82) by other code, which adds in another order. Smaller tiles, where asked for, are off by 1e-6.
EXACT_SIDE = 96


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis, in pixels of the frame: what the model gets, and what of it is kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True, slots=True)
class Tiling:
    """How frames are cut.

    Attributes:
        tile: side of the largest tile, pixels; 0: the whole frame.
        overlap: pixels of context on each inner side; the result is exact from the model's receptive radius on.
        scale: how many times larger the model makes frames.
        multiple: what the sides of a model's input must be a multiple of.
    """

    tile: int
    overlap: int
    scale: int
    multiple: int = 1

    @property
    def smallest(self) -> int:
        """Side of the smallest tile that is exact, and of which a fair part is kept, pixels."""
        return _up(max(EXACT_SIDE, 3 * self.overlap), self.multiple)


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Equal tiles along an axis of `length` pixels (a multiple of `multiple`); the last is shifted inward.

    Tiles are no larger than their number asks for: 1000 pixels in tiles of 640 are two of about half.
    """
    multiple = tiling.multiple
    overlap = _up(tiling.overlap, multiple)
    most = max(tiling.tile // multiple * multiple, 2 * overlap + multiple)
    if not tiling.tile or length <= most:
        return [Span(0, length, 0, length)]
    count = -(-(length - 2 * overlap) // (most - 2 * overlap))
    least = min(most, _up(EXACT_SIDE, multiple)) - 2 * overlap
    step = _up(max(least, -(-(length - 2 * overlap) // count)), multiple)
    count = -(-(length - 2 * overlap) // step)  # rounding up may have made the last one needless
    side = step + 2 * overlap
    starts = [min(index * step, length - side) for index in range(count)]
    kept = [0, *(start + overlap for start in starts[1:]), length]
    return [Span(start, start + side, kept[i], kept[i + 1]) for i, start in enumerate(starts)]


def upscaled(model: Callable[[Tensor], Tensor], frames: Tensor, tiling: Tiling) -> Tensor:
    """The model applied to frames, tile by tile.

    Args:
        model: [N, 3, h, w] → [N, 3, h * scale, w * scale].
        frames: [N, 3, H, W]; where the sides are no multiple of `multiple`, they are padded by reflection.
        tiling: how they are cut.

    Returns:
        [N, 3, H * scale, W * scale]; one tile's output itself, where one is enough.
    """
    import torch

    height, width, scale = *frames.shape[-2:], tiling.scale
    whole = padded(frames, tiling.multiple)
    rows, columns = (spans(length, tiling) for length in whole.shape[-2:])
    if len(rows) == len(columns) == 1:
        return model(whole)[..., : height * scale, : width * scale]
    out: Tensor | None = None
    for row, column in itertools.product(rows, columns):
        piece = whole[..., row.start : row.stop, column.start : column.stop]
        made = model(piece.contiguous(memory_format=torch.channels_last))
        if out is None:
            size = (len(frames), 3, whole.shape[-2] * scale, whole.shape[-1] * scale)
            out = torch.empty(size, dtype=made.dtype, device=made.device, memory_format=torch.channels_last)
        out[..., _kept(row, scale), _kept(column, scale)] = made[..., _inner(row, scale), _inner(column, scale)]
    assert out is not None
    return out[..., : height * scale, : width * scale]


def padded(frames: Tensor, multiple: int) -> Tensor:
    """Frames [N, 3, H, W] with sides that are a multiple, continued below and on the right by reflection.

    An axis too short to reflect repeats its last line.
    """
    from torch.nn.functional import pad

    down, across = (-length % multiple for length in frames.shape[-2:])
    for amounts, length in (((0, 0, 0, down), frames.shape[-2]), ((0, across, 0, 0), frames.shape[-1])):
        if any(amounts):
            frames = pad(frames, amounts, mode="reflect" if max(amounts) < length else "replicate")
    return frames


def _kept(span: Span, scale: int) -> slice:
    return slice(span.keep_start * scale, span.keep_stop * scale)


def _inner(span: Span, scale: int) -> slice:
    return slice((span.keep_start - span.start) * scale, (span.keep_stop - span.start) * scale)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
