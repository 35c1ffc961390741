"""A short part of films that stands for all of them: whole groups of pictures, some easy and some hard to code.

What a group of pictures takes per second in the source tells how hard it is, without decoding anything. Groups are put
in order of that, and every so manyth is taken: still and busy scenes come in as they are in the film, and never only
its middle. They are copied, so that trials decode what the film itself would have them decode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.media.command import file_url
from stages.media.faults import reading, writing
from stages.media.frames import Coding, Timeline, picture_stream, timeline_and_coding
from stages.media.probe import opened

if TYPE_CHECKING:
    from av.container import InputContainer

_PARTS = 4  # at least, where the film has as many: x264 leaves a key frame every ten seconds only
_SHORTEST_S = 1.0  # a window is no shorter than this, where its group is not
_SAME = (".mp4", ".mov", ".mkv", ".webm", ".ts")  # containers that an excerpt is kept in


@dataclass(frozen=True, slots=True)
class Window:
    """Frames from a key frame on: `start` to `stop` in display order, and bytes per second of the source."""

    start: int
    stop: int
    seconds: float
    rate: float


def windows(path: Path, seconds: float) -> list[Window]:
    """Windows of a film that together last about so long, in the order of the film; [] when it cannot be cut.

    Raises:
        StageError: BAD_INPUT when the file cannot be read.
    """
    times, coding = timeline_and_coding(path)
    if not times.pts or not coding.keys:
        return []
    groups = list(_groups(times, coding, max(_SHORTEST_S, seconds / _PARTS)))
    count = min(len(groups), max(1, round(seconds / max(0.1, sum(g.seconds for g in groups) / len(groups)))))
    ranked = sorted(groups, key=lambda group: group.rate)
    chosen = [ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)]
    return sorted(chosen, key=lambda group: group.start)


def _groups(times: Timeline, coding: Coding, longest: float) -> Iterator[Window]:
    step = times.seconds(times.count - 1) / max(1, times.count - 1)
    for start, stop in zip(coding.keys, [*coding.keys[1:], times.count], strict=True):
        last = min(stop, start + max(1, round(longest / step))) if step else stop
        seconds = max(step, times.seconds(last - 1) - times.seconds(start) + step)
        yield Window(start, last, seconds, sum(coding.sizes[start:last]) / seconds if seconds else 0.0)


def excerpt(paths: Sequence[Path], seconds: float, folder: Path) -> list[Path]:
    """Parts of films, of together about so many seconds, as films in `folder`; short films are taken as they are.

    Raises:
        StageError: BAD_INPUT or DISK_FULL.
    """
    lengths = [_length(path) for path in paths]
    if sum(lengths) <= seconds * 1.25:
        return list(paths)
    made = []
    for number, (path, length) in enumerate(zip(paths, lengths, strict=True)):
        part = seconds * length / sum(lengths)
        suffix = path.suffix.lower() if path.suffix.lower() in _SAME else ".mkv"
        target = folder / f"{number:03d}-{path.stem[:80]}{suffix}"
        chosen = windows(path, part)
        made.append(_copied(path, chosen, target) if chosen else path)
    return made


def _length(path: Path) -> float:
    times, _ = timeline_and_coding(path)
    return times.seconds(times.count - 1) if times.count else 0.0


def _copied(path: Path, chosen: Sequence[Window], target: Path) -> Path:
    """The windows one after another, by stream copy, with the film's own steps between frames."""
    import av

    times, _ = timeline_and_coding(path)
    with opened(path) as source, writing(target), av.open(file_url(target), "w") as output:
        stream = picture_stream(source, path, None)
        out = output.add_stream_from_template(stream, opaque=True)
        out.time_base = stream.time_base
        at, last = 0, None
        for window in chosen:
            first = times.pts[window.start]
            stop = times.pts[window.stop] if window.stop < times.count else None
            for packet in _packets(source, stream, path, first, stop):
                packet.pts += at - first
                packet.dts = None if packet.dts is None else packet.dts + at - first
                if packet.dts is None or (last is not None and packet.dts <= last):
                    packet.dts = min(packet.pts, last + 1) if last is not None else packet.pts
                last = packet.dts
                packet.stream = out
                output.mux(packet)
            at += _span(times, window)
    return target


def _span(times: Timeline, window: Window) -> int:
    """Units from the first frame of a window to where the next one begins."""
    step = Fraction(times.pts[-1] - times.pts[0], max(1, times.count - 1))
    return int(times.pts[window.stop - 1] - times.pts[window.start] + round(step))


def _packets(source: InputContainer, stream: Any, path: Path, first: int, stop: int | None) -> Iterator[Any]:
    """Packets from a key frame on, in order of decoding, until all that is shown before `stop` has come."""
    with reading(path):
        source.seek(first, stream=stream)
        begun = False
        for packet in source.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            begun = begun or (packet.is_keyframe and packet.pts == first)
            if not begun or packet.pts < first:  # before the key frame, or shown before it though coded after
                continue
            if stop is not None and (packet.dts if packet.dts is not None else packet.pts) >= stop:
                return
            if stop is None or packet.pts < stop or not packet.is_keyframe:
                yield packet
            else:
                return
