"""Joins the pieces of a film by stream copy, with all else that the film holds, and verifies the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, Item, Needs, Result, Stage, StageError, Work
from stages.media.containers import CONTAINERS
from stages.media.film import Film, look_at
from stages.media.frames import timeline
from stages.media.mux import Mux, Written
from stages.media.strand import Segment, Strand, joinable
from stages.settings import setting
from stages.video.carried import Carried
from stages.video.piece import PICTURES, SIDES, Piece
from stages.video.whole import faults

_KIND = "video/finished"


@dataclass(frozen=True)
class JoinFilmSettings:
    """How the finished file is verified."""

    verify: str = setting("packets", "packets: every frame's time and every stream; decode: all of it is decoded too",
                          choices=("packets", "decode"), affects_output=False)  # fmt: skip


class JoinFilm(Stage[JoinFilmSettings]):
    """Writes the finished film; nothing is coded again."""

    config_class = JoinFilmSettings
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/", "segment": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"video": _KIND}
    reads = ("piece", "carried")
    writes = ("compare",)
    gathers = True

    def run(self, work: Work) -> Result:
        """Join one film.

        Raises:
            StageError: BAD_INPUT, DISK_FULL, HOST_OOM or ENCODER.
        """
        return joined(work, decode=self.config.verify == "decode")

    @classmethod
    def needs(cls, config: JoinFilmSettings) -> Needs:  # noqa: ARG003
        """Copies packets: the disk is what it waits for."""
        return Needs(cpu_threads=0.5, ram_mb=300)

    @classmethod
    def tools(cls, config: JoinFilmSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The library that writes the containers."""
        import av

        return {"pyav": av.__version__, "libavformat": ".".join(map(str, av.library_versions["libavformat"]))}


def joined(work: Work, *, decode: bool = False) -> Result:
    """The finished film of `work.parts`, verified, in `work.scratch`.

    Raises:
        StageError: BAD_INPUT, DISK_FULL, HOST_OOM or ENCODER.
    """
    film = look_at(work.item.artifacts["film"].path)
    carried = Carried.from_json(work.parts[0].data["carried"])
    mux = assembled(film, work.parts, carried)
    for strand in mux.strands:
        joinable(strand)
    container = CONTAINERS[carried.container]
    target = work.scratch / f"video.{container.name}"
    written = _written(mux, target, container.format, work)
    made = look_at(target)
    said = faults(mux, made, written.counts, decode=decode)
    if said:
        raise StageError(Failure.ENCODER, f"{film.path.name}: the finished file is wrong: {'; '.join(said)}")
    return Result(
        files={"video": target}, data={"compare": dict(carried.compare)},
        metrics={"size.bytes": float(target.stat().st_size)},
        notes=[*_moved(mux, made), *_left_out(mux, written.broken), *_ordered(mux, written.moved_s)],
    )  # fmt: skip


def assembled(film: Film, parts: Sequence[Item], carried: Carried) -> Mux:
    """What goes into the file, from the pieces."""
    pieces = [(Piece.from_json(part.data["piece"]), part.artifacts["segment"].path) for part in parts]
    sides = next((path for piece, path in pieces if piece.kind == SIDES), None)
    streams = sorted({piece.stream for piece, _ in pieces if piece.kind == PICTURES})
    strands = [
        _strand(film, [entry for entry in pieces if entry[0].kind == PICTURES and entry[0].stream == stream])
        for stream in streams
    ]
    return Mux(
        film=film,
        strands=tuple(strands),
        copied=frozenset(carried.copied),
        sides=sides,
        converted=carried.converted,
        shift=Fraction(carried.shift),
        strict=all(piece.strict for piece, _ in pieces),
    )


def _strand(film: Film, entries: list[tuple[Piece, Path]]) -> Strand:
    """One stream: the source's own times where every frame of it is there, else those of its single segment."""
    first = entries[0][0]
    pts = timeline(film.path, first.stream).pts if first.exact else ()
    return Strand(
        stream=first.stream,
        time_base=first.base,
        segments=tuple(Segment(path, piece.pts[0]) for piece, path in entries),
        pts=pts,
        end=entries[-1][0].pts[1],
        name=film.path.name,
    )


def _written(mux: Mux, target: Path, format: str, work: Work) -> Written:  # noqa: A002
    try:
        return mux.write(target, format, work.progress)
    except StageError as error:
        if error.sentence.startswith(target.name):  # which every film's is called here
            raise error.about(mux.film.path.name) from error
        raise


def _moved(mux: Mux, made: Film) -> list[str]:
    """A note where the container moved every time alike: Matroska begins at 0, and sound may begin before."""
    before, after = mux.film.pictures[0], made.pictures[0]
    by = after.start * after.time_base - (before.start * before.time_base - mux.shift)
    if abs(by) <= Fraction(1, 1000):
        return []
    return [
        f"{mux.film.path.name}: all times are {float(by) * 1000:+.0f} ms off those of the source, all streams alike"
    ]


def _left_out(mux: Mux, broken: int) -> list[str]:
    return [f"{mux.film.path.name}: {broken} damaged packets of copied streams were left out"] if broken else []


def _ordered(mux: Mux, moved_s: float) -> list[str]:
    """A note where sound or subtitles overlapped themselves, as at the joint of two recordings."""
    if not moved_s:
        return []
    said = "times of its sound or subtitles go back on the way, as in recordings that were joined"
    return [f"{mux.film.path.name}: {said}: they were put in order, moved by up to {moved_s * 1000:.0f} ms"]
