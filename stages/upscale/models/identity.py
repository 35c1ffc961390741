"""No enlargement at all: what a stream does to pictures shows when its model does nothing."""

from __future__ import annotations

from torch import Tensor

from stages.upscale.models.upscaler import Upscaler


class Identity(Upscaler):
    """Gives back what it gets, scale 1."""

    def __init__(self) -> None:
        super().__init__("identity", scale=1, radius=0)

    def forward(self, picture: Tensor) -> Tensor:
        """The picture itself."""
        return picture
