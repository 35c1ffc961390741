"""Lanczos resampling (a = 3) to a whole multiple of the size: no network, no weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from stages.upscale.models.upscaler import Upscaler

_LOBES = 3
_LINES = 64  # that are made at once: on a CPU their sums stay in the cache, ten times quicker than whole pictures


def lanczos_taps(scale: int) -> Tensor:
    """Weights [scale, 7] of the pixels -3..3 around the one that an output pixel lies in, for each place inside it.

    Source: Turkowski 1990, sinc(x)·sinc(x/3) for |x| < 3. Each row sums to 1, so that flat areas stay as they are.
    """
    centres = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distance = torch.arange(-_LOBES, _LOBES + 1, dtype=torch.float64)[None] - centres[:, None]
    weights = torch.sinc(distance) * torch.sinc(distance / _LOBES) * (distance.abs() < _LOBES)
    return (weights / weights.sum(1, keepdim=True)).float()


class Lanczos(Upscaler):
    """Separable: first along columns, then along rows. Beyond the border the last pixel goes on.

    Args:
        scale: 1 to 8.
    """

    taps: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__("lanczos", scale, radius=_LOBES)
        self.register_buffer("taps", lanczos_taps(scale), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """The enlarged batch; weighted lines and columns are added up in fp32."""
        count, channels, height, width = picture.shape
        scale, filled = self.spec.scale, pad(picture, (_LOBES,) * 4, mode="replicate")
        out = picture.new_empty((count, channels, height, scale, width, scale))
        step = _LINES if picture.device.type == "cpu" else height
        for top in range(0, height, step):
            lines = min(step, height - top)
            self._band(filled[:, :, top : top + lines + 2 * _LOBES], out[:, :, top : top + lines])
        return out.view(count, channels, height * scale, width * scale)

    def _band(self, filled: Tensor, out: Tensor) -> None:
        """Fill [N, 3, h, scale, W, scale] from some lines and columns more than the h and W of them."""
        band = filled.contiguous().float()
        weights: list[list[float]] = self.taps.tolist()
        for down, column in enumerate(weights):
            tall = _summed(band, 2, column)
            for across, row in enumerate(weights):
                out[:, :, :, down, :, across] = _summed(tall, 3, row)


def _summed(picture: Tensor, axis: int, weights: list[float]) -> Tensor:
    """Each pixel with its neighbours along an axis, weighted."""
    length = picture.shape[axis] - len(weights) + 1
    total = picture.narrow(axis, 0, length) * weights[0]
    for place, weight in enumerate(weights[1:], 1):
        if weight:
            total.add_(picture.narrow(axis, place, length), alpha=weight)
    return total
