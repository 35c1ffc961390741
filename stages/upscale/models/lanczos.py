"""Lanczos resampling (a = 3) to a whole multiple of the size: no network, no weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from stages.upscale.models.upscaler import Upscaler

_LOBES = 3


def lanczos_taps(scale: int) -> Tensor:
    """Weights [scale, 7] of the pixels -3..3 around the one that an output pixel lies in, for each place inside it.

    Source: Turkowski 1990, sinc(x)·sinc(x/3) for |x| < 3. Each row sums to 1, so that flat areas stay as they are.
    """
    centres = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distance = torch.arange(-_LOBES, _LOBES + 1, dtype=torch.float64)[None] - centres[:, None]
    weights = torch.sinc(distance) * torch.sinc(distance / _LOBES) * (distance.abs() < _LOBES)
    return (weights / weights.sum(1, keepdim=True)).float()


class Lanczos(Upscaler):
    """Separable: first along rows, then along columns. Beyond the border the last pixel goes on.

    Args:
        scale: 1 to 8.
    """

    taps: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__("lanczos", scale, radius=_LOBES)
        self.register_buffer("taps", lanczos_taps(scale), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """The enlarged batch."""
        return self._along_rows(self._along_rows(picture).transpose(2, 3)).transpose(2, 3)

    def _along_rows(self, picture: Tensor) -> Tensor:
        """[N, 3, H, W] to [N, 3, H, scale·W]: one filter per place inside a pixel, their outputs interleaved."""
        count, channels, height, width = picture.shape
        filled = pad(picture, (_LOBES, _LOBES, 0, 0), mode="replicate")
        single = filled.reshape(count * channels, 1, height, width + 2 * _LOBES)
        places = conv2d(single, self.taps[:, None, None, :].to(picture.dtype))
        return places.permute(0, 2, 3, 1).reshape(count, channels, height, width * self.spec.scale)
