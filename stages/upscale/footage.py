"""The frames of one segment, decoded from the key frame before it, deinterlaced when asked, each with its own pts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.faults import reading
from stages.media.frames import picture_stream
from stages.media.probe import opened

if TYPE_CHECKING:
    from av import VideoFrame

DEINTERLACING = 1  # frames that bwdif looks at before and after the one that it makes


def footage(
    path: Path, stream: int, span: tuple[int | None, int | None], *, deinterlace: bool = False, strict: bool = True
) -> Iterator[VideoFrame]:
    """Frames in order of display, from pts `span[0]` on and before `span[1]` (None: no bound), in the stream's base.

    Damage that the decoder reports ends it, unless `strict` is off: then what decodes is given.

    Raises:
        StageError: BAD_INPUT.
    """
    frames = _within(_decoded(path, stream, span[0], strict=strict), span)
    yield from _woven_apart(frames, path) if deinterlace else frames


def _decoded(path: Path, index: int, start: int | None, *, strict: bool) -> Iterator[VideoFrame]:
    import av

    with opened(path) as container, reading(path):
        stream = picture_stream(container, path, index)
        stream.thread_type = "AUTO"
        if start is not None:
            container.seek(start, stream=stream, backward=True)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                if strict:
                    raise
                continue
            for frame in frames:
                if strict and frame.is_corrupt:
                    said = f"{path.name}: is damaged near {float(frame.time or 0):.2f} s"
                    raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true keeps what decodes")
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
