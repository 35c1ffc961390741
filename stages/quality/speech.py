"""How much of the speech the encode kept: PESQ and STOI of a finished file against the speech it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stages.contract import Needs, Result, Stage, Work
from stages.media.audio_io import read_mono
from stages.settings import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000  # wideband PESQ (ITU-T P.862.2) knows no other
_SHORTEST_S = 0.5  # less holds no utterance that either score can use
_SILENT = 1e-4  # RMS, full scale 1.0: −80 dBFS
_LEAST_MATCH = 0.2  # normalised correlation below which two sounds are not the same speech


@dataclass(frozen=True)
class ScoreSpeechSettings:
    """What is compared."""

    window_s: float = setting(30.0, "seconds compared: the middle of the first two minutes", low=2, high=120, unit="s")
    max_delay_ms: float = setting(500.0, "largest delay looked for", low=10, high=5000, unit="ms")


class ScoreSpeech(Stage[ScoreSpeechSettings]):
    """Scores `audio` against `speech`, both at 16 kHz mono, after their delay is measured and taken out.

    Of long recordings the first two minutes are read, and `window_s` from their middle is scored.
    """

    config_class = ScoreSpeechSettings
    consumes: ClassVar[Mapping[str, str]] = {"speech": "audio/", "audio": "audio/"}

    def run(self, work: Work) -> Result:
        """Score one pair.

        Raises:
            StageError: BAD_INPUT when either cannot be decoded.
        """
        files = work.item.artifacts
        speech, audio = read_mono(files["speech"].path, RATE), read_mono(files["audio"].path, RATE)
        why = _unusable(speech) or _unusable(audio)
        if why:
            return Result(notes=[f"speech quality not measured: {why}"])
        shift, match = delay(speech, audio, int(self.config.max_delay_ms * RATE / 1000))
        if match < _LEAST_MATCH:
            return Result(notes=[f"speech quality not measured: the two do not sound alike (match {match:.2f})"])
        reference, degraded = middle(*aligned(speech, audio, shift), int(self.config.window_s * RATE))
        scores, notes = _scores(reference, degraded)
        return Result(metrics={"quality.delay_ms": shift * 1000 / RATE, **scores}, notes=notes)

    @classmethod
    def needs(cls, config: ScoreSpeechSettings) -> Needs:  # noqa: ARG003
        """One thread; memory for two minutes of both and the correlation of them."""
        return Needs(cpu_threads=1.0, ram_mb=400)

    @classmethod
    def tools(cls, config: ScoreSpeechSettings) -> Mapping[str, str]:  # noqa: ARG003
        """Versions of the scores: with PESQ missing the result is another."""
        return {name: _version(name) for name in ("pesq", "pystoi")}


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _unusable(sound: Samples) -> str:
    import numpy as np

    if len(sound) < _SHORTEST_S * RATE:
        return f"the sound is shorter than {_SHORTEST_S:g} s"
    return "the sound is silent" if float(np.sqrt(np.mean(np.square(sound)))) < _SILENT else ""


def delay(reference: Samples, degraded: Samples, most: int) -> tuple[int, float]:
    """How many samples `degraded` comes later than `reference`, by the peak of their cross-correlation.

    Args:
        reference: samples, shape [n].
        degraded: samples, shape [m].
        most: largest delay looked for, in samples, either way.

    Returns:
        the delay (negative: it comes earlier), and how alike they are there, −1 … 1.
    """
    import numpy as np
    from scipy.signal import correlate

    a, b = reference - reference.mean(), degraded - degraded.mean()
    found = correlate(b, a, method="fft")
    zero = len(a) - 1
    first = max(0, zero - most)
    near = found[first : zero + most + 1]
    best = int(np.argmax(near))
    energy = float(np.sqrt(np.sum(np.square(a, dtype=np.float64)) * np.sum(np.square(b, dtype=np.float64))))
    return first + best - zero, float(near[best]) / energy


def aligned(reference: Samples, degraded: Samples, shift: int) -> tuple[Samples, Samples]:
    """The part both have, sample by sample, once `degraded` is moved `shift` samples earlier."""
    a, b = reference[max(0, -shift) :], degraded[max(0, shift) :]
    length = min(len(a), len(b))
    return a[:length], b[:length]


def middle(reference: Samples, degraded: Samples, length: int) -> tuple[Samples, Samples]:
    """The middle `length` samples of both: long speech is scored on a bounded part."""
    start = max(0, (len(reference) - length) // 2)
    return reference[start : start + length], degraded[start : start + length]


def _scores(reference: Samples, degraded: Samples) -> tuple[dict[str, float], list[str]]:
    scores: dict[str, float] = {}
    notes: list[str] = []
    for name, score in (("quality.pesq", _pesq), ("quality.stoi", _stoi)):
        value, why = score(reference, degraded)
        if value is None:
            notes.append(f"{name} unavailable: {why}")
        else:
            scores[name] = value
    return scores, notes


def _pesq(reference: Samples, degraded: Samples) -> tuple[float | None, str]:
    """Wideband PESQ, 1 … 4.64; None, and why, when it is not installed or finds no utterance."""
    try:
        from pesq import PesqError, pesq
    except ImportError:
        return None, "the package pesq is not installed (pip install 'reeltune[quality]')"
    try:
        return float(pesq(RATE, reference, degraded, "wb")), ""
    except PesqError as error:
        said = error.args[0] if error.args else error
        return None, said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _stoi(reference: Samples, degraded: Samples) -> tuple[float | None, str]:
    """STOI, 0 … 1; None, and why, when too little speech is left without its silences."""
    import warnings

    from pystoi import stoi

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        value = float(stoi(reference, degraded, RATE))
    short = [str(warning.message) for warning in said if issubclass(warning.category, RuntimeWarning)]
    return (None, short[0].split(".")[0]) if short else (value, "")
