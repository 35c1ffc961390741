"""Loudness of a track that is worked on in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.media.loudness import Loudness, meter_for
from stages.short.waves import as_frame, blocks

if TYPE_CHECKING:
    from stages.short.waves import Samples


def measured(block: Callable[[slice], Samples], shape: tuple[int, ...], rate: int) -> Loudness:
    """Loudness as it sounds from two speakers.

    Args:
        block: gives the samples of a part, shape [part, channels].
        shape: of the whole track: samples, channels.
        rate: samples per second.
    """
    meter = None
    for part in blocks(shape[0]):
        frame = as_frame(block(part), rate, part.start)
        meter = meter or meter_for(frame, dual_mono=shape[1] == 1)
        meter.push(frame)
    assert meter is not None, "a track has samples"
    return meter.finish()
