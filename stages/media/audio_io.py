"""Sound in: decoding with timestamps repaired, and samples as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stages.contract import Failure, StageError
from stages.media.command import PROTOCOLS
from stages.media.faults import reading

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame
    from numpy.typing import NDArray

MAX_SECONDS = 120.0
DOWNMIX = {"rematrix_maxval": "1.0"}  # else FFmpeg's stereo → mono is 3 dB louder, and may clip


@dataclass(frozen=True, slots=True)
class Sound:
    """The first audio stream of an open file, and what its frames will be."""

    path: Path
    container: Any
    stream: Any

    @property
    def rate(self) -> int:
        """Samples per second."""
        return int(self.stream.codec_context.sample_rate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.stream.codec_context.channels)

    @property
    def expected(self) -> int | None:
        """Samples per channel that the header announces; None when it does not tell."""
        duration = self.stream.duration
        return None if duration is None else int(duration * self.stream.time_base * self.rate)

    def frames(self) -> Iterator[AudioFrame]:
        """Decoded frames, stamped anew by counting samples: from 0, without holes or steps back.

        Raises:
            StageError: BAD_INPUT when the sound cannot be decoded, or changes its format on the way.
        """
        done = 0
        for frame in self._decoded():
            if frame.sample_rate != self.rate or frame.layout.nb_channels != self.channels:
                sentence = f"{self.path.name}: its sample rate or channels change on the way; convert it first"
                raise StageError(Failure.BAD_INPUT, sentence)
            frame.pts, frame.time_base = done, Fraction(1, self.rate)
            done += frame.samples
            yield frame

    def _decoded(self) -> Iterator[AudioFrame]:
        frames = self.container.decode(self.stream)
        while True:
            with reading(self.path):  # not around the yield: what the consumer raises is not about this file
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


@contextmanager
def open_sound(path: Path, *, buffer_kb: int = 64) -> Iterator[Sound]:
    """The sound of a file. Read through a file object: no name can be taken for an address or an option.

    Args:
        path: any file with an audio stream that FFmpeg reads.
        buffer_kb: KB read from the disk at a time.

    Raises:
        StageError: BAD_INPUT, with the reason.
    """
    import av

    with reading(path):
        file = path.open("rb", buffering=0)
    with file:
        with reading(path):
            options = {"protocol_whitelist": PROTOCOLS, **_probing(file)}
            container = av.open(file, options=options, buffer_size=buffer_kb * 1024)
        with container:
            if not container.streams.audio or container.streams.audio[0].codec_context is None:
                raise StageError(Failure.BAD_INPUT, f"{path.name}: holds no sound that can be decoded")
            yield Sound(path, container, container.streams.audio[0])


def _probing(file: BinaryIO) -> dict[str, str]:
    """A WAV header tells all there is to know; FFmpeg would still decode 5 MB of it to be sure (6 ms a file)."""
    head = file.read(12)
    file.seek(0)
    return {"probesize": "4096"} if head[:4] == b"RIFF" and head[8:] == b"WAVE" else {}


def count_samples(path: Path) -> tuple[int, int]:
    """Samples per channel that a file decodes to, and its rate. Every byte is decoded.

    Raises:
        StageError: BAD_INPUT when it cannot be decoded to its end.
    """
    with open_sound(path) as sound:
        return sum(frame.samples for frame in sound.frames()), sound.rate


def read_mono(path: Path, rate: int, *, seconds: float = MAX_SECONDS) -> NDArray[np.float32]:
    """The beginning of a file as one channel, resampled.

    Args:
        path: the file.
        rate: samples per second wanted.
        seconds: at most so much from the beginning: what bounds memory.

    Returns:
        samples, shape [n], full scale is 1.0.

    Raises:
        StageError: BAD_INPUT when it cannot be decoded.
    """
    import av
    import numpy as np

    wanted, have = int(seconds * rate), 0
    pieces: list[NDArray[np.float32]] = []
    with open_sound(path) as sound:
        resampler = av.AudioResampler("fltp", "mono", rate, options=DOWNMIX)
        for frame in _with_flush(sound.frames()):
            for piece in resampler.resample(frame):
                pieces.append(piece.to_ndarray()[0])
                have += piece.samples
            if have >= wanted:
                break
    return np.concatenate(pieces)[:wanted] if pieces else np.zeros(0, np.float32)


def _with_flush(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame | None]:
    yield from frames
    yield None
