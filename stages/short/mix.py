"""Speech and music on one track, before its level is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stages.media.loudness import Loudness
from stages.short.duck import curve, factors, levels
from stages.short.loud import measured
from stages.short.music import Bed, bed
from stages.short.settings import MusicSettings
from stages.short.voice import Spoken, bounds, place
from stages.short.waves import blocks, on_disk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stages.short.settings import ShortSoundSettings
    from stages.short.waves import Samples

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Mixed:
    """The track, shape [n, channels] (one channel when there is no music), and what is worth telling."""

    samples: Samples
    notes: tuple[str, ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()


def mixed(
    scenes: Sequence[Spoken], fps: Fraction, config: ShortSoundSettings, scratch: Path, progress: Progress
) -> Mixed:
    """The whole film's sound.

    Args:
        scenes: in order.
        fps: frames per second.
        config: how.
        scratch: folder for what does not belong into memory.
        progress: called with 0..1.

    Raises:
        StageError: BAD_INPUT for speech or music that cannot be used, DISK_FULL.
    """
    rate = config.sample_rate
    marks = bounds([scene.frames for scene in scenes], fps, rate)
    voice = on_disk(scratch / "voice.f32", (marks[-1],))
    for number, scene in enumerate(scenes):
        place(scene, voice[marks[number] : marks[number + 1]], rate, config.edge_ms / 1000)
        progress((number + 1) / len(scenes))
    music = MusicSettings(**config.music)
    if not music.file:
        return Mixed(voice[:, None])
    return _with_music(voice, music, rate, scratch)


def _with_music(voice: Samples, music: MusicSettings, rate: int, scratch: Path) -> Mixed:
    under, notes = bed(music, rate, len(voice), scratch)
    gain, gains = music.volume, None
    metrics: list[tuple[str, float]] = []
    if music.mode == "duck":
        gain, said = _level(_loudness(voice[:, None], rate), _loudness(under.samples, rate), music)
        notes, gains = [*notes, *said], curve(levels(voice, rate), music)
        metrics = [("sound.ducked_share", float((gains < 0).mean()))]
    track = on_disk(scratch / "mix.f32", (len(voice), 2))
    for part in blocks(len(voice)):
        track[part] = voice[part, None] + _music(under, part, gain, gains, rate)
    return Mixed(track, tuple(notes), tuple(metrics))


def _music(under: Bed, part: slice, gain: float, gains: NDArray[np.float32] | None, rate: int) -> Samples:
    sound = under.block(part) * gain
    return sound if gains is None else sound * factors(gains, part, rate)[:, None]


def _loudness(samples: Samples, rate: int) -> Loudness:
    return measured(lambda part: samples[part], samples.shape, rate)


def _level(voice: Loudness, under: Loudness, music: MusicSettings) -> tuple[float, list[str]]:
    """The factor that brings the music to its distance from the speech, however loud its file is."""
    if voice.lufs is None or under.lufs is None:
        which, said = ("speech", voice) if voice.lufs is None else ("music", under)
        return 1.0, [f"music.under_db is not met, the music keeps its level: {which}: {said.note}"]
    return float(10 ** ((voice.lufs - music.under_db - under.lufs) / 20)), []
