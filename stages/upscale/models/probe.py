"""Scale and reach of a network that tells neither: found by running it on small pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SIZES = (64, 128)  # sides of the pictures tried; the second where the network looks further than the first holds
_PHASES = 4  # networks that fold up to 4 × 4 pixels into one look unevenly far from each of them
_FELT = 1e-5  # of 0..1: less is rounding, as convolutions group their sums differently from place to place
_SEED = 5


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found.

    Attributes:
        scale: output pixels per input pixel along each side.
        radius: input pixels from one that was changed to the furthest output that changed with it.
        bounded: False where the change was felt up to the border of the largest picture: the reach may be any.
    """

    scale: int
    radius: int
    bounded: bool


def probe(run: Callable[[Tensor], Tensor]) -> Probed:
    """Run a network on noise, and on the same noise with one pixel changed.

    What is found is how far a change is felt, which may be less than how far the network could look.

    Args:
        run: maps [1, 3, H, W] to [1, 3, s·H, s·W], fp32.

    Raises:
        ValueError: when the output is no picture of a whole multiple of the size; the message says what it is.
    """
    scale, radius = 0, 0
    for size in SIZES:
        picture = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(_SEED))
        still = run(picture)
        scale = scale_of(picture, still)
        radius = max(_reach(run, picture, still, scale, size // 2 + phase) for phase in range(_PHASES))
        if radius < size // 2 - _PHASES:
            return Probed(scale, radius, bounded=True)
    return Probed(scale, radius, bounded=False)


def scale_of(picture: Tensor, output: Tensor) -> int:
    """How many times larger the output is.

    Raises:
        ValueError: when it is no RGB picture of a whole multiple of the size.
    """
    height, width = picture.shape[-2:]
    scale = output.shape[-1] // width if output.ndim == 4 else 0
    if scale < 1 or tuple(output.shape) != (picture.shape[0], 3, scale * height, scale * width):
        raise ValueError(
            f"makes {list(output.shape)} of {list(picture.shape)}, which is no enlargement of RGB pictures"
        )
    return scale


def _reach(run: Callable[[Tensor], Tensor], picture: Tensor, still: Tensor, scale: int, at: int) -> int:
    """How far from the pixel (at, at) its change is felt, in input pixels."""
    changed = picture.clone()
    changed[..., at, at] = 1 - changed[..., at, at].round()
    felt = (run(changed) - still).abs().amax((0, 1)) > _FELT
    places = felt.nonzero() // scale
    return int((places - at).abs().max()) if len(places) else 0
