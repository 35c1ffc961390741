"""FFmpeg command lines, built with ffmpeg-python: where paths are made safe and FFmpeg is kept off the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROTOCOLS = "file,pipe"
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".exr", ".tga"}


def file_url(path: Path) -> str:
    """A path as FFmpeg must read it: absolute, with `file:`, so that no `-`, `:` or `concat:` in it has a meaning."""
    return f"file:{Path(path).absolute()}"


def input_file(path: Path, **options: Any) -> Any:
    """An ffmpeg-python input. The protocol whitelist is an option of each input: it also binds what the file names."""
    return _ffmpeg().input(file_url(path), protocol_whitelist=PROTOCOLS, **_literal(path), **options)


def output_file(streams: Sequence[Any], path: Path, **options: Any) -> Any:
    """An ffmpeg-python output of one or more streams; the format is told by `format=` or the suffix."""
    literal = {"update": 1} if path.suffix.lower() in _PICTURES else {}
    return _ffmpeg().output(*streams, file_url(path), **literal, **options)


def argv(binary: Path, output: Any, *, progress: bool = False, level: str = "error") -> list[str]:
    """The words of a command that overwrites its output and never asks.

    Args:
        binary: the FFmpeg program.
        output: an ffmpeg-python output.
        progress: report progress on stdout (see `stages.media.processes.progress_reader`).
        level: what FFmpeg says on stderr (`error`, `warning`, `info`).
    """
    head = [str(binary), "-nostdin", "-hide_banner", "-loglevel", level, "-nostats"]
    if progress:
        head += ["-progress", "pipe:1"]
    words: list[str] = _ffmpeg().compile(output, cmd=head, overwrite_output=True)
    return words


def _literal(path: Path) -> dict[str, str]:
    """A picture named `still%03d.png` is one file; FFmpeg would take it for a pattern."""
    is_pattern = "%" in path.name and path.suffix.lower() in _PICTURES
    return {"format": "image2", "pattern_type": "none"} if is_pattern else {}


def _ffmpeg() -> Any:
    import ffmpeg

    return ffmpeg
