"""Brings a track to its loudness: one gain, and the limiter only where a peak would pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stages.media.loudness import Loudness
from stages.short.limiter import limited, peaks_of
from stages.short.loud import measured

if TYPE_CHECKING:
    from stages.short.settings import SoundSettings
    from stages.short.waves import Samples

NEAR_LU = 0.1
TOLERANCE_LU = 0.3
CODING_DB = 0.4  # what AAC adds to peaks that were pressed against the ceiling, as a rule
_TRIES = 5
_HARDEST_DB = 9.0  # more gain into the limiter than this beyond the plain one flattens sound and hardly adds loudness


@dataclass(frozen=True, slots=True)
class Master:
    """A track, shape [n, channels], and what is done to its level.

    Attributes:
        track: the samples.
        peaks: true peak at each of them, shape [n]; of no length where nothing is limited.
        rate: samples per second.
        gain_db: gain before the limiter.
        ceiling_db: highest true peak, dBTP; None for no limiter.
        notes: what is worth telling.
    """

    track: Samples
    peaks: Samples
    rate: int
    gain_db: float = 0.0
    ceiling_db: float | None = None
    notes: tuple[str, ...] = ()

    def block(self, part: slice) -> Samples:
        """Samples of the finished track, shape [n, channels]."""
        import numpy as np

        gain = 10 ** (self.gain_db / 20)
        if self.ceiling_db is None:
            return np.asarray(self.track[part]) * np.float32(gain)
        return limited(self.track, self.peaks, part, gain, 10 ** (self.ceiling_db / 20), self.rate)

    def loudness(self) -> Loudness:
        """How loud it is."""
        return measured(self.block, self.track.shape, self.rate)


def master(track: Samples, config: SoundSettings, scratch: Path) -> Master:
    """Find gain and limiter for a track of shape [n, channels].

    Limiting takes loudness away; the gain is raised until the target is met, or it makes no sense any more.
    """
    peaks = peaks_of(track, scratch / "peaks.f32")
    plain = Master(track, peaks, config.sample_rate)
    highest = float(peaks.max())
    peak = 20 * math.log10(highest) if highest > 0 else -120.0
    found = plain.loudness()
    if found.lufs is None:
        note = (f"level unchanged: {found.note}",) if config.normalize else ()
        return replace(plain, ceiling_db=_ceiling(peak, config), notes=note)
    gain = config.target_lufs - found.lufs if config.normalize else 0.0
    made = replace(plain, gain_db=gain, ceiling_db=_ceiling(peak + gain, config))
    return _pressed(made, config) if config.normalize and made.ceiling_db is not None else made


def _ceiling(peak: float, config: SoundSettings) -> float | None:
    return None if peak <= config.true_peak_db else config.true_peak_db - CODING_DB


def _pressed(made: Master, config: SoundSettings) -> Master:
    """How much gain goes into the limiter, so that what comes out is as loud as wanted."""
    highest = made.gain_db + _HARDEST_DB
    for _ in range(_TRIES):
        reached = made.loudness()
        missing = 0.0 if reached.lufs is None else config.target_lufs - reached.lufs
        if abs(missing) <= NEAR_LU or made.gain_db >= highest:
            break
        made = replace(made, gain_db=min(made.gain_db + 1.2 * missing, highest))
    return made
