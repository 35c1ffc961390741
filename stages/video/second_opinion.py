"""Whether what a decoder complained of, when it began in the middle of a film, is damage, or is owed to where it began.

Frames around a key frame of an open group of pictures refer to some before it. A decoder that begins there misses them
and says so, though what it gives from the key frame on is right. One that begins a group earlier has them: what it
still complains of is damage.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from stages.media.faults import reading
from stages.media.frames import BACK_S, REORDERED, picture_stream, seek_before
from stages.media.probe import opened
from stages.video.piece import Piece


def is_sound(film: Path, piece: Piece) -> bool:
    """Whether a decoder that begins earlier has nothing to say of a piece.

    Raises:
        StageError: BAD_INPUT when the film cannot be read.
    """
    since = Fraction(piece.seek)
    for back_s in BACK_S[1:]:
        said = _complaints(film, piece.stream, since, piece.count, back_s)
        if said is not None:
            return not said
    return False


def _complaints(path: Path, stream: int, since: Fraction, count: int, back_s: int) -> list[str] | None:
    """What is said of the last group that begins before a time, and of what follows; None where none lies before it."""
    with opened(path) as container, reading(path):
        pictures = picture_stream(container, path, stream)
        pictures.thread_type = "NONE"  # so that what is said is of the packet at hand
        seek_before(container, pictures, math.floor(since / pictures.time_base), back_s)
        pictures.codec_context.options = {"skip_loop_filter": "all"}  # nothing that it says hangs on that
        with _heard() as said:
            return _listened(container.demux(pictures), since / pictures.time_base, count, said)


@contextmanager
def _heard() -> Iterator[list[Any]]:
    """All errors that the libraries speak of in this thread, the same twice too."""
    import av

    level, skipped = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as said:
            yield said
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skipped)


def _listened(packets: Any, since: Fraction, count: int, said: list[Any]) -> list[str] | None:
    """Decode; a key frame before the time makes what was said so far count for nothing, if one lies before that."""
    import av

    keys = wanted = begun = 0
    for packet in packets:
        if packet.pts is None or not packet.size:
            continue
        if packet.is_keyframe and packet.pts <= since and not wanted:
            keys, begun = keys + 1, len(said)
        if not keys:
            continue
        try:
            deque(packet.decode(), maxlen=0)
        except av.InvalidDataError as error:
            said.append((av.logging.ERROR, "", str(error)))
        wanted += packet.pts > since
        if count and wanted >= count + REORDERED:
            break
    return None if keys < 2 else [str(message) for _, _, message in said[begun:]]
