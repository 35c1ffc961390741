"""When the frames of a film are shown, and which of them are encoded together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from stages.contract import Failure, StageError
from stages.media.cuts import Cut, cut_film
from stages.media.film import Film, Picture
from stages.media.frames import Coding, Timeline, timeline_and_coding
from stages.media.pixel_format import pixel_format
from stages.media.saturation import ChunkPlan, memory_mb, plan_chunks

if TYPE_CHECKING:
    from stages.media.encoders.settings import EncoderConfig

_LEAST_S = 2.0  # a chunk shorter than this costs more bits for its key frame than it brings in time


@dataclass(frozen=True, slots=True)
class Times:
    """The frames of one stream: when each is shown, how they are held, and the pts after the last."""

    timeline: Timeline
    coding: Coding
    end: int

    @property
    def distinct(self) -> bool:
        """Whether each frame has a time, and none has that of another."""
        pts = self.timeline.pts
        return bool(pts) and all(before < after for before, after in pairwise(pts))


@dataclass(frozen=True, slots=True)
class Room:
    """What the machine has: physical cores, and memory in MB."""

    cores: int
    ram_mb: int


@dataclass(frozen=True, slots=True)
class Parts:
    """The chunks, the threads of each encoder and how many it keeps busy, memory of each, what is worth telling."""

    chunks: tuple[Cut, ...]
    threads: int
    busy: int
    ram_mb: int
    notes: tuple[str, ...] = ()


def times_of(film: Film, picture: Picture) -> Times:
    """Read the packets of a stream; nothing is decoded.

    Raises:
        StageError: BAD_INPUT when it has no frames, or its clock jumps.
    """
    line, coding = timeline_and_coding(film.path, picture.stream)
    if line.count == 0:
        raise StageError(Failure.BAD_INPUT, f"{film.path.name}: its video stream {picture.stream} has no frames")
    if coding.jump:
        before, after = coding.jump
        said = f"its clock jumps from {before:.1f} to {after:.1f} s, as in recordings that were joined"
        mend = f"write its times anew first: ffmpeg -i '{film.path.name}' -map 0 -c copy mended.mkv"
        raise StageError(Failure.BAD_INPUT, f"{film.path.name}: {said}; {mend}")
    return Times(line, coding, _end(line, picture))


def _end(line: Timeline, picture: Picture) -> int:
    """The pts after the last frame: as the header says, else one frame of its rate, else as long as the one before."""
    if not line.pts:
        return 0
    last = line.pts[-1]
    if picture.end is not None and picture.end > last:
        return picture.end
    if picture.rate > 0:
        return last + max(1, round(1 / (picture.rate * line.time_base)))
    return last + (last - line.pts[-2] if len(line.pts) > 1 else 1)


def part(
    film: Film, picture: Picture, times: Times, config: EncoderConfig, preset: str, size: tuple[int, int],
    room: Room, *, wish: str, workers: str, whole: str,
) -> Parts:  # fmt: skip
    """Whole or in chunks, and with how many threads each.

    Args:
        film: the film.
        picture: the stream.
        times: its frames.
        config: the encoder that is used.
        preset: its preset.
        size: width and height that are encoded.
        room: what the machine has for it.
        wish: `auto`, `off`, or seconds of a chunk.
        workers: encodes at once, a number or `auto`.
        whole: why it cannot be cut; "" when it can.
    """
    line, rate = times.timeline, float(picture.pace)
    depth = pixel_format(config.pix_fmt).depth
    plan = plan_chunks(
        line.count, rate, config.name, preset, *size, room.cores, room.ram_mb,
        wish="off" if whole else _length(wish),
        bitrate_mode=config.quality is None, workers=None if workers == "auto" else int(workers), depth=depth,
    )  # fmt: skip
    cut = bool(plan.target) and _first_stream(film, picture)
    threads = config.threads or (plan.threads if cut else room.cores)
    memory = memory_mb(config.name, preset, *size, depth, threads)
    if not cut:
        busy = min(plan.threads, threads)
        return Parts((Cut(0, line.count, "start"),), threads, busy, memory, _told(whole, plan, wish))
    least = max(1, min(plan.target // 2, round(_LEAST_S * rate)))
    found = cut_film(film.path, line, times.coding, plan.target, least)
    return Parts(found.chunks, threads, threads, memory, (*_told("", plan, wish), *found.notes))


def _length(wish: str) -> Literal["auto", "off"] | float:
    """As `plan_chunks` takes it: one of its words, or seconds."""
    if wish == "auto":
        return "auto"
    return "off" if wish == "off" else float(wish)


def _first_stream(film: Film, picture: Picture) -> bool:
    """Only the main pictures are cut: a second stream is small, and runs beside them."""
    return picture.stream == film.pictures[0].stream


def _told(whole: str, plan: ChunkPlan, wish: str) -> tuple[str, ...]:
    if whole:
        return (f"encoded whole: {whole}",) if wish not in ("auto", "off") else ()
    return (plan.reason,) if plan.target else ()
