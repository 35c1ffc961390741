"""What a film holds, all of it: pictures as their first decoded frame tells, every other stream, chapters, tags."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.color import Colour, colour_of
from stages.media.faults import reading
from stages.media.hdr import Light, light_of
from stages.media.probe import opened

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_CLOCKS = ("mpegts", "mpeg", "m2ts", "dvd")  # their clock begins anywhere: the first time stamp has no meaning


@dataclass(frozen=True, slots=True)
class Picture:
    """One video stream.

    Attributes:
        stream: index in the file.
        codec: FFmpeg's name of what it is coded with.
        width: pixels as coded, before any rotation.
        height: pixels as coded.
        pix_fmt: FFmpeg's name of the pixel format.
        rate: frames per second that the file states, exactly; 0 when it states none.
        time_base: seconds per unit of pts.
        colour: as its first frame tells.
        aspect: sample aspect ratio; 0 when it is not told.
        rotation: degrees counter-clockwise that a player turns it by.
        interlaced: its first frame is made of two fields.
        start: pts of its first frame that decodes, in `time_base`.
        end: pts after its last frame as the header says, in `time_base`; None when it does not.
        light: HDR metadata of its first frame.
    """

    stream: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    rate: Fraction
    time_base: Fraction
    colour: Colour
    aspect: Fraction
    rotation: int
    interlaced: bool
    start: int = 0
    end: int | None = None
    light: Light | None = None

    @property
    def pace(self) -> Fraction:
        """Frames per second to plan with: the rate that is stated, or 25 where none is."""
        return self.rate or Fraction(25)

    @property
    def turned(self) -> bool:
        """Whether width and height change places when it is shown."""
        return self.rotation % 180 != 0


@dataclass(frozen=True, slots=True)
class Other:
    """Any stream that is not footage: sound, subtitles, a cover picture, an attachment, data.

    `kind` is `audio`, `subtitle`, `cover`, `attachment` or `data`; `codec` is "" when the file names none known.
    """

    stream: int
    kind: str
    codec: str
    name: str
    rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Film:
    """One file. `start` and `duration` are in seconds; `duration` is 0 when the header does not tell."""

    path: Path
    container: str
    pictures: tuple[Picture, ...]
    broken: tuple[int, ...]
    others: tuple[Other, ...]
    chapters: int
    start: Fraction
    duration: Fraction

    @property
    def clocked(self) -> bool:
        """The container's clock begins anywhere (MPEG-TS, MPEG-PS): times mean something only among each other."""
        return any(name in _CLOCKS for name in self.container.split(","))


def look_at(path: Path) -> Film:
    """Read the header and decode one frame of each video stream.

    Streams of which no frame decodes are listed in `broken`.

    Raises:
        StageError: BAD_INPUT when the file cannot be opened, or holds no footage at all.
    """
    with opened(path) as container:
        footage = [s.index for s in container.streams.video if not _is_cover(s)]
        others = tuple(_other(s) for s in container.streams if s.index not in footage)
        chapters = len(container.chapters())
        start, duration = _micro(container.start_time), _micro(container.duration)
        name = container.format.name
    if not footage:
        held = ", ".join(sorted({other.kind for other in others})) or "nothing"
        raise StageError(Failure.BAD_INPUT, f"{path.name}: holds no video, only {held}; name a file with pictures")
    found = {index: _picture(path, index) for index in footage}
    pictures = tuple(picture for picture in found.values() if picture)
    broken = tuple(index for index, picture in found.items() if picture is None)
    if not pictures:
        sentence = f"{path.name}: not one of its pictures can be decoded; make the file again"
        raise StageError(Failure.BAD_INPUT, sentence)
    return Film(path, name, pictures, broken, others, chapters, start, duration)


def _micro(value: int | None) -> Fraction:
    return Fraction(value or 0, 1_000_000)


def _is_cover(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _other(stream: Any) -> Other:
    kind = "cover" if stream.type == "video" else stream.type or "data"
    codec = codec_name(stream)
    sound = stream.type == "audio" and stream.codec_context is not None
    name = stream.metadata.get("title") or stream.metadata.get("filename") or stream.metadata.get("language") or ""
    return Other(
        stream=stream.index,
        kind=kind,
        codec=codec,
        name=name,
        rate=stream.codec_context.sample_rate if sound else 0,
        channels=stream.codec_context.channels if sound else 0,
    )


def codec_name(stream: Any) -> str:
    """FFmpeg's name of what a stream is coded with; "" when it is not known."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None and context.codec is not None else ""


def _picture(path: Path, index: int) -> Picture | None:
    """The stream as its first frame tells; None when nothing of it decodes."""
    import av

    with opened(path) as container:
        stream: Any = container.streams[index]
        if stream.codec_context is None or not stream.codec_context.width:
            return None
        with reading(path):
            frame = _first_frame(container, stream, av.FFmpegError)
        return _told(stream, frame) if frame is not None else None


def _first_frame(container: InputContainer, stream: Any, error: type[Exception]) -> VideoFrame | None:
    """The first frame that decodes; what does not is passed over."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except error:
            continue
        if frames:
            first: VideoFrame = frames[0]
            return first
    return None


def _told(stream: Any, frame: VideoFrame) -> Picture:
    return Picture(
        stream=stream.index,
        codec=codec_name(stream),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        rate=stream.average_rate or stream.guessed_rate or Fraction(0),
        time_base=stream.time_base,
        colour=colour_of(frame, stream.codec_context),
        aspect=stream.sample_aspect_ratio or Fraction(0),
        rotation=int(frame.rotation),
        interlaced=bool(frame.interlaced_frame),
        start=frame.pts or 0,
        end=_end(stream),
        light=light_of(frame),
    )


def _end(stream: Any) -> int | None:
    return None if stream.start_time is None or stream.duration is None else stream.start_time + stream.duration
