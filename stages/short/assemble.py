"""Pictures and sound into one MP4 file, by stream copy."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from stages.media.command import file_url
from stages.media.faults import reading, writing
from stages.media.probe import opened
from stages.short.reel import Reel

_FINEST = 100_000_000
_TITLE = 60  # characters of a chapter's name


@dataclass(frozen=True, slots=True)
class Chapter:
    """A scene as a chapter: its first frame, the frame behind its last, its name."""

    start: int
    end: int
    title: str


def named(title: str, text: str) -> str:
    """A chapter's name: the scene's title, else its first words."""
    said = " ".join((title or text).split())
    if len(said) <= _TITLE:
        return said
    return f"{said[:_TITLE].rpartition(' ')[0] or said[: _TITLE - 1]}…"


def assemble(
    reel: Reel, sound: Path, target: Path, tags: Mapping[str, str], chapters: Sequence[Chapter],
    progress: Callable[[float], None],
) -> None:  # fmt: skip
    """Write the film; packets go in as they are.

    Raises:
        StageError: BAD_INPUT, DISK_FULL, HOST_OOM or ENCODER.
    """
    import av

    with opened(reel.clips[0].path) as pictures, opened(sound) as heard:
        rate = heard.streams.audio[0].codec_context.sample_rate
        options = {"movflags": "+faststart", "movie_timescale": str(_scale(reel, rate))}
        with writing(target), av.open(file_url(target), "w", format="mp4", options=options) as output:
            streams = _streams(output, reel, pictures.streams.video[0], heard.streams.audio[0])
            output.metadata.update({name: value for name, value in tags.items() if value})
            if chapters:
                output.set_chapters(_chapters(chapters, reel))
            runs = (_timed(reel.packets(), streams[0], 0), _timed(_sound(heard, sound), streams[1], 1))
            for at, _, packet in heapq.merge(*runs, key=lambda entry: entry[:2]):
                output.mux_one(packet)
                progress(min(1.0, max(0.0, float(at * reel.fps / reel.frames))))


def _scale(reel: Reel, rate: int) -> int:
    """Units per second of the edit list, in which streams begin and end: exact for pictures and sound."""
    exact = math.lcm(reel.base.denominator, rate)
    return exact if exact <= _FINEST else rate


def _streams(output: Any, reel: Reel, pictures: Any, heard: Any) -> tuple[Any, Any]:
    video = output.add_stream_from_template(pictures, opaque=True)
    video.time_base = reel.base
    video.codec_context.framerate = reel.fps
    audio = output.add_stream_from_template(heard, opaque=True)
    audio.time_base = heard.time_base
    return video, audio


def _chapters(chapters: Sequence[Chapter], reel: Reel) -> list[Any]:
    return [
        {
            "id": number, "start": chapter.start * reel.step, "end": chapter.end * reel.step, "time_base": reel.base,
            "metadata": {"title": chapter.title},
        }
        for number, chapter in enumerate(chapters)
    ]  # fmt: skip


def _sound(container: Any, path: Path) -> Iterator[Any]:
    """Packets of the track with those that prime the decoder: the file's edit list hides these here too."""
    with reading(path):
        for packet in container.demux(container.streams.audio[0]):
            if packet.size:
                yield packet


def _timed(packets: Iterator[Any], stream: Any, run: int) -> Iterator[tuple[Fraction, int, Any]]:
    for packet in packets:
        packet.stream = stream
        yield packet.dts * packet.time_base, run, packet
