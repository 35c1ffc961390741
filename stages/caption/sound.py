"""Speech as numbers: the samples of a WAV file, and what the ear makes of them every 10 ms."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP_S = 0.01
_WINDOW_S = 0.032
_BANDS = 26
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 7000.0
_CEPSTRA = 8  # fewer than is usual: the finer shape of a spectrum is the speaker's, not the word's
_FLOOR_DB = 60.0
_CHUNK = 4096
_SILENT_DB = 35.0  # below the loudest
_EDGE = 8  # steps of a silence that are kept on each side
_SHORTEST = 3  # steps: a shorter hush is a consonant


def read_speech(path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples (−1 to 1) of a mono 16 bit WAV file, and their rate in Hz."""
    import numpy as np

    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
        samples = np.frombuffer(data, "<i2").reshape(-1, file.getnchannels()).mean(axis=1)
        return (samples / 32768).astype(np.float32), file.getframerate()


def log_mel(samples: NDArray[np.float32], rate_hz: int, highest_hz: float = _HIGHEST_HZ) -> NDArray[np.float32]:
    """Loudness of 26 bands of pitch in dB, one row each 10 ms; 60 dB below the loudest is the floor."""
    import numpy as np

    size, step = int(_WINDOW_S * rate_hz), STEP_S * rate_hz
    count = max(1, int(len(samples) / step))
    padded = np.pad(samples, (size // 2, size + int(step)))
    starts = (np.arange(count) * step).astype(int)
    window, bank = np.hanning(size).astype(np.float32), _mel_bank(size, rate_hz, highest_hz)
    views = np.lib.stride_tricks.sliding_window_view(padded, size)
    power = np.empty((count, _BANDS), np.float32)
    for at in range(0, count, _CHUNK):
        frames = views[starts[at : at + _CHUNK]] * window
        power[at : at + _CHUNK] = (np.abs(np.fft.rfft(frames, axis=1)) ** 2) @ bank
    level = 10 * np.log10(power + 1e-12)
    return np.asarray(np.maximum(level, level.max() - _FLOOR_DB), np.float32)


def _mel_bank(size: int, rate_hz: int, highest_hz: float) -> NDArray[np.float32]:
    """Triangles, evenly spaced in mel; FFT bins × bands."""
    import numpy as np

    low, high = (2595 * math.log10(1 + hz / 700) for hz in (_LOWEST_HZ, min(highest_hz, rate_hz / 2)))
    centres = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate_hz)[:, None]
    rising = (bins - centres[:-2]) / (centres[1:-1] - centres[:-2])
    falling = (centres[2:] - bins) / (centres[2:] - centres[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def features(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is compared of two voices: shape of the spectrum, loudness, and how both change; each of variance 1."""
    import numpy as np
    from scipy.fft import dct

    cepstra = dct(levels, axis=1, norm="ortho")[:, :_CEPSTRA]
    slope = np.gradient(_smooth(cepstra), axis=0)
    both = np.hstack([cepstra, slope])
    return np.asarray((both - both.mean(axis=0)) / (both.std(axis=0) + 1e-3), np.float32)


def _smooth(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter1d

    smooth: NDArray[np.float32] = uniform_filter1d(rows, 5, axis=0, mode="nearest")
    return smooth


def spoken_steps(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For each step whether somebody speaks. All of them count when none is silent."""
    from scipy.ndimage import binary_closing

    loudest = levels.max(axis=1)
    loud = loudest > loudest.max() - _SILENT_DB
    closed: NDArray[np.bool_] = binary_closing(loud, iterations=_SHORTEST) | loud
    return closed


def kept_steps(levels: NDArray[np.float32]) -> NDArray[np.int_]:
    """Numbers of the steps without the inside of silences: where two speakers pause tells nothing of their words."""
    import numpy as np
    from scipy.ndimage import binary_dilation

    return np.asarray(np.flatnonzero(binary_dilation(spoken_steps(levels), iterations=_EDGE)), int)


def silences(levels: NDArray[np.float32], least_s: float) -> list[tuple[float, float]]:
    """Start and end (s) of each silence between words that is at least that long."""
    import numpy as np

    steps = np.flatnonzero(spoken_steps(levels))
    gaps = np.flatnonzero(np.diff(steps) > least_s / STEP_S)
    return [(float(steps[at] + 1) * STEP_S, float(steps[at + 1]) * STEP_S) for at in gaps]
