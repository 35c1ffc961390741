"""The pictures of one stream as a row of segments, joined by packets that carry the source's own integer times.

Segments have closed GOPs and follow each other in order of decoding. Decoding times are made anew over all of it:
those of the single segments would overlap at the joints by the frames that an encoder decodes ahead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.media.faults import reading
from stages.media.probe import opened

Packet = Any  # av.Packet


@dataclass(frozen=True, slots=True)
class Segment:
    """Encoded pictures of one stretch; `start` is the pts of its first frame in the source's time base."""

    path: Path
    start: int


@dataclass(frozen=True, slots=True)
class Strand:
    """All pictures of one stream of the source.

    Attributes:
        stream: its index there.
        time_base: seconds per unit of every pts here.
        segments: in order.
        pts: of every frame in order of display; () when the segments' own times hold.
        end: pts after the last frame; 0 when not known.
        name: what its film is called in sentences.
    """

    stream: int
    time_base: Fraction
    segments: tuple[Segment, ...]
    pts: tuple[int, ...] = ()
    end: int = 0
    name: str = "the film"

    def fault(self, said: str) -> StageError:
        """What is wrong with its segments."""
        return StageError(Failure.ENCODER, f"{self.name}: {said}")

    @property
    def rate(self) -> Fraction | None:
        """Frames per second where all are as long, but for the rounding of their times; None where they are not."""
        gaps = [after - before for before, after in pairwise(self.pts)]
        if not gaps or max(gaps) - min(gaps) > 1:
            return None
        return 1 / (Fraction(sum(gaps), len(gaps)) * self.time_base)


def restamped(strand: Strand) -> Iterator[Packet]:
    """Packets of all segments, in order of decoding, with the source's times.

    Raises:
        StageError: ENCODER when frames or times are not those of the source.
    """
    if not strand.pts:
        yield from _as_they_are(strand)
        return
    delay = _delay(strand.segments[0].path)
    place = {pts: index for index, pts in enumerate(strand.pts)}
    base, number = Fraction(1, strand.time_base.denominator), 0
    for chunk, segment in enumerate(strand.segments):
        for packet in _read(segment):
            pts = segment.start * strand.time_base.numerator + packet.pts
            index = place.get(pts // strand.time_base.numerator)
            if index is None:
                raise strand.fault(f"chunk {chunk} has a frame with a time that the film has not")
            packet.time_base = base
            packet.pts = pts
            packet.dts = _dts(strand, number, delay) * strand.time_base.numerator
            packet.duration = _gap(strand, index) * strand.time_base.numerator
            if packet.dts > packet.pts:
                raise strand.fault(f"chunk {chunk} has frames that come later than they are shown")
            number += 1
            yield packet
    if number != len(strand.pts):
        raise strand.fault(f"{number} frames were coded, not {len(strand.pts)}")


def _as_they_are(strand: Strand) -> Iterator[Packet]:
    """One segment whose own times hold, moved to where the film begins."""
    (segment,) = strand.segments
    for packet in _read(segment):
        units = round(segment.start * strand.time_base / packet.time_base)
        packet.pts += units
        packet.dts += units
        yield packet


def _read(segment: Segment) -> Iterator[Packet]:
    with opened(segment.path) as container, reading(segment.path):
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet


def parameters(segment: Segment) -> bytes:
    """What a decoder is set up with (SPS, PPS and their like): a joined stream has one for all segments."""
    with opened(segment.path) as container:
        return container.streams.video[0].codec_context.extradata or b""


def joinable(strand: Strand) -> None:
    """Refuse segments that were not coded with one set of parameters.

    Raises:
        StageError: ENCODER.
    """
    first = parameters(strand.segments[0])
    for number, segment in enumerate(strand.segments[1:], 1):
        if parameters(segment) != first:
            sentence = f"chunk {number} was coded with other parameters than the first, so they cannot be joined"
            raise strand.fault(f"{sentence}; encode whole with video.chunks=off")


def _delay(path: Path) -> int:
    """How many frames an encoder of this kind decodes ahead of showing the first."""
    first: int | None = None
    count = 0
    for packet in _read(Segment(path, 0)):
        if first is None:
            first = packet.pts
        if packet.dts >= first:
            break
        count += 1
    return count


def _dts(strand: Strand, number: int, delay: int) -> int:
    """Decoding time of the packet of this number: the time of the frame shown `delay` frames before."""
    if number >= delay:
        return strand.pts[number - delay]
    step = max(1, strand.pts[1] - strand.pts[0]) if len(strand.pts) > 1 else 1
    return strand.pts[0] - (delay - number) * step


def _gap(strand: Strand, index: int) -> int:
    after = strand.pts[index + 1] if index + 1 < len(strand.pts) else strand.end
    return max(0, after - strand.pts[index])
