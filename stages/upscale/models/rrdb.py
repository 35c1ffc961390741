"""The large network of ESRGAN and Real-ESRGAN: residual dense blocks at input size, then two doublings.

Architecture: RRDBNet (Wang et al. 2018, 2021; Real-ESRGAN is BSD-3-Clause, BasicSR Apache-2.0). The parameter names are
its own, so that the official checkpoints load; the code is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pad, pixel_unshuffle

from stages.upscale.models.upscaler import Upscaler

_SLOPE = 0.2  # of every leaky ReLU
_SHARE = 0.2  # of what a block found that is added to what went in
_UP = 4  # what the two doublings make of the size inside
_UP_REACH = 2  # how far the convolutions after the trunk look, in pixels inside: 3 at ×4, then 1 at ×2


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _bent(features: Tensor) -> Tensor:
    return leaky_relu(features, _SLOPE)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all that came before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth)
        self.conv5 = _conv(features + 4 * growth, features)

    def forward(self, features: Tensor) -> Tensor:
        seen = features
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, _bent(conv(seen))), 1)
        found: Tensor = self.conv5(seen)
        return features + _SHARE * found


class _Block(nn.Module):
    """Three dense blocks in a row."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(features, growth)
        self.rdb2 = _DenseBlock(features, growth)
        self.rdb3 = _DenseBlock(features, growth)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.rdb3(self.rdb2(self.rdb1(features)))
        return features + _SHARE * found


class Rrdb(Upscaler):
    """The network always enlarges by 4 inside; for ×2 and ×1 it first folds 2 × 2 or 4 × 4 pixels into channels.

    Args:
        features: channels of the trunk.
        growth: channels that each convolution of a dense block adds.
        blocks: blocks of the trunk.
        scale: 4, 2 or 1.
    """

    def __init__(self, features: int, growth: int, blocks: int, scale: int) -> None:
        fold = _UP // scale
        inside = 2 + 15 * blocks + _UP_REACH
        super().__init__("rrdb", scale, radius=inside * fold, align=fold)
        self.fold = fold
        self.conv_first = _conv(3 * fold * fold, features)
        self.body = nn.Sequential(*(_Block(features, growth) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up1 = _conv(features, features)
        self.conv_up2 = _conv(features, features)
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Sides that are no multiple of the fold are filled up, mirrored as Real-ESRGAN does it, and cut again."""
        height, width = picture.shape[-2:]
        how = "reflect" if min(height, width) >= self.fold else "replicate"  # too little is there to be mirrored
        filled = pad(picture, (0, -width % self.fold, 0, -height % self.fold), mode=how)
        shallow = self.conv_first(pixel_unshuffle(filled, self.fold))
        features = shallow + self.conv_body(self.body(shallow))
        for conv in (self.conv_up1, self.conv_up2):
            features = _bent(conv(interpolate(features, scale_factor=2, mode="nearest")))
        large: Tensor = self.conv_last(_bent(self.conv_hr(features)))
        return large[..., : height * self.spec.scale, : width * self.spec.scale]

    @classmethod
    def shaped_for(cls, weights: Mapping[str, Tensor]) -> Rrdb | None:
        """An untrained network of the shape that these weights have, or None when they are of another kind."""
        first, grown = weights.get("conv_first.weight"), weights.get("body.0.rdb1.conv1.weight")
        if first is None or grown is None or first.ndim != 4 or grown.ndim != 4:
            return None
        scale = {3: 4, 12: 2, 48: 1}.get(first.shape[1])
        blocks = {key.split(".")[1] for key in weights if key.startswith("body.")}
        if scale is None:
            return None
        return cls(features=first.shape[0], growth=grown.shape[0], blocks=len(blocks), scale=scale)
