"""Films whose pictures change on the way (the recording of a call, a broadcast): all get the size of the first.

FFmpeg makes its filters anew at such a change, and what they had counted until then (times, scores) is lost. It is told
not to (`-reinit_filter 0`), and these filters take the change instead. Frames that are as the first pass untouched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.media.faults import reading
from stages.media.pixel_format import pixel_format, plain_name

if TYPE_CHECKING:
    from av import VideoFrame

STEADY = {"reinit_filter": 0}  # of an input
# FFmpeg's `pad` makes one of these of all others.
_PADDED = re.compile(r"yuv4\d\dp(\d+le)?|gbrp(\d+le)?|nv12|gray|rgb24|bgr24")
_REPORT = "ffmpeg.log"
_SIZE = re.compile(r"\bw: ?(\d+) h: ?(\d+)")


def steady_filters(width: int, height: int, pix_fmt: str) -> list[str]:
    """FFmpeg's filters that give each frame this size: fitted into it between bars, or else stretched.

    `pix_fmt` is that of the first frame; where FFmpeg cannot add bars to such pictures without converting every one of
    them, those of another size are stretched.
    """
    if not _takes_bars(width, height, pix_fmt):
        return [f"scale={width}:{height}"]
    fitted = f"scale={width}:{height}:force_original_aspect_ratio=decrease:eval=frame"
    # named, since `scale` would make whatever is wanted further on, where so far others chose
    return [fitted, f"pad={width}:{height}:-1:-1:eval=frame", f"format={pix_fmt}"]


def _takes_bars(width: int, height: int, pix_fmt: str) -> bool:
    form = pixel_format(pix_fmt)
    across, down = 16 // (form.across or 16), 16 // (form.down or 16)
    return bool(_PADDED.fullmatch(plain_name(pix_fmt))) and width % across == 0 and height % down == 0


def said_of(film: str, size: tuple[int, int], other: tuple[int, int]) -> str:
    """What a user is told."""
    first, differing = ("×".join(map(str, sides)) for sides in (size, other))
    return f"{film}: some of its pictures are {differing} and not {first}: they were fitted into that size"


def reporting() -> dict[str, str]:
    """Environment by which FFmpeg writes down, in the folder where it runs, what its filters are given."""
    return {"FFREPORT": f"file={_REPORT}:level=40"}


def other_size(folder: Path, size: tuple[int, int]) -> tuple[int, int] | None:
    """The first size that FFmpeg met (see `reporting`) and that is not this one; None for none, or without a report."""
    try:
        text = (folder / _REPORT).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    for line in text.splitlines():
        if "input from stream" in line:
            for wide, high in _SIZE.findall(line):
                if (int(wide), int(high)) != size:
                    return int(wide), int(high)
    return None


class Steady:
    """Brings decoded frames to one size and pixel format.

    Args:
        path: the film, for sentences.
        size: width and height that all get.
        pix_fmt: format that all get.

    Attributes:
        notes: tells of the first other size.
    """

    def __init__(self, path: Path, size: tuple[int, int], pix_fmt: str) -> None:
        self.notes: list[str] = []
        self._path, self._size, self._pix_fmt = path, size, plain_name(pix_fmt)
        self._graphs: dict[tuple[int, int, str], Any] = {}

    def through(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The frames with their times, those that are as they should be untouched.

        Raises:
            StageError: BAD_INPUT or HOST_OOM, as reading does.
        """
        for frame in frames:
            size = (frame.width, frame.height)
            if size == self._size and plain_name(frame.format.name) == self._pix_fmt:
                yield frame
                continue
            if size != self._size and not self.notes:
                self.notes.append(said_of(self._path.name, self._size, size))
            with reading(self._path):
                ready = self._brought(frame)
            yield ready

    def _brought(self, frame: VideoFrame) -> VideoFrame:
        form = (frame.width, frame.height, frame.format.name)
        if form not in self._graphs:
            self._graphs[form] = self._graph(frame)
        self._graphs[form].push(frame)
        ready: VideoFrame = self._graphs[form].pull()
        return ready

    def _graph(self, frame: VideoFrame) -> Any:
        import av.filter

        graph = av.filter.Graph()
        last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
        name = frame.format.name  # full range stays what it is, under its own name
        wanted = name if plain_name(name) == self._pix_fmt else self._pix_fmt
        for step in (*steady_filters(*self._size, wanted), f"format={wanted}", "buffersink"):
            filtered, _, words = step.partition("=")
            node = graph.add(filtered, words or None)
            last.link_to(node)
            last = node
        graph.configure()
        return graph
