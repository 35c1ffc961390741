"""The frames of one segment, decoded from the key frame before it, deinterlaced when asked, each with its own pts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.faults import reading
from stages.media.frames import picture_stream, seek_before, sought
from stages.media.probe import opened
from stages.media.steady import Steady

if TYPE_CHECKING:
    from av import VideoFrame

DEINTERLACING = 1  # frames that bwdif looks at before and after the one that it makes


def footage(
    path: Path,
    stream: int,
    span: tuple[int | None, int | None],
    *,
    deinterlace: bool = False,
    strict: bool = True,
    lost: list[str] | None = None,
    steady: Steady | None = None,
) -> Iterator[VideoFrame]:
    """Frames in order of display, from pts `span[0]` on and before `span[1]` (None: no bound), in the stream's base.

    Damage that the decoder reports ends it, unless `strict` is off: then what decodes is given, each frame with a time
    after that of the one before, and `lost` is told of the damage. Pictures that change size go through `steady`.

    Raises:
        StageError: BAD_INPUT.
    """
    lost = [] if lost is None else lost
    if span[0] is None:
        frames = _within(_decoded(path, stream, None, strict=strict, lost=lost), span)
    else:
        frames = _sought(path, stream, span[0], span[1], strict=strict, lost=lost)
    frames = frames if steady is None else steady.through(frames)
    yield from _woven_apart(frames, path) if deinterlace else frames


def _sought(
    path: Path, index: int, first: int, end: int | None, *, strict: bool, lost: list[str]
) -> Iterator[VideoFrame]:
    """From the frame of pts `first` on."""

    def begun(back_s: int | None) -> Iterator[VideoFrame]:
        return _within(_decoded(path, index, first, strict=strict, lost=lost, back=back_s), (first, end))

    return sought(begun, lambda frame: frame.pts == first)


def _decoded(
    path: Path, index: int, start: int | None, *, strict: bool, lost: list[str], back: int | None = 0
) -> Iterator[VideoFrame]:
    """Frames from a key frame on that is `back` s before `start` or earlier; None: from the beginning."""
    import av

    with opened(path) as container, reading(path):
        stream = picture_stream(container, path, index)
        stream.thread_type = "AUTO"
        if strict:  # else what is wrong is concealed, and looks as the decoder guesses
            stream.codec_context.options = {"err_detect": "explode"}
        sought = start is not None and back is not None
        if start is not None and back is not None:
            seek_before(container, stream, start, back)
        for packet in _from_key(container.demux(stream)) if sought else container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError as error:
                if strict and not sought:
                    raise _damaged(path, packet.pts, stream) from error
                lost.append(_damaged(path, packet.pts, stream).sentence)
                continue
            for frame in frames:
                sought = sought and (start is None or frame.pts is None or frame.pts < start)
                if frame.is_corrupt and not sought:
                    if strict:
                        raise _damaged(path, frame.pts, stream)
                    lost.append(_damaged(path, frame.pts, stream).sentence)
                yield frame


def _from_key(packets: Iterable[Any]) -> Iterator[Any]:
    """Packets from the first key frame on: those before it cannot be decoded."""
    begun = False
    for packet in packets:
        begun = begun or packet.is_keyframe or not packet.size
        if begun:
            yield packet


def _damaged(path: Path, pts: int | None, stream: Any) -> StageError:
    where = f" near {float(pts * stream.time_base):.2f} s" if pts is not None else ""
    return StageError(Failure.BAD_INPUT, f"{path.name}: is damaged{where}; video.salvage=true keeps what decodes")


def in_order(frames: Iterable[VideoFrame], step: int) -> Iterator[VideoFrame]:
    """Frames that have no time, or not a later one than the frame before: the first get `step`, the others 1 more."""
    last: int | None = None
    for frame in frames:
        if frame.pts is None:
            frame.pts = 0 if last is None else last + step
        elif last is not None and frame.pts <= last:
            frame.pts = last + 1
        last = frame.pts
        yield frame


def _within(frames: Iterable[VideoFrame], span: tuple[int | None, int | None]) -> Iterator[VideoFrame]:
    first, end = span
    for frame in frames:
        if end is not None and frame.pts is not None and frame.pts >= end:
            return
        if first is None or frame.pts is None or frame.pts >= first:
            yield frame


def _woven_apart(frames: Iterable[VideoFrame], path: Path) -> Iterator[VideoFrame]:
    """One whole frame from each woven one, at its own time (bwdif looks one frame back and one ahead)."""
    import av

    graph: Any = None
    with reading(path):
        for frame in frames:
            if graph is None:
                graph = _graph(frame)
            graph.push(frame)
            yield from _pulled(graph, av)
        if graph is not None:
            graph.push(None)
            yield from _pulled(graph, av)


def _graph(frame: VideoFrame) -> Any:
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    filtered = graph.add("bwdif", "mode=send_frame")
    source.link_to(filtered)
    filtered.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: Any, av: Any) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
