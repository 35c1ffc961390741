"""Starting FFmpeg in the middle of a film.

Where a file has no index (transport and program streams, some live recordings), a seek lands anywhere, in the middle of
a group of pictures too, and the first frames are wrong or missing. Then the packets from the key frame on are copied
to a small file of their own, and FFmpeg begins with that.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.media.command import file_url
from stages.media.faults import reading, writing
from stages.media.frames import BACK_S, REORDERED, picture_stream, seek_before
from stages.media.probe import opened

_EARLIER_S = Fraction(3, 23)  # by which FFmpeg seeks earlier, where it seeks decoding times and frames are reordered


@dataclass(frozen=True, slots=True)
class Cut:
    """A file with one stream, that begins with a key frame; `skip`: seconds from there to what is wanted."""

    path: Path
    skip: Fraction


def cut_for(path: Path, stream: int, since: Fraction, count: int, target: Path) -> Cut | None:
    """None where FFmpeg's seek to a time lands on a key frame before it; else `target`, made to begin with one.

    None also for a codec that such a file cannot hold: then the seek is as good as it is.

    Args:
        path: the film.
        stream: index of its pictures.
        since: time on the clock of the film that lies after the frame before the first wanted one, seconds.
        count: frames wanted; 0: to the end.
        target: file to make, `.mov`: it keeps every time base.

    Raises:
        StageError: BAD_INPUT when there is no key frame before; DISK_FULL.
    """
    if _lands(path, stream, since) or not _holds(path, stream):
        return None
    for back_s in (*BACK_S, None):
        with opened(path) as source, reading(path):
            pictures = picture_stream(source, path, stream)
            if back_s is not None:
                seek_before(source, pictures, math.floor(since / pictures.time_base), back_s)
            packets = _from_key(_shown(source, pictures), since / pictures.time_base, count)
            first = next(packets, None)
            if first is not None:
                begins = first.pts
                _write(chain([first], packets), pictures, target, begins)
                return Cut(target, since - begins * pictures.time_base)
    sentence = f"{path.name}: no key frame lies before {float(since):.2f} s; video.chunks=off does without"
    raise StageError(Failure.BAD_INPUT, sentence)


def trim_to(cut: Cut) -> str:
    """FFmpeg's filter that begins with what is wanted; the clock of an input begins with its first frame."""
    return f"trim=start={math.floor(cut.skip * 1_000_000)}us"


def _lands(path: Path, stream: int, since: Fraction) -> bool:
    """Whether what comes first after FFmpeg's seek is a key frame that is shown before."""
    with opened(path) as source, reading(path):
        pictures = picture_stream(source, path, stream)
        earlier = since - _EARLIER_S
        first = source.start_time
        source.seek(max(round(earlier * 1_000_000), first if first is not None else 0), backward=True)
        packet = next(_shown(source, pictures), None)
        return bool(packet is not None and packet.is_keyframe and packet.pts * pictures.time_base <= since)


def _holds(path: Path, stream: int) -> bool:
    import av

    with opened(path) as source, av.open(io.BytesIO(), "w", format="mov") as output:
        return picture_stream(source, path, stream).codec_context.name in output.supported_codecs


def _from_key(packets: Iterator[Any], since: Fraction, count: int) -> Iterator[Any]:
    """The last group of pictures that begins before a time (in units of the stream), and what follows; or nothing."""
    group: list[Any] = []
    wanted = key = 0
    for packet in packets:
        if not wanted and packet.is_keyframe and packet.pts <= since:
            group, key = [packet], packet.pts
        elif group and packet.pts > key:  # what is shown before its key frame needs the group before
            if packet.pts > since:
                wanted += 1
                if wanted == 1:
                    yield from group
            if wanted:
                yield packet
            else:
                group.append(packet)
        if count and wanted >= count + REORDERED:
            return


def _write(packets: Iterable[Any], pictures: Any, target: Path, begins: int) -> None:
    """A file whose clock begins with its first frame, and counts in the units of the stream."""
    import av

    scale = {"video_track_timescale": str(pictures.time_base.denominator)}
    with writing(target), av.open(file_url(target), "w", format="mov", options=scale) as output:
        out = output.add_stream_from_template(pictures, opaque=True)
        out.time_base = pictures.time_base
        last: int | None = None
        for packet in packets:
            packet.pts -= begins
            dts = packet.pts if packet.dts is None else min(packet.dts - begins, packet.pts)
            packet.dts = last = dts if last is None else max(dts, last + 1)
            packet.stream = out
            output.mux_one(packet)


def _shown(source: Any, pictures: Any) -> Iterator[Any]:
    """Packets of frames that are shown and have a time."""
    for packet in source.demux(pictures):
        if packet.size and packet.pts is not None and not packet.is_discard:
            yield packet
