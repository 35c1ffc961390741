"""Windows of a film coded anew without loss, where their packets cannot follow each other.

At a key frame of an open group of pictures a decoder waits for what came before; in an excerpt something else did.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import StageError
from stages.media.command import file_url
from stages.media.faults import writing
from stages.media.frames import Timeline, read_frames, timeline

if TYPE_CHECKING:
    from av import VideoFrame


def decodes(path: Path) -> bool:
    """Whether there is a picture for every packet."""
    try:
        return sum(1 for _ in read_frames(path)) == timeline(path).count
    except StageError:
        return False


def coded(path: Path, times: Timeline, windows: Iterable[tuple[int, int]], target: Path) -> Path:
    """Frames of windows (`start`, `stop`) one after another as FFV1 in Matroska, with the film's own steps between.

    Raises:
        StageError: BAD_INPUT when the film does not decode; DISK_FULL.
    """
    import av

    step = Fraction(times.pts[-1] - times.pts[0], max(1, times.count - 1))
    with writing(target), av.open(file_url(target), "w", format="matroska") as output:
        stream: Any = None
        at = 0
        for start, stop in windows:
            for frame in read_frames(path, start, stop, times=times):
                stream = stream or _stream(output, frame.picture, times.time_base)
                picture = frame.picture
                picture.pts, picture.time_base = at + times.pts[frame.index] - times.pts[start], times.time_base
                output.mux(stream.encode(picture))
            at += times.pts[stop - 1] - times.pts[start] + round(step)
        if stream is not None:
            output.mux(stream.encode(None))
    return target


def _stream(output: Any, picture: VideoFrame, time_base: Fraction) -> Any:
    stream = output.add_stream("ffv1")
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = picture.width, picture.height, picture.format.name
    context.time_base = time_base
    for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(context, tag, int(getattr(picture, tag)))
    return stream
