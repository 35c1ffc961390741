"""Sound as arrays on disk: samples of any length with little memory, decoded piece by piece, and fades."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.media.audio_io import DOWNMIX, Sound, open_sound
from stages.media.faults import writing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

BLOCK = 1 << 17  # samples that are worked on at a time: 3 s
_FINE = {"filter_size": "64", "cutoff": "0.97"}  # of the resampler: errors below −100 dB


def on_disk(path: Path, shape: tuple[int, ...]) -> Samples:
    """Zeros that lie in a file: what was not used for a while the system writes out, instead of holding it.

    They are really written: a hole of a file that finds no room when it is filled ends the process.

    Raises:
        StageError: DISK_FULL.
    """
    import numpy as np

    with writing(path):
        with path.open("wb") as file:
            for part in blocks(math.prod(shape)):
                file.write(bytes(4 * (part.stop - part.start)))
        return np.memmap(path, np.float32, "r+", shape=shape)


def blocks(length: int) -> Iterator[slice]:
    """A length cut into blocks."""
    for start in range(0, length, BLOCK):
        yield slice(start, min(length, start + BLOCK))


def decoded(path: Path, rate: int, *, channels: int = 0) -> Iterator[Samples]:
    """The first audio stream, resampled, in pieces of shape [channels, n], full scale 1.0.

    Resampling moves nothing: the first sample stays at time 0.

    Args:
        path: any file with sound.
        rate: samples per second wanted.
        channels: 1 or 2; 0: one stays one, more become two.

    Raises:
        StageError: BAD_INPUT when it cannot be decoded.
    """
    import av

    with open_sound(path) as sound:
        wanted = channels or min(2, sound.channels)
        layout = "mono" if wanted == 1 else "stereo"
        resampler = av.AudioResampler("fltp", layout, rate, options={**DOWNMIX, **_FINE})
        for frame in _with_flush(sound):
            for piece in resampler.resample(frame):
                samples: Samples = piece.to_ndarray()  # type: ignore[assignment]
                yield samples


def _with_flush(sound: Sound) -> Iterator[Any]:
    yield from sound.frames()
    yield None


def rise(count: int) -> Samples:
    """A raised cosine from 0 to 1, shape [count], without its end points."""
    import numpy as np

    return risen(np.arange(count), count)


def risen(at: NDArray[np.int64], count: int) -> Samples:
    """Points of the raised cosine of `count` points."""
    import numpy as np

    curve: Samples = (np.sin(np.pi / 2 * (at + 0.5) / max(1, count)) ** 2).astype(np.float32)
    return curve


def as_frame(samples: Samples, rate: int, pts: int) -> Any:
    """An audio frame of samples of shape [n, channels]."""
    import av
    import numpy as np

    layout = "mono" if samples.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = rate, pts
    return frame
