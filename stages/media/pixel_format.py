"""What a pixel format can hold: bits, colour resolution, transparency. Read from FFmpeg's own description of it."""

from __future__ import annotations

from dataclasses import dataclass

_CHROMA = {
    (0, 0): "grey", (4, 4): "4:1:0", (4, 16): "4:1:1", (8, 8): "4:2:0", (8, 16): "4:2:2", (16, 8): "4:4:0",
    (16, 16): "4:4:4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """One pixel format.

    Attributes:
        name: FFmpeg's name.
        depth: bits per component; 32 for floats.
        across: colour samples for 16 pixels in a row; 0 for grey.
        down: colour samples for 16 pixels in a column; 0 for grey.
        rgb: it holds red, green and blue (or indexes of such), which a video encoder of YUV must convert.
        alpha: it holds transparency.
        planar: each component lies in a plane of its own.
    """

    name: str
    depth: int
    across: int
    down: int
    rgb: bool
    alpha: bool
    planar: bool

    @property
    def chroma(self) -> str:
        """Colour resolution in the field's words: `4:2:0`."""
        return _CHROMA.get((self.across, self.down), f"{self.across}:{self.down} of 16")


def pixel_format(name: str) -> PixelFormat:
    """The format of a name; full-range names (`yuvj420p`) are the plain format, as range belongs to the colour.

    Raises:
        ValueError: FFmpeg knows no such format, or it lies in the memory of a GPU.
    """
    import av

    plain = plain_name(name)
    shape = av.VideoFormat(plain)
    parts = shape.components
    if not parts:
        raise ValueError(f"{name} names pictures in the memory of a GPU; download them first")
    rgb = bool(shape.is_rgb or shape.has_palette or plain.startswith("xyz"))
    grey = not rgb and sum(not part.is_alpha for part in parts) < 3
    return PixelFormat(
        name=plain,
        depth=8 if shape.has_palette else max(int(part.bits) for part in parts),
        across=0 if grey else int(shape.chroma_width(16)),
        down=0 if grey else int(shape.chroma_height(16)),
        rgb=rgb,
        alpha=any(part.is_alpha for part in parts),
        planar=len({part.plane for part in parts}) == len(parts),
    )


def plain_name(name: str) -> str:
    """`yuvj420p` → `yuv420p`: the `j` tells the range, and encoders want that told apart."""
    return name.replace("yuvj", "yuv", 1) if name.startswith("yuvj") else name


def losses(source: PixelFormat, target: PixelFormat) -> list[str]:
    """What of a source a target cannot hold, each as part of a sentence; RGB that becomes YUV counts."""
    lost = []
    if target.depth < source.depth:
        lost.append(f"{source.depth} bit become {target.depth}")
    if source.rgb and not target.rgb:
        lost.append(f"RGB becomes YUV {target.chroma}")
    elif target.across < source.across or target.down < source.down:
        lost.append(f"{source.chroma} becomes {target.chroma}")
    if source.alpha and not target.alpha:
        lost.append("transparency is dropped")
    return lost
