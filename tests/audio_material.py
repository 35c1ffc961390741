"""Speech-like sound made at test time: voiced syllables through formants, breaths and pauses; and files of it."""

import wave
from pathlib import Path

import numpy as np

from stages.contract import Artifact, Item, Work


def babble(seconds: float, rate: int = 22050, seed: int = 1) -> np.ndarray:
    """Speech-like mono samples, float, peak 0.5."""
    from scipy.signal import lfilter

    random = np.random.default_rng(seed)
    out, t = np.zeros(int(seconds * rate)), int(0.05 * rate)
    while t < len(out) - rate // 4:
        length = int(random.uniform(0.09, 0.22) * rate)
        pitch = random.uniform(95, 160) * np.linspace(1.08, 0.92, length)
        voice = (np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0) > 0).astype(float)
        sound = voice + 0.02 * random.standard_normal(length)
        if random.random() < 0.25:
            sound = 0.15 * random.standard_normal(length)
        for centre, width in zip(random.uniform((250, 800, 2200), (800, 2200, 3400)), (80, 110, 160), strict=True):
            r, angle = np.exp(-np.pi * width / rate), 2 * np.pi * centre / rate
            sound = lfilter([1 - r], [1, -2 * r * np.cos(angle), r * r], sound)
        out[t : t + length] += sound[: len(out) - t] * np.hanning(length)[: len(out) - t]
        t += int(length * 0.9) + (int(0.2 * rate) if random.random() < 0.15 else 0)
    return 0.5 * out / np.abs(out).max()


def write_wav(path: Path, samples: np.ndarray, rate: int = 22050) -> Path:
    """Samples of shape [n] or [channels, n], full scale 1.0, as 16-bit WAV."""
    planes = np.atleast_2d(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(planes))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(planes.T, -1, 1) * 32767).round().astype("<i2").tobytes())
    return path


def read_planes(path: Path, rate: int = 44100, layout: str = "stereo") -> np.ndarray:
    """A media file's sound as [channels, n] floats."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", layout, rate)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([piece.to_ndarray() for frame in frames for piece in resampler.resample(frame)], axis=1)


def work_on(tmp_path: Path, **files: Path) -> Work:
    """A task on files, named by artifact."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    item = Item("story/003", artifacts={name: Artifact(path, "audio/wav") for name, path in files.items()})
    return Work(item, scratch)
