"""Scenes of a short film made at test time: speech and clips; the stages of sound and film run as plain objects."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from audio_material import write_wav
from picture_help import ffmpeg

from stages.contract import Artifact, Item, Result, Work
from stages.scene.timing import frames_of, rate_of
from stages.short.film import ShortFilm
from stages.short.settings import ShortFilmSettings, ShortSoundSettings
from stages.short.sound import ShortSound

RATE = 44100
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "bframes=2:b-adapt=0:open-gop=0:threads=1")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


def tone(hertz: float, seconds: float, rate: int = RATE, amplitude: float = 0.25, start: float = 0.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * (start + np.arange(round(seconds * rate)) / rate))


def click(rate: int = RATE) -> np.ndarray:
    """A short burst whose place can be told to the sample; its middle is sample 40."""
    at = np.arange(-40, 41)
    return 0.5 * np.exp(-((at / 12) ** 2)) * np.cos(2 * np.pi * 3000 * at / rate)


def found_at(sound: np.ndarray, near: int, reach: int = 2000) -> int:
    """Where a click's middle lies, looked for around a place."""
    start = max(0, near - reach)
    part = sound[start : near + reach]
    return start + int(np.argmax(np.correlate(part, click(), "same")))


def speech(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    return write_wav(path, samples, rate)


def scene(name: str, path: Path, seconds: float, **data) -> Item:
    return Item(f"story/{name}", {"duration_s": seconds, **data}, {"speech": Artifact(path, "audio/wav")})


def scenes_of(folder: Path, sounds: list[np.ndarray], rate: int = RATE, **data) -> list[Item]:
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, sound in enumerate(sounds, 1):
        path = speech(folder / f"{number:02d}.wav", sound, rate)
        found.append(scene(f"{number:02d}", path, len(sound) / rate, **data))
    return found


def make_sound(parts: list[Item], scratch: Path, **settings) -> Result:
    scratch.mkdir(parents=True, exist_ok=True)
    stage = ShortSound(ShortSoundSettings(**settings))
    work = Work(Item("story"), scratch, parts)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def clip(path: Path, frames: int, fps: str = "25", source: str = "testsrc2", size: str = "64x112", words=X264) -> Path:
    """Pictures as a scene's clip has them: closed GOPs, B-frames, no sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = source if "=" in source else f"{source}=s={size}:r={fps}"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", frames, *words, "-pix_fmt", "yuv420p", "-g", 50, *BT709,
           "-an", f"file:{path}")  # fmt: skip
    return path


def clips_for(parts: list[Item], folder: Path, fps: str = "25") -> list[Path]:
    """One clip per scene; scenes of one length share a file."""
    found = []
    for part in parts:
        frames = frames_of(part.data["duration_s"], part.data.get("pause_s", 0.0), rate_of(fps))
        path = folder / f"{frames}.mp4"
        found.append(path if path.is_file() else clip(path, frames, fps))
    return found


def film_parts(parts: list[Item], clips: list[Path], told: list[dict] | None = None) -> list[Item]:
    rows = told or [{} for _ in parts]
    return [
        Item(
            part.key,
            {"title": "", "text": "some words", "cues": [], **part.data, **row},
            {"clip": Artifact(path, "video/mp4")},
        )
        for part, path, row in zip(parts, clips, rows, strict=True)
    ]


def film_work(parts: list[Item], sound: Result, scratch: Path, title: str = "A story") -> Work:
    scratch.mkdir(parents=True, exist_ok=True)
    track = {"sound": Artifact(sound.files["sound"], "audio/mp4")}
    return Work(Item("story", {**sound.data, "title": title}, track), scratch, parts)


def make_film(parts: list[Item], sound: Result, scratch: Path, title: str = "A story", **settings) -> Result:
    stage = ShortFilm(ShortFilmSettings(**settings))
    work = film_work(parts, sound, scratch, title)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def starts(result: Result, rate: int = RATE) -> list[int]:
    """First sample of each scene, and the end: reckoned here by another way than in the code."""
    fps, frames, found = Fraction(result.data["fps"]), 0, [0]
    for count in result.data["clip_frames"]:
        frames += count
        found.append(round(frames / fps * rate))
    return found


def true_peak_db(planes: np.ndarray) -> float:
    """Peak at eight times the rate, dBTP."""
    from scipy.signal import resample_poly

    return 20 * np.log10(max(np.abs(resample_poly(plane, 8, 1)).max() for plane in planes))


def level_at(sound: np.ndarray, hertz: float, rate: int = RATE) -> float:
    """Amplitude of one tone in a piece of sound."""
    window = np.hanning(len(sound))
    return float(2 * abs(np.sum(sound * window * np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / rate)))
                 / window.sum())  # fmt: skip
