"""A short part of films that stands for all of them: whole groups of pictures, some easy and some hard to code.

What a group of pictures takes per second in the source tells how hard it is, without decoding anything. Groups are put
in order of that, and every so manyth is taken: still and busy scenes come in as they are in the film, and never only
its middle. They are copied, so that trials decode what the film itself would have them decode.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.media.command import file_url
from stages.media.faults import reading, writing
from stages.media.frames import BACK_S, Coding, Timeline, picture_stream, seek_before, timeline_and_coding
from stages.media.probe import opened
from stages.video.excerpt_coded import coded, decodes

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
        made.append(_part(path, chosen, target) if chosen else path)
    return made


def _part(path: Path, chosen: Sequence[Window], target: Path) -> Path:
    """The windows, copied; or where copies do not decode, without loss."""
    times, _ = timeline_and_coding(path)
    if decodes(_copied(path, times, chosen, target)):
        return target
    target.unlink()
    return coded(path, times, [(window.start, window.stop) for window in chosen], target.with_suffix(".mkv"))


def _length(path: Path) -> float:
    times, _ = timeline_and_coding(path)
    return times.seconds(times.count - 1) if times.count else 0.0


def _copied(path: Path, times: Timeline, chosen: Sequence[Window], target: Path) -> Path:
    """The windows one after another, by stream copy, with the film's own steps between frames."""
    import av

    with opened(path) as source, writing(target), av.open(file_url(target), "w") as output:
        stream = picture_stream(source, path, None)
        out = output.add_stream_from_template(stream, opaque=True)
        out.time_base = stream.time_base
        at, last = 0, None
        for window in chosen:
            first, taken = times.pts[window.start], 0
            for packet in _packets(source, stream, path, times, window):
                taken += 1
                packet.pts += at - first
                packet.dts = None if packet.dts is None else packet.dts + at - first
                if packet.dts is None or (last is not None and packet.dts <= last):
                    packet.dts = min(packet.pts, last + 1) if last is not None else packet.pts
                last = packet.dts
                packet.stream = out
                output.mux(packet)
            at += _span(times, window.start, window.start + taken) if taken else 0
    return target


def _span(times: Timeline, start: int, stop: int) -> int:
    """Units from a frame to where the one after the last would be, in even steps."""
    step = Fraction(times.pts[-1] - times.pts[0], max(1, times.count - 1))
    return int(times.pts[stop - 1] - times.pts[start] + round(step))


def _packets(source: InputContainer, stream: Any, path: Path, times: Timeline, window: Window) -> Iterator[Any]:
    """Packets of a window, in order of decoding.

    Where a seek landed behind the key frame, which it does in a file without an index, it is made again further back.
    """
    first = times.pts[window.start]
    for back_s in (*BACK_S, None):
        with ExitStack() as held, reading(path):
            if back_s is None:
                source = held.enter_context(opened(path))
                stream = picture_stream(source, path, None)
            else:
                seek_before(source, stream, first, back_s)
            packets = _whole(source.demux(stream), times, window)
            begun = next(packets, None)
            if begun is not None:
                yield begun
                yield from packets
                return


def _whole(packets: Iterable[Any], times: Timeline, window: Window) -> Iterator[Any]:
    """From the key frame on, a few more than asked for where the last frames refer to some that are shown later."""
    first, count, last = times.pts[window.start], 0, window.start
    for packet in packets:
        if packet.pts is None or not packet.size:
            continue
        if not count and not (packet.is_keyframe and packet.pts == first):
            if packet.dts is not None and packet.dts > first:
                return
            continue
        if packet.pts < first:  # coded after the key frame and shown before
            continue
        count, last = count + 1, max(last, bisect_left(times.pts, packet.pts))
        yield packet
        if count >= window.stop - window.start and count == last - window.start + 1:
            return
