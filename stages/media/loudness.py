"""Integrated loudness (LUFS) and true peak (dBTP) after ITU-R BS.1770-5 / EBU R 128, by libavfilter's `ebur128`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.media.audio_io import DOWNMIX, open_sound

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame
    from numpy.typing import NDArray

_SILENT = -69.9  # the meter's floor is −70: nothing passed the gate
_BLOCK_S = 0.4  # a gating block: shorter sound has no integrated loudness


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was measured.

    Attributes:
        lufs: integrated loudness, LUFS; None when nothing was loud or long enough.
        true_peak_db: peak between the samples too, dBTP; None for silence (below −60 dBTP).
        note: why a number is missing, "" otherwise.
    """

    lufs: float | None
    true_peak_db: float | None
    note: str = ""


class LoudnessMeter:
    """Takes decoded frames of one format, one by one; `finish` tells the result.

    Args:
        rate: samples per second.
        layout: name of the channel layout, such as `mono`.
        sample_format: FFmpeg's name of the sample format, such as `s16`.
        dual_mono: one channel that will sound from two speakers: 3 LU louder than from one.
    """

    def __init__(self, rate: int, layout: str, sample_format: str, *, dual_mono: bool = False) -> None:
        import av

        self._rate, self._layout, self._format = rate, layout, sample_format
        self._graph = av.filter.Graph()
        self._graph.threads = 1  # handing slices of one voice to threads costs more than it saves
        options = {"metadata": "1", "framelog": "quiet", "peak": "true", "dualmono": str(int(dual_mono))}
        self._graph.link_nodes(
            self._graph.add_abuffer(sample_rate=rate, layout=layout, format=sample_format),
            self._graph.add("ebur128", **options),
            self._graph.add("abuffersink"),
        ).configure()
        self._samples = 0
        self._last: dict[str, str] = {}

    def push(self, frame: AudioFrame) -> None:
        """Measure one frame; it is not changed."""
        self._samples += frame.samples
        self._graph.push(frame)
        self._drain()

    def finish(self) -> Loudness:
        """The result over everything pushed."""
        integrated = self._last.get("lavfi.r128.I")
        self._push_silence()
        peak = float(self._last.get("lavfi.r128.true_peak", "0"))  # linear, unlike all else that the meter tells
        too_short = self._samples < _BLOCK_S * self._rate
        lufs = -math.inf if integrated is None or too_short else float(integrated)
        true_peak = 20 * math.log10(peak) if peak > 0 else None
        if math.isfinite(lufs) and lufs > _SILENT:
            return Loudness(lufs, true_peak)
        why = f"is shorter than {_BLOCK_S:g} s" if too_short else "is silent"
        return Loudness(None, true_peak, f"loudness not measured: the sound {why}")

    def _push_silence(self) -> None:
        """The meter tells in steps of 100 ms; silence behind the end makes it tell the peak of the last step too."""
        import av
        import numpy as np

        empty = av.AudioFrame(format=self._format, layout=self._layout, samples=self._rate // 5)
        zeros = np.zeros_like(empty.to_ndarray())
        frame = av.AudioFrame.from_ndarray(zeros, format=self._format, layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._samples
        self._graph.push(frame)
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                found = self._graph.pull().metadata
            except (BlockingIOError, EOFError):
                return
            self._last = found or self._last


def meter_for(frame: Any, *, dual_mono: bool = False) -> LoudnessMeter:
    """A meter for frames like this one."""
    return LoudnessMeter(frame.sample_rate, frame.layout.name, frame.format.name, dual_mono=dual_mono)


def measure_file(path: Path, *, channels: int | None = None) -> Loudness:
    """Loudness of a file's first audio stream.

    Args:
        path: the file.
        channels: 1 or 2: as it will sound mixed to, or copied to, so many channels; None: as it is.

    Raises:
        StageError: BAD_INPUT when it cannot be decoded.
    """
    import av

    meter: LoudnessMeter | None = None
    with open_sound(path) as sound:
        dual_mono = sound.channels == 1 and channels == 2
        mixed = ("mono" if channels == 1 else "stereo") if channels and channels < sound.channels else None
        mixer = av.AudioResampler(layout=mixed, options=DOWNMIX if mixed else None)
        for frame in sound.frames():
            for piece in mixer.resample(frame):
                meter = meter or meter_for(piece, dual_mono=dual_mono)
                meter.push(piece)
    return meter.finish() if meter else Loudness(None, None, "loudness not measured: there is no sound in the file")


def measure_pcm(samples: NDArray[np.float32], rate: int, *, dual_mono: bool = False) -> Loudness:
    """Loudness of samples, shape [n] or [channels, n] (one or two channels), full scale 1.0."""
    import av
    import numpy as np

    planes = np.atleast_2d(samples).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(planes), format="fltp", layout="mono" if len(planes) == 1 else "stereo"
    )
    frame.sample_rate = rate
    frame.pts = 0
    meter = meter_for(frame, dual_mono=dual_mono)
    meter.push(frame)
    return meter.finish()
