"""Whether a finished film is whole: every frame at its time, every stream, chapter and tag of the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from stages.media.film import Film
from stages.media.mux import Mux
from stages.media.probe import damage, opened
from stages.media.strand import Strand

_TOLERANCE_S = Fraction(1, 1000)


def faults(mux: Mux, made: Film, written: Mapping[int, int], *, decode: bool = False) -> list[str]:
    """Everything wrong with a finished file, half a sentence each.

    Args:
        mux: what was put into it.
        made: the file, as it was looked at.
        written: stream → packets that were written to it.
        decode: also decode all of it.
    """
    there = _packets(made.path)
    said = [*_pictures(mux, made, there), *_others(mux, made)]
    for stream, count in written.items():
        if stream in there and stream not in _at_rest(made) and there[stream].count != count:
            said.append(f"its stream {stream} has {there[stream].count} packets of {count}")
    if mux.film.chapters != made.chapters:
        said.append(f"it has {made.chapters} of {mux.film.chapters} chapters")
    return said + (damage(made.path) if decode else [])


def _at_rest(made: Film) -> set[int]:
    """Streams that have no place in time: covers lie in the header, and a track of chapters is made by the muxer."""
    return {other.stream for other in made.others if other.kind in ("cover", "attachment", "data")}


@dataclass(slots=True)
class _Stream:
    """One stream of the finished file: how many packets it has, and the times of those that are shown."""

    time_base: Fraction
    count: int = 0
    shown: list[int] = field(default_factory=list)


def _packets(path: Path) -> dict[int, _Stream]:
    """All packets of a file in one reading; nothing is decoded."""
    with opened(path) as container:
        found = {stream.index: _Stream(stream.time_base or Fraction(1)) for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                stream = found[packet.stream_index]
                stream.count += 1
                if packet.pts is not None and not packet.is_discard:
                    stream.shown.append(packet.pts)
    return found


def _pictures(mux: Mux, made: Film, there: Mapping[int, _Stream]) -> Iterator[str]:
    """Frames of every newly coded stream, at their times; further streams may have been copied."""
    strands = {strand.stream: strand for strand in mux.strands}
    wanted = [
        picture.stream for picture in mux.film.pictures if picture.stream in mux.copied or picture.stream in strands
    ]
    if len(made.pictures) != len(wanted):
        yield f"it has {len(made.pictures)} of {len(wanted)} video streams"
        return
    for stream, picture in zip(wanted, made.pictures, strict=True):
        strand = strands.get(stream)
        if strand is None or not strand.pts:
            continue
        shown = sorted(there[picture.stream].shown)
        if len(shown) != len(strand.pts):
            yield f"its video stream {picture.stream} has {len(shown)} frames, not {len(strand.pts)}"
        elif worst := _apart(strand, shown, there[picture.stream].time_base):
            yield f"frames of its video stream {picture.stream} are shown up to {float(worst) * 1000:.1f} ms off"


def _apart(strand: Strand, shown: Sequence[int], base: Fraction) -> Fraction | None:
    """The largest difference of times since the first frame, when it is more than what a container rounds away."""
    first, other = strand.pts[0], shown[0]
    pairs = zip(strand.pts, shown, strict=True)
    worst = max(abs((a - first) * strand.time_base - (b - other) * base) for a, b in pairs)
    return worst if worst > _TOLERANCE_S else None


def _others(mux: Mux, made: Film) -> Iterator[str]:
    """Streams by kind."""
    wanted = sorted(mux.copied | set(mux.converted))
    kinds = {other.stream: other.kind for other in mux.film.others}
    for kind in ("audio", "subtitle", "cover", "attachment"):
        asked = sum(kinds[stream] == kind for stream in wanted)
        found = sum(other.kind == kind for other in made.others)
        if asked != found:
            yield f"it has {found} of {asked} {kind} streams"
