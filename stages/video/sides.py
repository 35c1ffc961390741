"""Sound and subtitles that a container cannot hold as they are, converted over their whole length and each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.contract import Failure, Result, StageError, Work
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.probe import count_packets
from stages.video.piece import Piece
from stages.video.program import run_on


def convert_sides(work: Work, film: Path, piece: Piece) -> Result:
    """Convert them.

    Raises:
        StageError: as FFmpeg failed; BAD_INPUT when a stream gave nothing.
    """
    suffix = {"matroska": "mkv"}.get(piece.format, piece.format)
    target = work.scratch / f"sides.{suffix}"
    run_on(film, sides_command(film, piece, target), work)
    _check_sides(film, piece, target)
    return Result(files={"segment": target})


def sides_command(film: Path, piece: Piece, target: Path) -> list[str]:
    """The words that convert sound and subtitles, over their whole length and each once."""
    source = input_file(film)
    streams = [source[stream] for stream in piece.sides]
    options: dict[str, Any] = {f"c:{place}": codec for place, codec in enumerate(piece.sides.values())}
    if any(codec in ("aac", "libopus") for codec in piece.sides.values()):
        options["b:a"] = piece.bitrate
    output = output_file(streams, target, **options, copyts=None, map_metadata=-1, map_chapters=-1, format=piece.format)
    return argv(Path(ffmpeg_binary().path), output, progress=True)


def _check_sides(film: Path, piece: Piece, path: Path) -> None:
    found = count_packets(path)
    for place, (stream, codec) in enumerate(piece.sides.items()):
        if place not in found or not found[place].count:
            sentence = f"{film.name}: stream {stream} gave nothing when it was converted to {codec}"
            raise StageError(Failure.BAD_INPUT, f"{sentence}; leave it out with video.on_lost=drop")
