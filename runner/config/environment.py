"""Settings from the environment and a `.env` file: below the command line, above everything else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from runner.config.arguments import quoted
from stages.media.encoders.catalog import UnknownEncoderError, from_ffmpeg_name

_KEYS = {
    "FFMPEG_PRESET": "encoder.preset",
    "FFMPEG_CQ": "encoder.quality",
    "FFMPEG_BITRATE": "encoder.bitrate",
    "FFMPEG_AUDIO_BITRATE": "profile.audio.bitrate",
}


def load_dotenv_file(folder: Path) -> None:
    """Take `.env` of a folder into the environment; what is set there already wins."""
    file = folder / ".env"
    if file.is_file():
        from dotenv import load_dotenv

        load_dotenv(file, override=False)


def environment_overrides(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Override → the variable it comes from, for every variable of ours that is set and not empty."""
    environ = os.environ if environ is None else environ
    found: dict[str, str] = {}
    if name := environ.get("FFMPEG_ENCODER"):
        found[f"encoder={_option(name)}"] = "FFMPEG_ENCODER"
    for variable, key in _KEYS.items():
        if value := environ.get(variable):
            found[f"{key}={quoted(value)}" if variable != "FFMPEG_CQ" else f"{key}={value}"] = variable
    if environ.get("FFMPEG_BITRATE") and not environ.get("FFMPEG_CQ"):
        found["encoder.quality=null"] = "FFMPEG_BITRATE"  # a bitrate instead of a quality, not both
    return found


def _option(name: str) -> str:
    """The option of group `encoder` for FFmpeg's name; any other word as it is, for the check to refuse or take."""
    try:
        return from_ffmpeg_name(name)
    except UnknownEncoderError:
        return name
