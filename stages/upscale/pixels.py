"""What planes of whole numbers mean as red, green and blue, and back, by the definitions of BT.601, 709 and 2020.

FFmpeg's own converter takes BT.601 for granted, has no word for where colour samples lie, and rounds by the way. Here
both sides are named, and the arithmetic runs where the model runs, so that only whole numbers travel to a GPU.
RGB is the coded signal (never linear light), clamped to 0..1, which is what the models were trained on: numbers
beyond black and white, and colours that no RGB has, come back as the nearest that has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.media.color import Colour, as_coded, assumed
from stages.media.film import Picture
from stages.media.pixel_format import pixel_format
from stages.upscale.chroma import PHASES, doubled, halved
from stages.upscale.planes import frames_of, planar, planes_of
from stages.upscale.threads import torch_threads

if TYPE_CHECKING:
    import torch
    from av import VideoFrame
    from torch import Tensor

    from stages.upscale.planes import Planes

# ITU-T H.273: the weights of red and blue in luma, by the name of the matrix.
WEIGHTS = {
    "bt709": (0.2126, 0.0722), "fcc": (0.30, 0.11), "bt470bg": (0.299, 0.114), "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087), "bt2020nc": (0.2627, 0.0593),
}  # fmt: skip
# Pixels of a band of lines that is converted at once: on a CPU its numbers stay in the cache of a core.
_BAND = {"cpu": 1 << 18, "cuda": 1 << 24}


@dataclass(frozen=True, slots=True)
class Coded:
    """How numbers hold a picture; made by `coded`.

    Attributes:
        kind: `yuv`, `rgb` or `grey`.
        depth: bits of a number.
        halves: whether colour has half the resolution across, and down.
        phases: where colour samples lie across and down, see `stages.upscale.chroma`.
        weights: of red and blue in luma.
        full: black is 0 (else 16, at 8 bit).
    """

    kind: str
    depth: int
    halves: tuple[bool, bool] = (False, False)
    phases: tuple[float, float] = (0.0, 0.0)
    weights: tuple[float, float] = (0.0, 0.0)
    full: bool = True

    @property
    def luma(self) -> tuple[float, float]:
        """Number of black, and from black to white."""
        return (0.0, 2.0**self.depth - 1) if self.full else (16.0 * self._step, 219.0 * self._step)

    @property
    def chroma(self) -> tuple[float, float]:
        """Number of no colour, and from the least to the most of it."""
        return (128.0 * self._step, 2.0**self.depth - 1 if self.full else 224.0 * self._step)

    @property
    def _step(self) -> float:
        return float(2 ** (self.depth - 8))

    @property
    def dtype(self) -> torch.dtype:
        """What planes hold."""
        import torch

        return torch.uint8 if self.depth == 8 else torch.uint16

    def to_rgb(self, planes: Planes) -> Tensor:
        """Planes [N, h, w] of whole numbers → RGB [N, 3, H, W], float32, 0..1, on the device of the planes.

        Takes one thread of a CPU.
        """
        with torch_threads(1):
            return self._to_rgb(planes)

    def _to_rgb(self, planes: Planes) -> Tensor:
        import torch

        if self.kind == "rgb":
            green, blue, red = planes
            return torch.stack([plane.float() for plane in (red, green, blue)], 1).mul_(1 / self.luma[1])
        black, span = self.luma
        luma = planes[0].float().sub_(black).mul_(1 / span)
        if self.kind == "grey":
            return luma.clamp_(0, 1)[:, None].expand(-1, 3, -1, -1).contiguous()
        return self._mixed(luma, self._differences(planes, luma.shape[-2:])).clamp_(0, 1)

    def _differences(self, planes: Planes, size: torch.Size) -> Tensor:
        """B − Y and R − Y, [N, 2, H, W]."""
        import torch

        none, span = self.chroma
        pair = torch.stack([plane.float() for plane in planes[1:]], 1).sub_(none)  # GPUs stack no uint16
        red, blue = self.weights
        for index, weight in enumerate((blue, red)):
            pair[:, index].mul_((2 - 2 * weight) / span)
        if self.halves[0]:
            pair = doubled(pair, 3, self.phases[0], size[1])
        return doubled(pair, 2, self.phases[1], size[0]) if self.halves[1] else pair

    def _mixed(self, luma: Tensor, pair: Tensor) -> Tensor:
        import torch

        blue_part, red_part = pair[:, 0], pair[:, 1]
        red, blue = self.weights
        green = 1 - red - blue
        out = luma.new_empty((len(luma), 3, *luma.shape[1:]))
        torch.add(luma, red_part, out=out[:, 0])
        torch.add(luma, red_part, alpha=-red / green, out=out[:, 1]).add_(blue_part, alpha=-blue / green)
        torch.add(luma, blue_part, out=out[:, 2])
        return out

    def from_rgb(self, rgb: Tensor) -> Planes:
        """RGB [N, 3, H, W] of any float → planes [N, h, w] of rounded whole numbers, on the device of the RGB.

        Takes one thread of a CPU.
        """
        import torch

        count, _, height, width = rgb.shape
        sizes = [(height, width)] * (1 if self.kind == "grey" else 3)
        if self.kind == "yuv":
            across, down = self.halves
            sizes[1:] = [(-(-height // (1 + down)), -(-width // (1 + across)))] * 2
        planes = tuple(torch.empty((count, *size), dtype=self.dtype, device=rgb.device) for size in sizes)
        lines = max(2, _BAND[rgb.device.type] // (count * width) // 2 * 2)
        with torch_threads(1):
            for top in range(0, height, lines):
                self._band(rgb, planes, top, min(height, top + lines))
        return planes

    def _band(self, rgb: Tensor, planes: Planes, top: int, bottom: int) -> None:
        """The lines from `top` (even) to `bottom`, with two more on each side for colour of half resolution."""
        import torch

        down = self.kind == "yuv" and self.halves[1]
        first, last = (max(0, top - 2), min(rgb.shape[-2], bottom + 2)) if down else (top, bottom)
        band = rgb[:, :, first:last].to(torch.float32, memory_format=torch.contiguous_format, copy=True).clamp_(0, 1)
        if self.kind == "rgb":
            for plane, channel in zip(planes, (1, 2, 0), strict=True):
                plane[:, top:bottom] = self._whole(band[:, channel], *self.luma)
            return
        red, blue = self.weights
        luma = (band[:, 0] * red).add_(band[:, 1], alpha=1 - red - blue).add_(band[:, 2], alpha=blue)
        if self.kind == "yuv":
            self._colour_band(band, luma, planes, (top, bottom, first))
        planes[0][:, top:bottom] = self._whole(luma[:, top - first : bottom - first], *self.luma)

    def _colour_band(self, band: Tensor, luma: Tensor, planes: Planes, lines: tuple[int, int, int]) -> None:
        top, bottom, first = lines
        pair = band[:, 0::2] - luma[:, None]
        if self.halves[1]:  # down first: whole lines are quicker to add than every other pixel
            pair = halved(pair, 2, self.phases[1])
            top, bottom, first = top // 2, -(-bottom // 2), first // 2
        if self.halves[0]:
            pair = halved(pair, 3, self.phases[0])
        none, span = self.chroma
        for plane, index, weight in zip(planes[1:], (1, 0), reversed(self.weights), strict=True):
            part = pair[:, index, top - first : bottom - first]
            plane[:, top:bottom] = self._whole(part, none, span / (2 - 2 * weight))

    def _whole(self, values: Tensor, offset: float, span: float) -> Tensor:
        """Rounded numbers; values are used up. A half is added first, as the change of type cuts off."""
        numbers = values.mul_(span).add_(offset + 0.5)
        if self.full and offset:  # the most colour of full range is half a number beyond the last
            numbers.clamp_(max=2**self.depth - 1)
        return numbers.to(self.dtype)


def coded(pix_fmt: str, colour: Colour) -> Coded:
    """How a pixel format holds a picture of this colour.

    Args:
        pix_fmt: FFmpeg's name; planes are those of `planar(pix_fmt)`.
        colour: with matrix and range told, for YUV. Fill in what a film does not tell by `assumed`, at the size of
            the source: at the size of the result another matrix would be assumed, and colours would change.

    Raises:
        StageError: BAD_INPUT, for a matrix that is none of red, green and blue in luma.
        ValueError: nobody told matrix or range.
    """
    shape = pixel_format(planar(pix_fmt))
    if shape.rgb:
        return Coded("rgb", shape.depth)
    if colour.range not in ("tv", "pc"):
        raise ValueError(f"range={colour.range!r} of {pix_fmt} is neither tv nor pc; fill it in with color.assumed")
    full = colour.range == "pc"
    weights = WEIGHTS["bt709"] if not shape.across else _weights(colour.matrix, pix_fmt)
    if not shape.across:
        return Coded("grey", shape.depth, weights=weights, full=full)
    halves = (shape.across == 8, shape.down == 8)
    return Coded("yuv", shape.depth, halves, PHASES[colour.location], weights, full)


def _weights(matrix: str, pix_fmt: str) -> tuple[float, float]:
    if not matrix:
        raise ValueError(f"no matrix is told for {pix_fmt}; fill it in with color.assumed")
    if matrix not in WEIGHTS:
        known = ", ".join(WEIGHTS)
        raise StageError(Failure.BAD_INPUT, f"colour matrix {matrix} cannot be made RGB; convert to one of {known}")
    return WEIGHTS[matrix]


@dataclass(frozen=True, slots=True)
class Wire:
    """What travels to the model and back: planes of the source, planes of the result."""

    source: Coded
    target: Coded

    def open(self, planes: Planes) -> Tensor:
        """Planes → RGB for the model."""
        return self.source.to_rgb(planes)

    def close(self, rgb: Tensor) -> Planes:
        """RGB of the model → planes."""
        return self.target.from_rgb(rgb)


def wire(picture: Picture, pix_fmt: str) -> Wire:
    """From a film's pictures to the pixel format that is encoded, in the colour that `color.as_coded` tells.

    Raises:
        StageError: as for `coded`.
    """
    size = (picture.width, picture.height)
    target, _ = as_coded(picture.colour, picture.pix_fmt, pix_fmt, size)
    return Wire(coded(picture.pix_fmt, assumed(picture.colour, *size)), coded(pix_fmt, assumed(target, *size)))


def to_rgb(frame: VideoFrame, colour: Colour, device: str = "cpu") -> Tensor:
    """One decoded frame as RGB [3, H, W], float32, 0..1. Whole numbers travel to the device, floats are made there.

    Raises:
        StageError, ValueError: as for `coded`.
    """
    planes = tuple(plane.to(device) for plane in planes_of(frame))
    return coded(frame.format.name, colour).to_rgb(planes)[0]


def from_rgb(rgb: Tensor, pix_fmt: str, colour: Colour, width: int = 0, height: int = 0) -> VideoFrame:
    """RGB [3, H, W] as a frame without time and tags.

    Args:
        rgb: floats on any device; what lies beyond 0..1 is clamped.
        pix_fmt: of the frame.
        colour: of the frame.
        width: pixels kept from the left; 0: all.
        height: pixels kept from the top; 0: all.

    Raises:
        StageError, ValueError: as for `coded`.
    """
    kept = rgb[:, : height or None, : width or None]
    planes = coded(pix_fmt, colour).from_rgb(kept[None])
    return frames_of(tuple(plane.cpu() for plane in planes), pix_fmt)[0]
