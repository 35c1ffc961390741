"""What a media file holds, read in process: streams, integer durations, tags, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.command import PROTOCOLS, file_url
from stages.media.faults import reading
from stages.media.mp4 import outer_boxes

if TYPE_CHECKING:
    from av.container import InputContainer

_DURATION = Fraction(1, 1_000_000)  # AV_TIME_BASE: the unit of a container's duration


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream as the header tells it.

    Attributes:
        index: its place in the file.
        kind: `audio`, `video`, `subtitle`, `data`, `attachment`.
        codec: FFmpeg's name of the codec; "" when the file names none that is known.
        time_base: seconds per unit of `start` and `duration`.
        start: first pts; None when the header does not tell.
        duration: length; None when the header does not tell.
        rate: audio samples per second.
        channels: audio channels.
        layout: names of the audio channels, such as `stereo`.
        width: pixels.
        height: pixels.
        tags: the stream's metadata.
    """

    index: int
    kind: str
    codec: str
    time_base: Fraction
    start: int | None = None
    duration: int | None = None
    rate: int = 0
    channels: int = 0
    layout: str = ""
    width: int = 0
    height: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """One file as its header tells it; `duration` is in microseconds, None when it is not told."""

    path: Path
    container: str
    streams: tuple[StreamInfo, ...]
    duration: int | None
    bit_rate: int
    tags: Mapping[str, str]

    def first(self, kind: str) -> StreamInfo:
        """The first stream of a kind.

        Raises:
            StageError: BAD_INPUT when there is none.
        """
        for stream in self.streams:
            if stream.kind == kind:
                return stream
        raise StageError(Failure.BAD_INPUT, f"{self.path.name}: holds no {kind}")

    def seconds(self, stream: StreamInfo) -> Fraction | None:
        """How long a stream is, exactly; from the container when the stream does not tell; None when neither does."""
        if stream.duration is not None:
            return stream.duration * stream.time_base
        return None if self.duration is None else self.duration * _DURATION


@dataclass(slots=True)
class Packets:
    """What really lies in one stream; `first` and `end` are pts in `time_base`, `end` is after the last packet."""

    time_base: Fraction
    count: int = 0
    size: int = 0
    first: int | None = None
    end: int | None = None
    disorder: int = 0
    last_dts: int | None = None

    @property
    def seconds(self) -> Fraction:
        """From the first packet's pts to the end of the last, exactly."""
        return Fraction(0) if self.first is None or self.end is None else (self.end - self.first) * self.time_base

    def add(self, pts: int | None, dts: int | None, duration: int | None, size: int) -> None:
        """Count one packet."""
        self.count += 1
        self.size += size
        if dts is not None:
            # Matroska counts milliseconds: two packets may share one
            self.disorder += self.last_dts is not None and dts < self.last_dts
            self.last_dts = dts
        if pts is not None:
            self.first = pts if self.first is None else min(self.first, pts)
            end = pts + (duration or 0)
            self.end = end if self.end is None else max(self.end, end)


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A media file opened for reading, by path, off the network.

    Raises:
        StageError: BAD_INPUT, with the reason, for what is no media, cut off, empty or not there.
    """
    import av

    with reading(path):
        if path.is_file() and path.stat().st_size == 0:
            raise StageError(Failure.BAD_INPUT, f"{path.name}: is an empty file")
        try:
            container = av.open(file_url(path), options={"protocol_whitelist": PROTOCOLS})
        except (av.InvalidDataError, av.EOFError) as error:
            sentence = f"{path.name}: is no media file that FFmpeg knows, or its beginning is damaged"
            raise StageError(Failure.BAD_INPUT, _broken_mp4(path) or sentence, detail=repr(error)) from error
        with container:
            if not container.streams:
                sentence = f"{path.name}: holds no sound, picture or subtitle stream"
                raise StageError(Failure.BAD_INPUT, _broken_mp4(path) or sentence)
            yield container


def _broken_mp4(path: Path) -> str:
    """What is missing from a file that begins as an MP4; "" for anything else. Cut off while written is common."""
    with path.open("rb") as file:
        beginning = file.read(8)
    if beginning[4:] != b"ftyp":
        return ""
    try:
        names = [box.name for box in outer_boxes(path)]
    except StageError as cut:
        return cut.sentence
    return "" if "moov" in names else f"{path.name}: its index ('moov') is missing, it was cut off; make it again"


def probe(path: Path) -> MediaInfo:
    """What the header tells. Cheap: nothing but the beginning is decoded.

    Raises:
        StageError: BAD_INPUT, with the reason.
    """
    with opened(path) as container:
        return MediaInfo(
            path=path,
            container=container.format.name,
            streams=tuple(_stream(stream) for stream in container.streams),
            duration=container.duration,
            bit_rate=container.bit_rate or 0,
            tags=dict(container.metadata),
        )


def _stream(stream: Any) -> StreamInfo:
    codec = stream.codec_context
    audio = stream.type == "audio" and codec is not None
    video = stream.type == "video" and codec is not None
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec.name if codec is not None else "",
        time_base=stream.time_base,
        start=stream.start_time,
        duration=stream.duration,
        rate=codec.sample_rate if audio else 0,
        channels=codec.channels if audio else 0,
        layout=codec.layout.name if audio else "",
        width=codec.width if video else 0,
        height=codec.height if video else 0,
        tags=dict(stream.metadata),
    )


def count_packets(path: Path) -> dict[int, Packets]:
    """Read the whole file without decoding: stream index → what is there.

    Raises:
        StageError: BAD_INPUT when it cannot be read to its end.
    """
    with opened(path) as container:
        found = {stream.index: Packets(stream.time_base or _DURATION) for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                found[packet.stream_index].add(packet.pts, packet.dts, packet.duration, packet.size)
    return found


def damage(path: Path) -> list[str]:
    """Everything wrong with a file that can be opened, a sentence each; [] when it is whole. Decodes all of it.

    Raises:
        StageError: BAD_INPUT when it cannot be opened at all.
    """
    info = probe(path)
    said = [f"{path.name}: stream {s.index} ({s.kind}) has no known codec" for s in info.streams if _unknown(s)]
    packets = count_packets(path)
    for stream in info.streams:
        found = packets[stream.index]
        if found.count == 0 and stream.kind in {"audio", "video"}:
            said.append(f"{path.name}: stream {stream.index} ({stream.kind}) is empty")
        if found.disorder:
            said.append(f"{path.name}: stream {stream.index} ({stream.kind}) steps back in time {found.disorder} times")
    if info.duration is None:
        said.append(f"{path.name}: its header does not tell how long it is")
    return said + _cut(info) + _undecodable(path)


def _cut(info: MediaInfo) -> list[str]:
    """An MP4 that ends inside a box opens all the same when its index is at the front."""
    if "mp4" not in info.container.split(","):
        return []
    try:
        outer_boxes(info.path)
    except StageError as error:
        return [error.sentence]
    return []


def _unknown(stream: StreamInfo) -> bool:
    return stream.kind in {"audio", "video"} and not stream.codec


def _undecodable(path: Path) -> list[str]:
    import av

    bad: dict[int, int] = {}
    with opened(path) as container:
        streams = [s for s in container.streams if s.type in {"audio", "video"} and s.codec_context is not None]
        for stream in streams:
            stream.codec_context.options = {"err_detect": "explode"}
        for packet in container.demux(streams) if streams else ():
            try:
                packet.decode()
            except av.FFmpegError:
                bad[packet.stream_index] = bad.get(packet.stream_index, 0) + 1
    return [f"{path.name}: {count} packets of stream {index} cannot be decoded" for index, count in bad.items()]
