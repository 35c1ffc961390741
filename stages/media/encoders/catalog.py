"""Encoder name → adapter, found by file name: a new encoder is one file here and one YAML file."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from stages.media.encoders.adapter import Adapter
from stages.settings import nearest

AUTO = "auto"
_HOME = Path(__file__).parent


class UnknownEncoderError(LookupError):
    """The name is no encoder; the message lists what is there."""


def known_encoders() -> list[str]:
    """Every encoder that has an adapter file."""
    return sorted(file.stem for file in _HOME.glob("*.py") if _declares(file))


def _declares(file: Path) -> bool:
    return re.search(r"^ADAPTER = ", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def adapter(name: str) -> Adapter:
    """The adapter of an option of the group `encoder`.

    Raises:
        UnknownEncoderError: when there is none.
    """
    known = known_encoders()
    if name not in known:
        raise UnknownEncoderError(f"{name!r} is no encoder{nearest(name, known)}; there are {', '.join(known)}")
    found = importlib.import_module(f"stages.media.encoders.{name}").ADAPTER
    assert isinstance(found, Adapter)
    return found


def from_ffmpeg_name(codec: str) -> str:
    """FFmpeg's name of an encoder (`libx264`, `h264_nvenc`) → option of the group `encoder` (`x264`, `nvenc_h264`).

    An option's own name, and `auto`, stand for themselves.

    Raises:
        UnknownEncoderError: when no option uses that encoder.
    """
    names = known_encoders()
    if codec in (AUTO, *names):
        return codec
    codecs = {found.codec: found.name for found in map(adapter, names) if not found.variant_of}
    if codec not in codecs:
        near = nearest(codec, [*codecs, *names])
        raise UnknownEncoderError(f"{codec!r} is no encoder{near}; there are {', '.join(codecs)}")
    return codecs[codec]
