"""Speech as a file: 16 bit mono WAV written piece by piece, and the decoding of what services send."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BYTES_PER_SAMPLE = 2
LEAST_PEAK = 33  # of 32768: -60 dBFS; audio that stays below is silence


class DecodeError(Exception):
    """Bytes that are no audio, or not all of it; the message says what is wrong."""


class WavWriter:
    """A mono WAV file of signed 16 bit samples. Memory does not grow with the length."""

    def __init__(self, path: Path) -> None:
        self.rate_hz = 0
        self.samples = 0
        self.peak = 0
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by __exit__
        self._file.setnchannels(1)
        self._file.setsampwidth(BYTES_PER_SAMPLE)

    @property
    def seconds(self) -> float:
        """Length of what was written."""
        return self.samples / self.rate_hz if self.rate_hz else 0.0

    def begin(self, rate_hz: int) -> None:
        """Set the sample rate, before the first samples. The first one stays."""
        if self.rate_hz == 0:
            self.rate_hz = rate_hz
            self._file.setframerate(rate_hz)

    def write(self, pcm: bytes) -> None:
        """Append samples (little-endian int16)."""
        self.peak = max(self.peak, peak_of(pcm))
        self.samples += len(pcm) // BYTES_PER_SAMPLE
        self._file.writeframesraw(pcm)

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.begin(16000)  # the format wants a rate even when nothing was said
        self._file.close()


def peak_of(pcm: bytes) -> int:
    """Highest absolute value among int16 samples; 0 when there are none."""
    import numpy as np

    samples = np.frombuffer(pcm, dtype="<i2")
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def decode(data: bytes, rate_hz: int = 0) -> tuple[bytes, int]:
    """Audio file bytes → mono int16 samples and their rate (the file's own unless `rate_hz` names one).

    Raises:
        DecodeError: when it is no audio or ends too early.
    """
    import av

    _refuse_short_wav(data)
    try:
        with av.open(io.BytesIO(data)) as container:
            if not container.streams.audio:
                raise DecodeError("it holds no audio")
            rate = rate_hz or int(container.streams.audio[0].rate)
            return _samples(container, rate), rate
    except av.FFmpegError as error:
        raise DecodeError(f"it cannot be decoded ({error.strerror or 'broken'})") from error


def _samples(container: object, rate_hz: int) -> bytes:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    parts: list[np.ndarray] = []
    for frame in container.decode(audio=0):  # type: ignore[attr-defined]
        parts.extend(out.to_ndarray() for out in resampler.resample(frame))
    parts.extend(out.to_ndarray() for out in resampler.resample(None))
    return b"".join(part.tobytes() for part in parts)


def _refuse_short_wav(data: bytes) -> None:
    """A WAV whose header promises more than there is was cut off; decoders would not mind."""
    place = data.find(b"data", 12, 4096)
    if data[:4] != b"RIFF" or place < 0:
        return
    promised = int.from_bytes(data[place + 4 : place + 8], "little")
    streamed = promised >= 0x7FFFFF00 or promised == 0  # a server that did not know the length when it began
    if not streamed and promised > len(data) - place - 8:
        raise DecodeError(f"it ends after {len(data) - place - 8} of {promised} bytes")
