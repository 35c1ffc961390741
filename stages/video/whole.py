"""Whether a finished film is whole: every frame at its time, every stream, chapter and tag of the source."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from stages.media.film import Film, look_at
from stages.media.frames import timeline
from stages.media.mux import Mux
from stages.media.probe import count_packets, damage

_TOLERANCE_S = 0.001
_SOUND_S = Fraction(1, 4)


def faults(mux: Mux, path: Path, *, decode: bool = False) -> list[str]:
    """Everything wrong with a finished file, half a sentence each.

    Args:
        mux: what was put into it.
        path: the file.
        decode: also decode all of it.
    """
    made = look_at(path)
    said = [*_pictures(mux, path, made), *_others(mux, path, made)]
    if mux.film.chapters != made.chapters:
        said.append(f"it has {made.chapters} of {mux.film.chapters} chapters")
    return said + (damage(path) if decode else [])


def _pictures(mux: Mux, path: Path, made: Film) -> Iterator[str]:
    if len(made.pictures) != len(mux.strands):
        yield f"it has {len(made.pictures)} of {len(mux.strands)} video streams"
        return
    for strand, picture in zip(mux.strands, made.pictures, strict=True):
        if not strand.pts:
            continue
        times = timeline(path, picture.stream)
        if times.count != len(strand.pts):
            yield f"its video stream {picture.stream} has {times.count} frames, not {len(strand.pts)}"
        elif worst := _apart(strand.pts, strand.time_base, times.pts, times.time_base):
            yield f"frames of its video stream {picture.stream} are shown up to {float(worst) * 1000:.1f} ms off"


def _apart(one: tuple[int, ...], base: Fraction, other: tuple[int, ...], other_base: Fraction) -> Fraction | None:
    """The largest difference of times since the first frame, when it is more than what a container rounds away."""
    if len(one) != len(other):
        return None
    differences = (abs((a - one[0]) * base - (b - other[0]) * other_base) for a, b in zip(one, other, strict=True))
    worst = max(differences, default=Fraction(0))
    return worst if worst > _TOLERANCE_S else None


def _others(mux: Mux, path: Path, made: Film) -> Iterator[str]:
    """Streams by kind, and packets of what was copied."""
    wanted = sorted(mux.copied | set(mux.converted))
    kinds = {other.stream: other.kind for other in mux.film.others}
    for kind in ("audio", "subtitle", "cover", "attachment"):
        asked = sum(kinds[stream] == kind for stream in wanted)
        there = sum(other.kind == kind for other in made.others)
        if asked != there:
            yield f"it has {there} of {asked} {kind} streams"
    yield from _lengths(mux, path, made)


def _lengths(mux: Mux, path: Path, made: Film) -> Iterator[str]:
    """Sound that was copied lasts as long as it did."""
    copied = [o.stream for o in mux.film.others if o.kind == "audio" and o.stream in mux.copied | set(mux.converted)]
    there = [o.stream for o in made.others if o.kind == "audio"]
    if not copied or len(copied) != len(there):
        return
    before, after = count_packets(mux.film.path), count_packets(path)
    for source, target in zip(copied, there, strict=True):
        wanted, found = before[source].seconds, after[target].seconds
        if abs(wanted - found) > _SOUND_S:
            yield f"its audio stream {target} lasts {float(found):.2f} s, not {float(wanted):.2f} s"
