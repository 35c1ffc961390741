"""Frames of footage, each with its index, its integer pts and the time base: what is compared, scaled or coded anew."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stages.contract import Failure, StageError
from stages.media.faults import reading
from stages.media.probe import opened

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

REORDERED = 64  # frames that may be coded after one that is shown behind them, at most
BACK_S = (0, 2, 10, 60)  # how far before a frame its key frame is looked for, until all is read from the beginning
T = TypeVar("T")

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# What no stream does by itself; ahead as FFmpeg's `dts_delta_threshold`, from which on it takes a clock for another.
_JUMP_BACK_S, _JUMP_AHEAD_S = Fraction(1, 2), 10


@dataclass(frozen=True, slots=True)
class Track:
    """The video stream of a file, as its first decoded frame tells it.

    Attributes:
        path: the file.
        stream: index of the stream; cover pictures are passed over.
        width: pixels as shown, after `rotation`.
        height: pixels as shown.
        pixel_format: FFmpeg's name of it.
        depth: bits per component.
        chroma: `420`, `422` or `444`; RGB counts as 444, grey as 420.
        full_range: whether black is 0 (True) or 16 (False, which is also taken when the file does not tell), at 8 bit.
        rotation: degrees counter-clockwise that the file asks a player to turn the coded picture by.
        name: what to call it in sentences; "" for its file's name, which in a cache says nothing.
    """

    path: Path
    stream: int
    width: int
    height: int
    pixel_format: str
    depth: int
    chroma: str
    full_range: bool
    rotation: int
    name: str = ""

    @property
    def called(self) -> str:
        """What people know it by."""
        return self.name or self.path.name


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each frame is shown: `pts` in order of display, in units of `time_base` seconds.

    `pts` is empty where a frame has none (raw streams); `count` is known all the same.
    """

    time_base: Fraction
    count: int
    pts: tuple[int, ...]

    def seconds(self, index: int) -> float:
        """Time of a frame since the first one; 0.0 where the file has no times."""
        return float((self.pts[index] - self.pts[0]) * self.time_base) if self.pts else 0.0

    def just_before(self, index: int) -> Fraction:
        """A time, on the file's own clock, after the frame before this one and not after this one."""
        first = self.pts[max(0, index - 1)]
        return Fraction(first + self.pts[index], 2) * self.time_base


@dataclass(frozen=True, slots=True)
class Coding:
    """How a file holds its frames.

    Attributes:
        keys: indices of those where decoding can begin.
        sizes: of all, bytes.
        jump: decoding times before and after the place where the clock of the file jumps, seconds; None: nowhere.
    """

    keys: tuple[int, ...]
    sizes: tuple[int, ...]
    jump: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame; `index` counts shown frames from 0, `pts` is in `time_base` (None in raw streams)."""

    index: int
    pts: int | None
    time_base: Fraction
    picture: VideoFrame


def track(path: Path) -> Track:
    """What the pictures of a file are. Decodes one frame.

    Raises:
        StageError: BAD_INPUT when there is no picture that decodes.
    """
    for frame, stream in _decoded(path, None):
        picture, shape = frame, frame.format
        turned = int(picture.rotation) % 180 != 0
        return Track(
            path=path,
            stream=stream.index,
            width=picture.height if turned else picture.width,
            height=picture.width if turned else picture.height,
            pixel_format=shape.name,
            depth=max(component.bits for component in shape.components),
            chroma=_chroma(shape),
            full_range=shape.is_rgb or shape.name.startswith("yuvj") or int(picture.color_range) == _FULL_RANGE,
            rotation=int(picture.rotation),
        )
    raise StageError(Failure.BAD_INPUT, f"{path.name}: not one of its pictures can be decoded; make the file again")


def _chroma(shape: Any) -> str:
    if shape.is_rgb or len(shape.components) < 3:
        return "444" if shape.is_rgb else "420"
    if shape.chroma_width(16) == 16:
        return "444"
    return "422" if shape.chroma_height(16) == 16 else "420"


def timeline(path: Path, stream: int | None = None) -> Timeline:
    """When each frame is shown, read from the packets alone: nothing is decoded.

    Packets that an edit list hides are no frames. A damaged end of the file counts as the end.

    Raises:
        StageError: BAD_INPUT when the file cannot be opened or read.
    """
    with opened(path) as container:
        found = picture_stream(container, path, stream)
        shown = [packet.pts for packet in container.demux(found) if packet.size and not packet.is_discard]
        base = found.time_base
    known = [pts for pts in shown if pts is not None]
    return Timeline(base, len(shown), tuple(sorted(known)) if len(known) == len(shown) else ())


def timeline_and_coding(path: Path, stream: int | None = None) -> tuple[Timeline, Coding]:
    """The timeline, and what else the packets tell of each frame, in one reading of them: nothing is decoded.

    Without times (raw streams) the order of display is not known, and nothing is told.

    Raises:
        StageError: BAD_INPUT when the file cannot be opened or read.
    """
    with opened(path) as container:
        found = picture_stream(container, path, stream)
        packets = (packet for packet in container.demux(found) if packet.size and not packet.is_discard)
        shown = [(packet.pts, packet.is_keyframe, packet.size, packet.dts) for packet in packets]
        base, restarts = found.time_base, "mpeg" in container.format.name
    jump = _jump([dts for *_, dts in shown if dts is not None], base, restarts=restarts)
    known = sorted((pts, is_key, size) for pts, is_key, size, _ in shown if pts is not None)
    if len(known) < len(shown):
        return Timeline(base, len(shown), ()), Coding((), (), jump)
    keys = tuple(index for index, (_, is_key, _) in enumerate(known) if is_key)
    sizes = tuple(size for _, _, size in known)
    return Timeline(base, len(known), tuple(pts for pts, _, _ in known)), Coding(keys, sizes, jump)


def _jump(dts: Sequence[int], base: Fraction, *, restarts: bool) -> tuple[float, float] | None:
    """Where the clock goes back, or in a file of a kind that may restart (`restarts`) far ahead; see `Coding`."""
    for before, after in pairwise(dts):
        ahead_s = (after - before) * base
        if ahead_s < -_JUMP_BACK_S or (restarts and ahead_s > _JUMP_AHEAD_S):
            return float(before * base), float(after * base)
    return None


def read_frames(
    path: Path, start: int = 0, stop: int | None = None, *, times: Timeline | None = None
) -> Iterator[Frame]:
    """Frames `start` to `stop` (not included), one at a time, so that memory holds one.

    Args:
        path: the file.
        start: index of the first frame wanted.
        stop: index after the last one; None: to the end.
        times: the file's timeline, when it is known: then a late start is reached by seeking, else by decoding.

    Raises:
        StageError: BAD_INPUT when decoding fails.
    """
    if stop is not None and stop <= start:
        return
    wanted = times.pts[start] if times is not None and 0 < start < len(times.pts) else None
    # several frames may share a time: counting begins at the first of them
    index = bisect_left(times.pts, wanted) if times is not None and wanted is not None else 0
    for picture, stream in _decoded(path, None) if wanted is None else _sought(path, wanted):
        if index >= start:
            yield Frame(index, picture.pts, picture.time_base or stream.time_base, picture)
        index += 1
        if index == stop:
            return


def _sought(path: Path, since: int) -> Iterator[tuple[VideoFrame, Any]]:
    """Decoded frames from the one of this pts on."""

    def begun(back_s: int | None) -> Iterator[tuple[VideoFrame, Any]]:
        return (entry for entry in _decoded(path, since, back_s) if entry[0].pts is None or entry[0].pts >= since)

    return sought(begun, lambda entry: entry[0].pts == since)


def _decoded(path: Path, since: int | None, back_s: int | None = 0) -> Iterator[tuple[VideoFrame, Any]]:
    """Decoded frames from the key frame that lies `back_s` before pts `since`, or earlier; None: from the beginning."""
    with opened(path) as container, reading(path):
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        if since is not None and back_s is not None:
            seek_before(container, stream, since, back_s)
        for frame in container.decode(stream):
            yield frame, stream


def sought(begun: Callable[[int | None], Iterator[T]], is_first: Callable[[T], bool]) -> Iterator[T]:
    """What begins with the right entry, by seeking further back each time that a seek landed behind it.

    A transport stream has no index, so that a seek lands anywhere; and where pictures are refreshed bit by bit, none
    comes out for a while after a key frame.

    Args:
        begun: what comes after a seek so many seconds before the place; None: after reading from the beginning.
        is_first: whether that is the first entry wanted. From the beginning, whatever comes is.
    """
    for back_s in (*BACK_S, None):
        entries = begun(back_s)
        found = next(entries, None)
        if found is not None and (back_s is None or is_first(found)):
            yield found
            yield from entries
            return


def seek_before(container: InputContainer, stream: Any, pts: int, back_s: int) -> None:
    """Go to a key frame so many seconds before a time, or earlier; not before the first, which some files refuse."""
    first = pts if stream.start_time is None else min(pts, stream.start_time)
    container.seek(max(first, pts - round(back_s / stream.time_base)), stream=stream, backward=True)


def picture_stream(container: InputContainer, path: Path, index: int | None = None) -> Any:
    """The video stream of an open file: the one of this index, else the first; cover pictures are passed over.

    Raises:
        StageError: BAD_INPUT when there is none.
    """
    from av.stream import Disposition

    for stream in container.streams.video:
        if index is not None and stream.index != index:
            continue
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise StageError(Failure.BAD_INPUT, f"{path.name}: holds no video")
