"""Colour of half resolution made full, and back: linear interpolation, true to where the samples lie.

A phase tells where: a colour sample lies on the first of its two pixels (0), midway (0.5), or on the second (1).
Full resolution is made by linear interpolation; half by its mirror, the triangle of four pixels, which lets no more
through than half resolution holds. Beyond the border the last line goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# FFmpeg's names of where colour samples lie → phase across and down. Untold is `left`, as for MPEG-2 and later.
PHASES = {
    "": (0.0, 0.5), "left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0), "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0), "bottom": (0.5, 1.0),
}  # fmt: skip


def doubled(samples: Tensor, axis: int, phase: float, length: int) -> Tensor:
    """Twice as many samples along an axis.

    Args:
        samples: floats, any shape.
        axis: along which.
        phase: where a sample lies among its two pixels, 0..1.
        length: pixels wanted: twice the samples, or one less.
    """
    import torch

    before, after = _shifted(samples, axis, -1), _shifted(samples, axis, 1)
    first = torch.lerp(samples, before, phase / 2) if phase else samples
    second = torch.lerp(samples, after, (1 - phase) / 2) if phase < 1 else samples
    return torch.stack((first, second), axis + 1).flatten(axis, axis + 1).narrow(axis, 0, length)


def halved(pixels: Tensor, axis: int, phase: float) -> Tensor:
    """Half as many samples along an axis; of an odd number of pixels the last counts twice.

    Args:
        pixels: floats, any shape.
        axis: along which.
        phase: where a sample is to lie among its two pixels, 0..1.
    """
    length, every = pixels.shape[axis], (slice(None),) * axis
    first, second = pixels[(*every, slice(0, None, 2))], pixels[(*every, slice(1, None, 2))]
    pairs, count = length // 2, first.shape[axis]
    out = first * _weight(0, phase)
    out.narrow(axis, 0, pairs).add_(second, alpha=_weight(1, phase))
    if length % 2:
        out.narrow(axis, count - 1, 1).add_(first.narrow(axis, count - 1, 1), alpha=_weight(1, phase))
    if phase < 1:
        weight = _weight(-1, phase)
        out.narrow(axis, 1, count - 1).add_(second.narrow(axis, 0, count - 1), alpha=weight)
        out.narrow(axis, 0, 1).add_(first.narrow(axis, 0, 1), alpha=weight)
    if phase > 0:
        weight = _weight(2, phase)
        out.narrow(axis, 0, count - 1).add_(first.narrow(axis, 1, count - 1), alpha=weight)
        out.narrow(axis, count - 1, 1).add_(pixels.narrow(axis, length - 1, 1), alpha=weight)
    return out


def _weight(offset: int, phase: float) -> float:
    """Of the pixel `offset` from the first of the two, in the triangle around the sample."""
    return max(0.0, 1 - abs(offset - phase) / 2) / 2


def _shifted(samples: Tensor, axis: int, by: int) -> Tensor:
    """Each sample's neighbour before (-1) or after (1) it; the border's is itself."""
    import torch

    length = samples.shape[axis]
    if by < 0:
        return torch.cat((samples.narrow(axis, 0, 1), samples.narrow(axis, 0, length - 1)), axis)
    return torch.cat((samples.narrow(axis, 1, length - 1), samples.narrow(axis, length - 1, 1)), axis)
