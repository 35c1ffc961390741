"""`encoder.pix_fmt=auto`: the pixel format of the source, as near as an encoder can hold it."""

from __future__ import annotations

from dataclasses import replace

from stages.media.encoders.adapter import Adapter
from stages.media.encoders.catalog import adapter
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.media.pixel_format import PixelFormat, losses, pixel_format


def pixel_format_for(adapter: Adapter, source_pix_fmt: str) -> tuple[str, str]:
    """The format nearest to the source: never fewer bits or less colour resolution where the encoder has more.

    Args:
        adapter: the encoder.
        source_pix_fmt: FFmpeg's name of what is decoded.

    Returns:
        a format of the encoder, and a sentence on what it cannot hold; "" when it holds all.

    Raises:
        ValueError: the source's format is unknown, or lies in the memory of a GPU.
    """
    source = pixel_format(source_pix_fmt)
    taken = min((pixel_format(name) for name in adapter.pixel_formats), key=lambda target: _distance(source, target))
    lost = losses(source, taken)
    return taken.name, f"{adapter.name} codes {source_pix_fmt} as {taken.name}: {', '.join(lost)}" if lost else ""


def settled(config: EncoderConfig, source_pix_fmt: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    """Settings without `auto` among them, and sentences on what their pixel format cannot hold of the source.

    Raises:
        ValueError: as for `pixel_format_for`.
    """
    if config.pix_fmt == AUTO_PIXELS:
        taken, note = pixel_format_for(adapter(config.name), source_pix_fmt)
        return replace(config, pix_fmt=taken), (note,) if note else ()
    lost = losses(pixel_format(source_pix_fmt), pixel_format(config.pix_fmt))
    return config, (f"encoder.pix_fmt={config.pix_fmt}: {', '.join(lost)}",) if lost else ()


def holds(adapter: Adapter, source_pix_fmt: str) -> bool:
    """Whether the encoder holds all the bits and the colour resolution of a source (no video encoder here: alpha)."""
    source = pixel_format(source_pix_fmt)
    return any(_distance(source, pixel_format(name))[:2] == (0, 0) for name in adapter.pixel_formats)


def _distance(source: PixelFormat, target: PixelFormat) -> tuple[int, int, int, int, bool]:
    """Bits lost first (bands are seen before soft colour edges), colour lost, then what is too much."""
    colour = max(0, source.across - target.across) + max(0, source.down - target.down)
    more = target.across * target.down
    return max(0, source.depth - target.depth), colour, target.depth, more, target.name != source.name
