"""What one segment takes from the machine, told from the size of its pictures before anything is opened."""

from __future__ import annotations

import math

from stages.contract import Needs
from stages.media.encoders.catalog import adapter
from stages.media.pixel_format import pixel_format
from stages.media.saturation import decoding_mb, encoding_mb
from stages.upscale.order import Order
from stages.upscale.stream import AHEAD, SHARE

WORKER_MB = 600  # Python, torch, PyAV and a usual model, before the first frame
ENGINE_MB = 1024  # that the engine plans with on a CPU
_TILE_MB = 160  # of one tile in the net, where the result of one frame alone takes what is planned with
_RESULT = 18  # bytes per pixel of the result: RGB in fp32, and its planes as they are made
_RGB = 12  # bytes per pixel of RGB in fp32
_STEADIED = 8  # pictures in RGB that the stabiliser holds: three, what they are blended of, and those that wait
_BATCH = 4  # frames at once at most, on a CPU


def segment_needs(
    order: Order, *, threads: int, tier: str = "balanced", buffer_mb: int = 1024, vram_mb: int = 0
) -> Needs:
    """What decoder, buffers, model and encoder take together.

    Args:
        order: of the segment.
        threads: of this process.
        tier: of the profile.
        buffer_mb: `upscaler.buffer_mb`.
        vram_mb: GPU memory that the model may take, MB; 0 on a CPU.
    """
    (width, height), scale = order.size, order.scale
    config, depth = order.config, pixel_format(order.config.pix_fmt).depth
    found = adapter(config.name)
    given = config.threads or threads
    encoder = encoding_mb(
        config.name, config.preset or found.tiers[tier], width * scale, height * scale, depth, given
    )  # fmt: skip
    decoder = decoding_mb(width, height, depth, threads)
    parts = (WORKER_MB, decoder, buffers_mb(order, buffer_mb), model_mb(order), encoder)
    return Needs(
        cpu_threads=float(threads), ram_mb=math.ceil(sum(parts)), vram_mb=vram_mb,
        encoder_sessions=int(found.hardware),
    )  # fmt: skip


def buffers_mb(order: Order, buffer_mb: int) -> float:
    """Frames between decoder, model and encoder: as many as the buffers hold, at most their budget."""
    area, shape = order.size[0] * order.size[1], pixel_format(order.config.pix_fmt)
    frame = area * (1 + 2 * shape.across * shape.down / 256) * (2 if shape.depth > 8 else 1) / 1e6
    most = max(AHEAD, 4 * _BATCH)
    budget = buffer_mb * 1.048576
    return min(most * frame, budget / SHARE) + min(most * frame * order.scale**2, budget * (1 - 1 / SHARE))


def model_mb(order: Order) -> float:
    """A batch in the model, and its result; with what is held for steadying."""
    large = order.size[0] * order.size[1] * order.scale**2 / 1e6
    batch = max(_RESULT * large, min(ENGINE_MB, _BATCH * _RESULT * large)) + _TILE_MB
    return batch + (_STEADIED * _RGB * large if order.stabilise != "off" else 0.0)
