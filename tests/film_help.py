"""Films made by FFmpeg, transcoded by the three stages as plain objects, and what a film holds, read by another way."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from picture_help import ffmpeg

from stages.contract import Artifact, Item, Result, Work
from stages.video.encode import EncodePiece, EncodePieceSettings
from stages.video.join import JoinFilm, JoinFilmSettings
from stages.video.settings import SurveyFilmSettings
from stages.video.survey import SurveyFilm

X264 = {"name": "x264", "codec": "libx264", "preset": "ultrafast", "quality": 23, "pix_fmt": "auto"}
X265 = {"name": "x265", "codec": "libx265", "preset": "ultrafast", "quality": 28, "pix_fmt": "auto"}
SVTAV1 = {"name": "svtav1", "codec": "libsvtav1", "preset": "12", "quality": 40, "pix_fmt": "auto"}

# Damaged films of a shared folder: name, what is said of it, frames that can be kept.
DAMAGED = [
    ("corrupt.jpg", "is damaged", 1),
    ("invalid_header", "is no media file", 0),
    ("no_duration.webm", "", 74),
    ("sample_empty_track.mp4", "nothing of its video stream 1 can be decoded", 30),
    ("sample_missing_stsd.mp4", "the codec of its audio stream 1 is not known", 30),
    ("sample_with_junk", "is damaged", 3),
]


@dataclass
class Made:
    path: Path
    notes: list[str]
    pieces: list[dict]
    compare: dict
    survey: Result


def film(path: Path, *words, seconds: float = 2, size: str = "160x96", rate: str = "25") -> Path:
    """A moving picture with a tone; `words` are FFmpeg's output options."""
    pictures = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")
    sound = ("-f", "lavfi", "-i", f"sine=440:d={seconds}")
    ffmpeg(*pictures, *sound, *words, f"file:{path}")
    return path


def vfr(path: Path, *words) -> Path:
    """Every frame at a time of its own: gaps of 50, 50 and 20 ms."""
    stamps = "setpts='(N*40+mod(N,3)*10)/1000/TB'"
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=160x96:r=25:d=2,settb=1/1000,{stamps}", "-fps_mode", "passthrough",
           "-enc_time_base", "1/1000", *words, f"file:{path}")  # fmt: skip
    return path


def survey(path: Path, scratch: Path, encoder: dict = X264, **settings) -> Result:
    scratch.mkdir(parents=True, exist_ok=True)
    stage = SurveyFilm(SurveyFilmSettings(encoder=encoder, **settings))
    return stage.run(Work(Item("film", artifacts={"film": Artifact(path, "video/film")}), scratch))


def encoded(path: Path, child, scratch: Path) -> Result:
    folder = scratch / child.name
    folder.mkdir(parents=True)
    stage = EncodePiece(EncodePieceSettings())
    work = Work(Item(child.name, child.data, {"film": Artifact(path, "video/film")}), folder)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def transcode(path: Path, scratch: Path, encoder: dict = X264, verify: str = "decode", **settings) -> Made:
    looked = survey(path, scratch, encoder, **settings)
    parts, notes = [], list(looked.notes)
    for child in looked.children:
        result = encoded(path, child, scratch)
        notes += result.notes
        parts.append(Item(child.name, child.data, {"segment": Artifact(result.files["segment"], "video/segment")}))
    stage = JoinFilm(JoinFilmSettings(verify=verify))
    folder = scratch / "join"
    folder.mkdir()
    work = Work(Item("film", artifacts={"film": Artifact(path, "video/film")}), folder, parts)
    result = stage.run(work)
    stage.verify(work, result)
    pieces = [child.data["piece"] for child in looked.children]
    return Made(result.files["video"], [*notes, *result.notes], pieces, result.data["compare"], looked)


@dataclass
class Held:
    """What a film holds: times of the packets that are shown, tags, chapters."""

    kinds: list[str] = field(default_factory=list)
    codecs: list[str] = field(default_factory=list)
    times: list[list[Fraction]] = field(default_factory=list)
    tags: list[dict] = field(default_factory=list)
    dispositions: list[int] = field(default_factory=list)
    chapters: list[tuple] = field(default_factory=list)
    about: dict = field(default_factory=dict)

    def of(self, kind: str) -> list[list[Fraction]]:
        return [times for held, times in zip(self.kinds, self.times, strict=True) if held == kind]


def held(path: Path) -> Held:
    found = Held()
    with av.open(f"file:{path}") as container:
        found.about = dict(container.metadata)
        for chapter in container.chapters():
            base = chapter["time_base"]
            found.chapters.append((chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title")))
        streams = [stream for stream in container.streams if stream.type != "data"]
        shown = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.size and not packet.is_discard and packet.pts is not None:
                shown[packet.stream_index].append(packet.pts * packet.time_base)
        for stream in streams:
            context = stream.codec_context
            found.kinds.append(stream.type)
            found.codecs.append(context.codec.canonical_name if context else "")
            found.times.append(sorted(shown[stream.index]))
            found.tags.append(dict(stream.metadata))
            found.dispositions.append(int(stream.disposition))
    return found


def apart(one: list[Fraction], other: list[Fraction]) -> float:
    """The largest difference of two rows of times, in ms; infinite when they are not as many."""
    if len(one) != len(other):
        return float("inf")
    return max((float(abs(a - b)) * 1000 for a, b in zip(one, other, strict=True)), default=0.0)
