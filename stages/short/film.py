"""Puts a film together: all clips and the sound track by stream copy, with chapters, subtitles and a thumbnail."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, Item, Needs, Result, Stage, StageError, Work
from stages.scene.timing import rate_of, starts_of
from stages.short.assemble import Chapter, assemble, named
from stages.short.reel import Clip, Reel, joinable, look
from stages.short.settings import ShortFilmSettings
from stages.short.subtitles import Cue, shifted, srt
from stages.short.thumbnail import thumbnail
from stages.short.whole import faults


class ShortFilm(Stage[ShortFilmSettings]):
    """Joins the clips of all scenes, in their order, with their sound; nothing is coded again."""

    config_class = ShortFilmSettings
    consumes: ClassVar[Mapping[str, str]] = {"clip": "video/", "sound": "audio/mp4"}
    produces: ClassVar[Mapping[str, str]] = {
        "video": "video/mp4", "thumbnail": "image/jpeg", "subtitles": "application/x-subrip",
    }  # fmt: skip
    reads = ("clip_frames", "fps", "title", "text", "cues", "duration_s")
    may_read = ("language",)
    gathers = True

    def run(self, work: Work) -> Result:
        """Make one film.

        Raises:
            StageError: ENCODER for clips that do not fit together; BAD_INPUT, DISK_FULL, HOST_OOM.
        """
        begun = time.perf_counter()
        reel = _reel(work)
        joinable(reel.clips)
        video = work.scratch / "video.mp4"
        chapters = _chapters(reel, work.parts) if self.config.chapters else []
        tags = {"title": " ".join(str(work.item.data["title"]).split()), "comment": self.config.comment}
        assemble(reel, work.item.artifacts["sound"].path, video, tags, chapters, work.progress)
        merged = time.perf_counter() - begun
        files = {"video": video, **self._beside(work, reel)}
        seconds = float(reel.frames / reel.fps)
        return Result(
            files=files,
            data={"frames": reel.frames},
            metrics={
                "size.bytes": float(video.stat().st_size), "film.duration_s": seconds,
                "film.frames": float(reel.frames), "film.merge_x_realtime": seconds / merged,
            },
            notes=[f"{part.key}: has no caption cues, its whole text is one subtitle" for part in _mute(work.parts)],
        )  # fmt: skip

    def _beside(self, work: Work, reel: Reel) -> dict[str, Path]:
        subtitles, picture = work.scratch / "subtitles.srt", work.scratch / "thumbnail.jpg"
        subtitles.write_text(srt(_cues(reel, work.parts)), encoding="utf-8", newline="\n")
        first = [clip.path for clip in reel.clips[: self.config.thumbnail_scenes]]
        thumbnail(first, picture, self.config.thumbnail_quality)
        return {"subtitles": subtitles, "thumbnail": picture}

    def verify(self, work: Work, result: Result) -> None:
        """Compare the film with the clips and the track, packet by packet, and decode its sound.

        Raises:
            StageError: ENCODER when it is not whole.
        """
        super().verify(work, result)
        reel, sound = _reel(work), work.item.artifacts["sound"].path
        try:
            said = faults(result.files["video"], reel.clips, sound, reel.fps)
        except StageError as error:
            raise error.about(work.item.key, Failure.ENCODER) from error
        if said:
            raise StageError(Failure.ENCODER, f"{work.item.key}: the film is wrong: {'; '.join(said)}; run it again")

    @classmethod
    def needs(cls, config: ShortFilmSettings) -> Needs:  # noqa: ARG003
        """Copies packets; a few key frames are decoded."""
        return Needs(cpu_threads=1.0, ram_mb=300)

    @classmethod
    def tools(cls, config: ShortFilmSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The library that writes the file."""
        import av

        return {"pyav": av.__version__, "libavformat": ".".join(map(str, av.library_versions["libavformat"]))}


def _reel(work: Work) -> Reel:
    """The clips as the sound track reckons with them.

    Raises:
        StageError: ENCODER when a clip has other frames; BAD_INPUT when one cannot be read.
    """
    fps = rate_of(work.item.data["fps"])
    clips: list[Clip] = []
    start = 0
    for part, frames in zip(work.parts, work.item.data["clip_frames"], strict=True):
        clips.append(look(part.key, part.artifacts["clip"].path, start, frames, fps))
        start += frames
    return Reel(tuple(clips), fps)


def _chapters(reel: Reel, parts: Sequence[Item]) -> list[Chapter]:
    return [
        Chapter(clip.start, clip.start + len(clip.order), named(str(part.data["title"]), str(part.data["text"])))
        for clip, part in zip(reel.clips, parts, strict=True)
    ]


def _cues(reel: Reel, parts: Sequence[Item]) -> list[Cue]:
    starts = starts_of([len(clip.order) for clip in reel.clips], reel.fps)
    found: list[Cue] = []
    for number, part in enumerate(parts):
        cues = part.data["cues"] or [[0.0, part.data["duration_s"], part.data["text"]]]
        found += shifted(cues, starts[number], starts[number + 1])
    return found


def _mute(parts: Sequence[Item]) -> list[Item]:
    return [part for part in parts if not part.data["cues"]]
