"""Encodes one piece of a film by the FFmpeg program; nothing about it is decided here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Work
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import Timeline, timeline
from stages.media.landing import Cut, cut_for, trim_to
from stages.media.steady import STEADY, other_size, said_of
from stages.settings import setting
from stages.video.piece import SIDES, Piece
from stages.video.program import damage_of, run_on
from stages.video.second_opinion import is_sound
from stages.video.sides import convert_sides


@dataclass(frozen=True)
class EncodePieceSettings:
    """How the program is run; what is encoded is told by the piece."""

    timeout_s: float = setting(0.0, "longest time for one piece; 0: as task_timeout_s says", low=0, unit="s",
                               affects_output=False)  # fmt: skip


class EncodePiece(Stage[EncodePieceSettings]):
    """One piece as an MP4 of its own (sides: in the film's container), verified frame by frame of its times.

    A chunk begins with a key frame and refers to nothing before it, so that chunks are joined by stream copy.
    """

    config_class = EncodePieceSettings
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"segment": "video/segment"}
    reads = ("piece",)

    def run(self, work: Work) -> Result:
        """Encode it.

        Raises:
            StageError: BAD_INPUT for damage, and as FFmpeg failed.
        """
        film, piece = work.item.artifacts["film"].path, Piece.from_json(work.item.data["piece"])
        if piece.kind == SIDES:
            return convert_sides(work, film, piece)
        target = work.scratch / "segment.mp4"
        began = time.monotonic()
        cut = None
        if piece.seek:
            from_key = work.scratch / "from_key.mov"
            cut = cut_for(film, piece.stream, Fraction(piece.seek), piece.count, from_key)
        words = command(film, piece, target, cut)
        done = run_on(film, words, work, count=piece.count, timeout_s=self.config.timeout_s)
        wall_s = time.monotonic() - began
        damage = damage_of(film, done.stderr)
        if damage and piece.seek and is_sound(film, piece):
            damage = ""
        if damage and piece.strict:
            raise StageError(Failure.BAD_INPUT, f"{damage}; video.salvage=true keeps what decodes", detail=done.stderr)
        made = _checked(film, piece, target)
        notes = [f"{damage}; the {made.count} frames that decode were kept"] if damage else []
        other = other_size(work.scratch, piece.size) if any(piece.size) else None
        notes += [said_of(film.name, piece.size, other)] if other else []
        return Result({"segment": target}, metrics=_metrics(made, target.stat().st_size, wall_s), notes=notes)

    @classmethod
    def needs(cls, config: EncodePieceSettings) -> Needs:  # noqa: ARG003
        """A small piece; what one really takes is told by the piece."""
        return Needs(cpu_threads=1.0, ram_mb=200)

    @classmethod
    def task_needs(cls, config: EncodePieceSettings, data: Mapping[str, Json]) -> Needs:  # noqa: ARG003
        """As the piece says."""
        piece = Piece.from_json(data["piece"])
        return Needs(float(piece.threads), piece.ram_mb, encoder_sessions=piece.sessions)

    @classmethod
    def tools(cls, config: EncodePieceSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The FFmpeg that encodes."""
        return {"ffmpeg": ffmpeg_binary().identity}


def command(film: Path, piece: Piece, target: Path, cut: Cut | None = None) -> list[str]:
    """The words of the encode of a chunk; from `cut`, where one had to be made.

    Times begin at 0 and are those of the film, in its own time base: `setpts` moves them by whole units.
    """
    seek: dict[str, Any] = {}
    if piece.seek and cut is None:
        seek = {"seek_timestamp": 1, "ss": f"{math.floor(Fraction(piece.seek) * 1_000_000)}us"}
    if not piece.strict:
        seek |= {"err_detect": "ignore_err", "fflags": "+genpts"}
    turn: dict[str, Any] = {} if piece.upright else {"noautorotate": None}
    steady = STEADY if any(piece.size) else {}
    filters = [*([trim_to(cut)] if cut else []), *piece.filters, "setpts=PTS-STARTPTS"]
    source = input_file(cut.path if cut else film, **turn, **seek, **steady)["0" if cut else str(piece.stream)]
    keeps = {"fps_mode": "passthrough", "enc_time_base": "demux"} if keeps_times(piece) else {}
    count = {"frames:v": piece.count} if piece.count else {}
    scale = {"video_track_timescale": piece.base.denominator} if keeps_times(piece) else {}
    output = output_file(
        [source], target,
        **{"filter:v": ",".join(filters), **piece.options, **keeps, **count, **scale},
        max_error_rate=0 if piece.strict else 1, map_metadata=-1, map_chapters=-1, format="mp4",
    )  # fmt: skip
    return argv(Path(ffmpeg_binary().path), output, progress=True)


def keeps_times(piece: Piece) -> bool:
    """Whether every frame keeps the time it has in the film."""
    return not any(word.startswith("fps=") for word in piece.filters)


def _checked(film: Path, piece: Piece, path: Path) -> Timeline:
    """The times of the frames that were written, compared with what they must be.

    Raises:
        StageError: BAD_INPUT when frames are missing, since they did not decode; ENCODER when times differ.
    """
    made = timeline(path)
    if made.count == 0:
        raise StageError(Failure.BAD_INPUT, f"{film.name}: none of its frames from {piece.first} on can be decoded")
    if piece.expected and made.count != piece.expected:
        where = f"frames {piece.first} to {piece.first + piece.expected - 1}"
        sentence = f"{film.name}: of {where} {made.count} came out, not {piece.expected}"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; video.salvage=true keeps what decodes")
    if keeps_times(piece) and made.time_base.denominator != piece.base.denominator:
        sentence = f"{film.name}: times were written in units of {made.time_base} s, not of {piece.time_base} s"
        raise StageError(Failure.ENCODER, f"{sentence}; choose another FFmpeg in REELTUNE_FFMPEG")
    return made


def _metrics(made: Timeline, size: int, wall_s: float) -> dict[str, float]:
    found = {"video.frames": float(made.count), "video.encode_fps": made.count / max(wall_s, 1e-3)}
    seconds = made.seconds(made.count - 1) * made.count / max(1, made.count - 1) if made.pts else 0.0
    if seconds > 0:
        found |= {"video.duration_s": seconds, "video.bitrate_kbps": size * 8 / seconds / 1000}
    return found
