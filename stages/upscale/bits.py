"""How many bits a film takes: a model of encoders at constant quality, on the safe side."""

from __future__ import annotations

import math

from stages.media.encoders.catalog import adapter
from stages.media.encoders.settings import EncoderConfig
from stages.media.pixel_format import PixelFormat, pixel_format

# By family: bits per pixel at the default quality, and by how much the quality number must fall to double them. Three
# times what a film of a noisy camera took when it was made 16 times larger (x264 medium 0.09, x265 and SVT-AV1 0.05):
# what two seconds of moving waves in such noise take. Grain in its own size takes up to 1.2.
_BITS = {"h264": (0.30, 4.0), "hevc": (0.18, 5.0), "av1": (0.18, 9.0)}
_QUICK = {"ultrafast": 3.5, "superfast": 1.5}  # times the bits of presets that leave out what saves most
_CHIP = 1.5  # times the bits of an encoder in hardware
_SLOWER = 1.5  # what must be told of a picture does not go away as fast as it comes


def bits_per_pixel(config: EncoderConfig, tier: str = "balanced") -> float:
    """Bits that one pixel of ordinary footage takes on average, at most those of raw pictures.

    Args:
        config: a named encoder, its pixel format settled.
        tier: profile tier that gives the preset when none is set.
    """
    found, shape = adapter(config.name), pixel_format(config.pix_fmt)
    base, doubling = _BITS[found.family]
    better = 0.0 if config.quality is None else found.quality_default - config.quality
    scale = math.pow(2.0, better / (doubling if better > 0 else _SLOWER * doubling))
    preset = _QUICK.get(config.preset or found.tiers[tier], 1.0)
    return min(raw_bits(config.pix_fmt), base * scale * preset * _wider(shape) * (_CHIP if found.hardware else 1.0))


def _wider(shape: PixelFormat) -> float:
    """Times the bits of 4:2:0 in 8 bit."""
    colour = 1.0 + 0.1 * ((shape.across // 8) * (shape.down // 8) - 1)
    return colour * (1.1 if shape.depth > 8 else 1.0)


def raw_bits(pix_fmt: str) -> float:
    """Bits of a pixel that is not coded at all."""
    shape = pixel_format(pix_fmt)
    return shape.depth * (1 + 2 * shape.across * shape.down / 256)
