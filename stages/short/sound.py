"""The sound track of a film: all speeches and the music as one continuous track, levelled, encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from stages.audio.coding import FRAME
from stages.contract import Failure, Item, Json, Needs, Result, Stage, StageError, Work
from stages.media.audio_io import open_sound
from stages.media.loudness import Loudness
from stages.scene.timing import frames_of, rate_of
from stages.settings import Problem, range_problems
from stages.short.coded import encoded
from stages.short.master import TOLERANCE_LU, master
from stages.short.mix import mixed
from stages.short.music import digest, problem
from stages.short.settings import MusicSettings, ShortSoundSettings
from stages.short.voice import Spoken, bounds

_PLACING, _LEVELLING = 0.3, 0.7  # of the work, by what was measured


class ShortSound(Stage[ShortSoundSettings]):
    """Lays the speech of each scene where its clip begins, to the sample, with music under it.

    `clip_frames` says how many frames the clip of each scene has, at `fps`: the film is put together by it.
    `quality.lufs` and `quality.true_peak_db` are of the finished track, decoded.
    """

    config_class = ShortSoundSettings
    consumes: ClassVar[Mapping[str, str]] = {"speech": "audio/"}
    produces: ClassVar[Mapping[str, str]] = {"sound": "audio/mp4"}
    reads = ("duration_s",)
    may_read = ("pause_s",)
    writes = ("clip_frames", "fps", "lufs")
    gathers = True

    def run(self, work: Work) -> Result:
        """Make the track of one film.

        Raises:
            StageError: BAD_INPUT for speech or music that cannot be used, DISK_FULL, HOST_OOM, ENCODER.
        """
        config, fps = self.config, rate_of(self.config.fps)
        scenes = [self._spoken(part, fps) for part in work.parts]
        mix = mixed(scenes, fps, config, work.scratch, lambda done: work.progress(_PLACING * done))
        levelled = master(mix.samples, config, work.scratch)
        work.progress(_LEVELLING)
        target = work.scratch / "sound.m4a"
        made = encoded(levelled, config, target)
        return Result(
            files={"sound": target},
            data={"clip_frames": [scene.frames for scene in scenes], "fps": config.fps, "lufs": made.heard.lufs},
            metrics=_metrics(target, len(mix.samples) / config.sample_rate, made.heard) | dict(mix.metrics),
            notes=[*mix.notes, *levelled.notes, *made.notes, *self._missed(made.heard)],
        )

    def _spoken(self, part: Item, fps: Fraction) -> Spoken:
        pause = part.data.get("pause_s")
        frames = frames_of(part.data["duration_s"], self.config.pause_s if pause is None else pause, fps)
        return Spoken(part.key, part.artifacts["speech"].path, frames)

    def _missed(self, heard: Loudness) -> list[str]:
        wanted = self.config.target_lufs
        if not self.config.normalize or heard.lufs is None or abs(heard.lufs - wanted) <= TOLERANCE_LU:
            return []
        said = f"loudness is {heard.lufs:.1f} LUFS, not {wanted:g}"
        return [f"{said}: more would only flatten the sound below {self.config.true_peak_db:g} dBTP"]

    def verify(self, work: Work, result: Result) -> None:
        """Decode the whole track: it must last as long as all frames, to the sample.

        Raises:
            StageError: ENCODER when they are not.
        """
        super().verify(work, result)
        wanted = bounds(result.data["clip_frames"], rate_of(result.data["fps"]), self.config.sample_rate)[-1]
        try:
            said = _faults(result.files["sound"], self.config.sample_rate, wanted)
        except StageError as error:
            raise error.about(work.item.key, Failure.ENCODER) from error
        if said:
            raise StageError(Failure.ENCODER, f"{work.item.key}: the encoded sound {said}; make it again")

    @classmethod
    def needs(cls, config: ShortSoundSettings) -> Needs:  # noqa: ARG003
        """One thread; the track itself lies on disk."""
        return Needs(cpu_threads=1.0, ram_mb=350)

    @classmethod
    def tools(cls, config: ShortSoundSettings) -> Mapping[str, str]:
        """The libraries that resample and encode, and what the music file holds."""
        import av

        found = {"pyav": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}
        file = str(config.music.get("file") or "")
        return {**found, "music": digest(Path(file))} if file else found

    @classmethod
    def problems(cls, config: ShortSoundSettings, key: str) -> Iterable[Problem]:
        """A frame rate that is none, and music that cannot be used, by the keys of its section."""
        try:
            rate_of(config.fps)
        except ValueError as error:
            yield Problem(f"{key}.fps", str(error), "write it like 25 or 30000/1001")
        yield from _music_problems(config.music)


def _faults(path: Path, rate: int, wanted: int) -> str:
    """What is wrong with an encoded track, half a sentence. Its last AAC frame decodes to more than the file says."""
    with open_sound(path) as sound:
        found, told = (sound.rate, sound.channels), sound.expected
        samples = sum(frame.samples for frame in sound.frames())
    if found != (rate, 2):
        return f"has {found[0]} Hz and {found[1]} channels, not {rate} Hz and 2"
    if told != wanted or not wanted <= samples < wanted + FRAME:
        return f"lasts {told} samples and decodes to {samples}, not {wanted}"
    return ""


def _music_problems(values: Mapping[str, Any]) -> Iterable[Problem]:
    music = MusicSettings(**values)
    yield from range_problems(music, "music")
    if music.file and (said := problem(Path(music.file))):
        yield Problem("music.file", said, "name a file with sound, or leave it empty for no music")


def _metrics(path: Path, seconds: float, heard: Loudness) -> dict[str, Json]:
    size = path.stat().st_size
    told = {
        "size.bytes": float(size),
        "audio.duration_s": seconds,
        "audio.bitrate": size * 8 / seconds,
        "quality.lufs": heard.lufs,
        "quality.true_peak_db": heard.true_peak_db,
    }
    return {name: value for name, value in told.items() if value is not None}
