"""The planes of a decoded frame as tensors of whole numbers, and back: nothing is converted, lines may be padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stages.contract import Failure, StageError
from stages.media.pixel_format import PixelFormat, pixel_format, plain_name
from stages.upscale.threads import torch_threads

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor

    Planes = tuple[Tensor, ...]  # Y, U, V or G, B, R or grey; each [N, h, w], uint8, or uint16 above 8 bit


_DEPTHS = (8, 9, 10, 12, 14, 16)
# Colour samples for 16 pixels across and down → the planar format of that layout, or the nearest that is not coarser.
_LAYOUT = {(16, 16): "444", (16, 8): "440", (8, 16): "422", (8, 8): "420", (4, 16): "422", (4, 4): "420"}


def planar(name: str) -> str:
    """The format whose planes are taken for a pixel format: itself, where each component has a plane of its own.

    Others are rearranged by FFmpeg without loss: `nv12` → `yuv420p`, `p010le` → `yuv420p10le`, `rgb24` → `gbrp`. With
    loss are transparency, which is left out, and 4:1:1 and 4:1:0, which become 4:2:2 and 4:2:0.

    Raises:
        ValueError: FFmpeg knows no such format, or it lies in the memory of a GPU.
    """
    shape = pixel_format(name)
    bits = next((bits for bits in _DEPTHS if bits >= shape.depth), _DEPTHS[-1])
    kind = "gbrp" if shape.rgb else f"yuv{_LAYOUT[shape.across, shape.down]}p" if shape.across else "gray"
    return kind if bits == 8 else f"{kind}{bits}le"


def planes_of(frame: VideoFrame) -> Planes:
    """The planes of one frame, each [1, h, w], without the padding of lines.

    They are views of the frame's own memory, which lives as long as they do: read them, and do not write.

    Raises:
        StageError: BAD_INPUT, when lines are stored bottom up.
    """
    wanted = planar(frame.format.name)
    if plain_name(frame.format.name) != wanted:
        frame = frame.reformat(format=wanted)
    return tuple(view[None] for view in _views(frame, pixel_format(wanted)))


def stacked(frames: Sequence[VideoFrame]) -> Planes:
    """The planes of frames of one format and size, each [N, h, w], copied together.

    Raises:
        StageError: BAD_INPUT, as for `planes_of`.
    """
    import torch

    parts = [planes_of(frame) for frame in frames]
    if len(parts) == 1:
        return parts[0]
    with torch_threads(1):
        return tuple(torch.cat(plane) for plane in zip(*parts, strict=True))


def frames_of(planes: Planes, pix_fmt: str) -> list[VideoFrame]:
    """Frames with these planes, without time, colour tags or side data.

    Args:
        planes: of `planar(pix_fmt)`, each [N, h, w], on the CPU.
        pix_fmt: format of the frames; `yuvj420p` and the like are made as `yuv420p`, as range belongs to the colour.
    """
    with torch_threads(1):
        return [_frame(tuple(plane[index] for plane in planes), pix_fmt) for index in range(len(planes[0]))]


def _frame(planes: Planes, pix_fmt: str) -> VideoFrame:
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, planar(pix_fmt))
    for view, plane in zip(_views(frame, pixel_format(frame.format.name)), planes, strict=True):
        view.copy_(plane)
    return frame if frame.format.name == plain_name(pix_fmt) else frame.reformat(format=pix_fmt)


def _views(frame: VideoFrame, shape: PixelFormat) -> list[Tensor]:
    """Planes [h, w] of a planar frame as views of its memory."""
    import torch

    kind, size = (torch.uint8, 1) if shape.depth == 8 else (torch.uint16, 2)
    views = []
    for plane in frame.planes[:3]:
        if plane.line_size < 0:
            raise StageError(Failure.BAD_INPUT, "its lines are stored bottom up; transcode the film first")
        flat = torch.frombuffer(plane, dtype=kind)
        views.append(flat.as_strided((plane.height, plane.width), (plane.line_size // size, 1)))
    return views
