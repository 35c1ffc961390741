"""A true-peak limiter: turns down before a peak comes, only there, and without a corner in its curve.

The peak is looked for between the samples, at four times the rate (ITU-R BS.1770-5, annex 2). The gain that each sample
needs is spread by a minimum over the look-ahead and smoothed over the same length, so that it is never above what is
needed. A block is computed from its surroundings alone: blocks of any size give the same samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stages.short.waves import blocks, on_disk

if TYPE_CHECKING:
    from stages.short.waves import Samples

LOOK_S = 0.012  # on both sides of a peak
_FINER = 4
_TAPS = 24  # samples around a point that its interpolation looks at


def peaks_of(track: Samples, target: Path) -> Samples:
    """Highest absolute value of any channel at each sample of a track and up to the next, shape [n], on disk."""
    found = on_disk(target, (len(track),))
    for part in blocks(len(track)):
        start, stop = max(0, part.start - _TAPS), min(len(track), part.stop + _TAPS)
        found[part] = _peaks(track[start:stop])[part.start - start : part.stop - start]
    return found


def _peaks(sound: Samples) -> Samples:
    import numpy as np
    from scipy.signal import resample_poly

    highest = np.zeros(len(sound), np.float32)
    for channel in sound.T:
        fine = np.abs(resample_poly(np.ascontiguousarray(channel), _FINER, 1))
        for phase in range(_FINER):
            np.maximum(highest, fine[phase::_FINER], out=highest)
    return highest


def limited(track: Samples, peaks: Samples, part: slice, gain: float, ceiling: float, rate: int) -> Samples:
    """A block of the track after gain and limiter.

    Args:
        track: shape [n, channels].
        peaks: what `peaks_of` found in it.
        part: which samples of it.
        gain: factor before the limiter.
        ceiling: highest true peak, full scale is 1.0.
        rate: samples per second.

    Returns:
        shape [part, channels]; all channels are turned down alike.
    """
    import numpy as np

    half = round(LOOK_S * rate)
    margin = 2 * half + 2
    start, stop = max(0, part.start - margin), min(len(track), part.stop + margin)
    loud = np.asarray(peaks[start:stop]) * np.float32(gain)
    sound: Samples = np.asarray(track[part]) * np.float32(gain)
    if float(loud.max()) <= ceiling:
        return sound
    return sound * _gains(loud, ceiling, half)[part.start - start : part.stop - start, None]


def _gains(loud: Samples, ceiling: float, half: int) -> Samples:
    import numpy as np
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    needed = np.minimum(1.0, ceiling / np.maximum(loud, 1e-9))
    lowest = minimum_filter1d(needed, 2 * half + 3, mode="nearest")  # one more: a peak lies between two samples
    once = uniform_filter1d(lowest, half | 1, mode="nearest")
    gains: Samples = uniform_filter1d(once, half | 1, mode="nearest").astype(np.float32)
    return gains
