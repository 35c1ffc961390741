"""Putting a film together by stream copy: new pictures, converted sides, and all else as it was.

Packets are read from the source, from the segments and from the converted sides in the order of their times, so that
memory holds a few of them. Times of the pictures are the source's own integers. Segments follow each other with closed
GOPs, each in order of its own decoding; decoding times are made anew over the whole length.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.command import file_url
from stages.media.faults import reading, writing
from stages.media.film import Film, codec_name
from stages.media.probe import opened
from stages.media.rising import Rising
from stages.media.strand import Strand, restamped

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

Packet = Any  # av.Packet, of any kind of stream
_HIDING = ("mp4", "mov")  # containers with edit lists
_IMAGES = {"mjpeg": "jpeg", "png": "png", "bmp": "bmp"}
_FINEST = 100_000_000
_OWN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "number_of_frames",
             "number_of_bytes", "bps", "vendor_id"}  # fmt: skip
# What MP4 keeps as tags of its own; any other name needs the list that `use_metadata_tags` writes.
_MP4_TAGS = {
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping",
    "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords",
    "creation_time", "language", "handler_name",
    "timecode", "location", "track", "disc", "compilation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        counts: packets, by stream of the output.
        broken: damaged ones that were left out.
        moved_s: by how much a copied packet was moved at most, since it came before the one before it, seconds.
    """

    counts: Mapping[int, int]
    broken: int = 0
    moved_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Mux:
    """What goes into the finished file.

    Attributes:
        film: the source.
        strands: its pictures, newly coded.
        copied: indices of its streams that are copied.
        sides: file of converted streams, and the source's index of each in its order.
        shift: seconds that are taken from every time.
        strict: a damaged packet of a copied stream ends the work; else it is left out.
    """

    film: Film
    strands: tuple[Strand, ...]
    copied: frozenset[int]
    sides: Path | None = None
    converted: tuple[int, ...] = ()
    shift: Fraction = Fraction(0)
    strict: bool = True

    def write(self, target: Path, format: str, progress: Any = lambda _done: None) -> Written:  # noqa: A002
        """Write the file.

        Raises:
            StageError: BAD_INPUT, DISK_FULL, HOST_OOM or ENCODER.
        """
        with ExitStack() as stack:
            source = stack.enter_context(opened(self.film.path))
            firsts = {s.stream: stack.enter_context(opened(s.segments[0].path)) for s in self.strands}
            sides = stack.enter_context(opened(self.sides)) if self.sides else None
            output = stack.enter_context(_created(target, format, self._options(format, source)))
            with writing(target):
                outs = self._streams(source, firsts, sides, output)
                self._describe(source, output)
                rising = Rising(strict=format != "matroska")
                packets = self._packets(source, sides, outs, rising, hides=format in _HIDING)
                written = self._pour(packets, output, progress)
                return replace(written, moved_s=float(rising.moved_s))

    def _options(self, format: str, source: InputContainer) -> dict[str, str]:  # noqa: A002
        if format not in _HIDING:
            return {}
        flags = ["faststart", *(["use_metadata_tags"] if _uncommon(source) else [])]
        return {"movflags": "+".join(["", *flags]), "movie_timescale": str(self._movie_scale(source))}

    def _movie_scale(self, source: InputContainer) -> int:
        """Units per second of edit lists, in which streams begin: fine enough for pictures and sound to be exact."""
        rates = [stream.codec_context.sample_rate for stream in source.streams.audio if stream.codec_context]
        scales = [strand.time_base.denominator for strand in self.strands]
        exact = math.lcm(*scales, *(rate for rate in rates if rate))
        return exact if 1000 <= exact <= _FINEST else max(1000, min(max(scales), _FINEST))

    # --- streams ---------------------------------------------------------------------------

    def _streams(
        self, source: InputContainer, firsts: Mapping[int, InputContainer], sides: InputContainer | None, output: Any
    ) -> dict[int, Any]:
        """A stream of the output for each that goes in, in the source's order."""
        outs: dict[int, Any] = {}
        strands = {strand.stream: strand for strand in self.strands}
        for stream in source.streams:
            if stream.index in strands:
                template = firsts[stream.index].streams.video[0]
                outs[stream.index] = _pictures(output, template, strands[stream.index], stream.average_rate)
            elif stream.index in self.copied:
                outs[stream.index] = _copied(output, stream, self.film.path)
            elif stream.index in self.converted and sides is not None:
                outs[stream.index] = _copied(output, sides.streams[self.converted.index(stream.index)], self.film.path)
            if stream.index in outs and outs[stream.index] is not None:
                _tagged(outs[stream.index], stream, coded=stream.index in strands)
        return outs

    def _describe(self, source: InputContainer, output: OutputContainer) -> None:
        output.metadata.update({k: v for k, v in source.metadata.items() if k.lower() not in _OWN_TAGS})
        chapters = source.chapters()
        if chapters:
            output.set_chapters([_moved(chapter, self.shift) for chapter in chapters])

    # --- packets ---------------------------------------------------------------------------

    def _pour(self, packets: Iterator[tuple[Fraction, int, Packet]], output: OutputContainer, progress: Any) -> Written:
        import av

        counts: Counter[int] = Counter()
        broken: Counter[int] = Counter()
        for at, _, packet in packets:
            stream = packet.stream.index
            try:
                output.mux_one(packet)
            except av.InvalidDataError as error:
                if self.strict:
                    said = f"{self.film.path.name}: a packet of sound near {float(at):.2f} s is damaged"
                    raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true leaves it out") from error
                broken[stream] += 1
                continue
            counts[stream] += 1
            if self.film.duration > 0:
                progress(min(1.0, max(0.0, float(at / self.film.duration))))
        return Written(dict(counts), sum(broken.values()))

    def _packets(
        self,
        source: InputContainer,
        sides: InputContainer | None,
        outs: Mapping[int, Any],
        rising: Rising,
        *,
        hides: bool,
    ) -> Iterator[tuple[Fraction, int, Packet]]:
        runs: list[Iterator[tuple[Fraction, int, Packet]]] = []
        copied = [source.streams[i] for i in sorted(self.copied) if outs.get(i) is not None]
        if copied:
            places = {stream.index: outs[stream.index] for stream in copied}
            runs.append(self._rest(source, copied, places, len(runs), rising, hides=hides))
        for strand in self.strands:
            runs.append(self._strand(strand, outs[strand.stream], len(runs)))
        if sides is not None:
            places = {place: outs[index] for place, index in enumerate(self.converted)}
            runs.append(self._rest(sides, list(sides.streams), places, len(runs), rising, hides=hides))
        return heapq.merge(*runs, key=lambda entry: entry[:2])

    def _rest(
        self,
        container: InputContainer,
        streams: Sequence[Any],
        outs: Mapping[int, Any],
        run: int,
        rising: Rising,
        *,
        hides: bool,
    ) -> Iterator[tuple[Fraction, int, Packet]]:
        """Packets of streams as they are, but for what an edit list hides.

        Where sound begins, hidden packets prime its decoder: they are kept where the container can hide them too.
        """
        at, begun = Fraction(-(10**9)), set[int]()
        with reading(self.film.path):
            for packet in container.demux(list(streams)):
                if not packet.size or (packet.is_discard and not (hides and packet.stream_index not in begun)):
                    continue
                if not packet.is_discard:
                    begun.add(packet.stream_index)
                base = packet.time_base
                _shift(packet, self.shift, base)
                rising.order(packet, outs[packet.stream_index].index)
                time = packet.dts if packet.dts is not None else packet.pts
                at = max(at, time * base) if time is not None else at
                packet.stream = outs[packet.stream_index]
                yield at, run, packet

    def _strand(self, strand: Strand, out: Any, run: int) -> Iterator[tuple[Fraction, int, Packet]]:
        for packet in restamped(strand):
            _shift(packet, self.shift, strand.time_base)
            packet.stream = out
            yield packet.dts * strand.time_base, run, packet


@contextmanager
def _created(target: Path, format: str, options: dict[str, str]) -> Iterator[OutputContainer]:  # noqa: A002
    import av

    with writing(target), av.open(file_url(target), "w", format=format, options=options) as output:
        yield output


def _uncommon(source: InputContainer) -> bool:
    names = {name.lower().partition("-")[0] for name in source.metadata}
    return bool(names - _MP4_TAGS - _OWN_TAGS)


def _pictures(output: OutputContainer, template: Any, strand: Strand, stated: Fraction | None) -> Any:
    stream = output.add_stream_from_template(template, opaque=True)  # copied: no encoder of that name is needed
    stream.time_base = Fraction(1, strand.time_base.denominator)
    stream.codec_context.sample_aspect_ratio = template.sample_aspect_ratio or 0  # AV1 has it in the container alone
    if strand.rate is not None:  # else players guess it, and some from the fineness of the clock
        near = stated and abs(stated - strand.rate) < strand.rate / 100
        stream.codec_context.framerate = stated if near else strand.rate.limit_denominator(1001)
    if codec_name(template) == "hevc" and output.format.name in _HIDING:
        stream.codec_context.codec_tag = "hvc1"  # parameter sets in the header alone: what QuickTime and iOS play
    return stream


def _copied(output: OutputContainer, stream: Any, path: Path) -> Any:
    """A stream like this one; None for what lies in the header, and is written with it."""
    if stream.type == "video" and output.format.name == "matroska":  # a cover picture is an attachment there
        kind = stream.metadata.get("mimetype") or f"image/{_IMAGES.get(codec_name(stream), 'x-picture')}"
        name = stream.metadata.get("filename") or f"cover.{kind.rpartition('/')[2]}"
        output.add_attachment(name, kind, _picture_bytes(path, stream.index))
        return None
    if stream.type == "attachment":
        output.add_attachment(stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data)
        return None
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.time_base = stream.time_base
    return copy


def _picture_bytes(path: Path, index: int) -> bytes:
    with opened(path) as container, reading(path):
        return next(bytes(packet) for packet in container.demux(container.streams[index]) if packet.size)


def _tagged(out: Any, stream: Any, *, coded: bool) -> None:
    gone = _OWN_TAGS if coded else _OWN_TAGS - {"encoder"}
    out.metadata.update({k: v for k, v in stream.metadata.items() if _kept(k, gone)})
    out.disposition = stream.disposition


def _kept(name: str, gone: set[str]) -> bool:
    """Statistics that mkvmerge leaves (`BPS-eng`, `_STATISTICS_…`) are those of another file."""
    plain = name.lower()
    return plain not in gone and not plain.startswith(("_statistics", "bps-", "number_of_", "duration-"))


def _moved(chapter: Any, shift: Fraction) -> Any:
    units = round(shift / chapter["time_base"])
    return {**chapter, "start": chapter["start"] - units, "end": chapter["end"] - units}


def _shift(packet: Packet, shift: Fraction, base: Fraction) -> None:
    if shift:
        units = round(shift / base)
        packet.pts = None if packet.pts is None else packet.pts - units
        packet.dts = None if packet.dts is None else packet.dts - units
