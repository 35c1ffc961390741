"""What every upscaler is to those who run it: a torch module that knows what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from torch import Tensor, nn

from stages.upscale.models.spec import ModelSpec


class Upscaler(nn.Module):
    """Maps RGB [N, 3, H, W] in 0..1 to [N, 3, scale·H, scale·W], not clamped. `spec` tells what it is.

    Args:
        arch: name of the architecture, also the name until `named` gives a better one.
        scale: output pixels per input pixel along each side.
        radius: how far an output pixel looks, in input pixels.
        align: see `ModelSpec`.
    """

    spec: ModelSpec

    def __init__(self, arch: str, scale: int, radius: int, align: int = 1) -> None:
        super().__init__()
        self.spec = ModelSpec(name=arch, arch=arch, scale=scale, radius=radius, align=align)

    def named(self, **known: Any) -> Self:
        """This upscaler with more in its `spec`: name, sha256, licence, url, note."""
        self.spec = replace(self.spec, **known)
        return self

    def forward(self, picture: Tensor) -> Tensor:
        """One batch, upscaled."""
        raise NotImplementedError
