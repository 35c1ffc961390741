"""The compact network of Real-ESRGAN: a plain chain of 3×3 convolutions at input size, then one pixel shuffle.

Architecture: SRVGGNetCompact of Real-ESRGAN (Wang et al. 2021, BSD-3-Clause). The parameter names are its own, so that
the official checkpoints load; the code is ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from stages.upscale.models.upscaler import Upscaler

_KEY = re.compile(r"^body\.(\d+)\.(weight|bias)$")


class Srvgg(Upscaler):
    """`convs` + 2 convolutions with a PReLU between each two; the input, enlarged without a filter, is added.

    Args:
        features: channels between the convolutions.
        convs: convolutions from features to features.
        scale: of the output.
    """

    def __init__(self, features: int, convs: int, scale: int) -> None:
        super().__init__("srvgg", scale, radius=convs + 2)
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convs):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * scale * scale, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, picture: Tensor) -> Tensor:
        """What the network adds to nearest-neighbour enlargement, and that enlargement."""
        added = pixel_shuffle(self.body(picture), self.spec.scale)
        return added + interpolate(picture, scale_factor=self.spec.scale, mode="nearest")

    @staticmethod
    def flop_per_pixel(features: int, convs: int, scale: int) -> int:
        """Floating point operations per input pixel, two per multiply-add; convolutions alone."""
        return 2 * 9 * (3 * features + convs * features**2 + features * 3 * scale**2)

    @classmethod
    def shaped_for(cls, weights: Mapping[str, Tensor]) -> Srvgg | None:
        """An untrained network of the shape that these weights have, or None when they are of another kind."""
        indices = [int(match[1]) for key in weights if (match := _KEY.match(key))]
        first, last = weights.get("body.0.weight"), weights.get(f"body.{max(indices, default=0)}.weight")
        if first is None or last is None or len(indices) != len(weights) or max(indices) % 2 or max(indices) < 2:
            return None
        if first.ndim != 4 or last.ndim != 4 or first.shape[1] != 3:
            return None
        scale = math.isqrt(last.shape[0] // 3)
        if scale < 1 or last.shape[0] != 3 * scale * scale:
            return None
        return cls(features=first.shape[0], convs=(max(indices) - 2) // 2, scale=scale)
