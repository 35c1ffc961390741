"""Whether a finished film is whole: the clips' own packets at their times, the track's own, and all of it plays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.media.audio_io import open_sound
from stages.media.mp4 import is_faststart
from stages.media.probe import opened
from stages.short.reel import Clip


@dataclass(slots=True)
class _Run:
    """Packets of one stream as they lie in a file."""

    base: Fraction = Fraction(1)
    pts: list[int] = field(default_factory=list)
    dts: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)


def faults(film: Path, clips: Sequence[Clip], sound: Path, fps: Fraction) -> list[str]:
    """Everything wrong with a finished film, half a sentence each.

    Args:
        film: the file.
        clips: what it was put together from.
        sound: its sound track.
        fps: frames per second.

    Raises:
        StageError: BAD_INPUT when it cannot be read.
    """
    video, audio = _read(film, "video"), _read(film, "audio")
    track = _read(sound, "audio")
    return [
        *_pictures(video, clips, fps),
        *([] if audio.digests == track.digests else ["its sound is not that of the track"]),
        *([] if audio.pts == track.pts else ["its sound is not at the times of the track"]),
        *_lengths(film, len(video.pts) / fps),
        *([] if is_faststart(film) else ["its index is not at the front"]),
    ]


def _read(path: Path, kind: str) -> _Run:
    run = _Run()
    with opened(path) as container:
        stream = next((stream for stream in container.streams if stream.type == kind), None)
        packets: Iterator[Any] = container.demux(stream) if stream is not None else iter(())
        for packet in packets:
            if packet.size:
                run.base = packet.time_base
                run.pts.append(packet.pts)
                run.dts.append(packet.dts)
                run.digests.append(hashlib.sha256(bytes(packet)).digest())
    return run


def _pictures(video: _Run, clips: Sequence[Clip], fps: Fraction) -> Iterator[str]:
    wanted = [clip.start + frame for clip in clips for frame in clip.order]
    if [pts * video.base * fps for pts in video.pts] != wanted:
        yield f"it has {len(video.pts)} frames, or not at their times, of {len(wanted)}"
        return
    if any(before >= after for before, after in pairwise(video.dts)):
        yield "its decoding times step back"
    for clip in clips:
        mine = video.digests[clip.start : clip.start + len(clip.order)]
        if hashlib.sha256(b"".join(mine)).digest() != clip.digest:
            yield f"the packets of {clip.key} are not those of its clip"


def _lengths(film: Path, seconds: Fraction) -> Iterator[str]:
    """The sound decodes to its end, and ends with the pictures: to the sample, but for its last AAC frame."""
    with open_sound(film) as sound:
        rate, told = sound.rate, sound.expected or 0
        samples = sum(frame.samples for frame in sound.frames())
    if abs(told - seconds * rate) > 1 or not told <= samples < told + 1024:
        yield f"its sound lasts {told / rate:.4f} s ({samples} samples), its pictures {float(seconds):.4f} s"
