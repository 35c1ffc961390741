"""An encoder of PyAV's own libraries, set up in this process as the FFmpeg program sets up its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from stages.contract import Failure, StageError
from stages.media.color import Colour, output_options
from stages.media.encoders.arguments import video_options
from stages.media.encoders.settings import EncoderConfig

_NO_OPTIONS = ("c:v", "pix_fmt")  # told in other ways
_PROGRESSIVE = 1  # AV_FIELD_PROGRESSIVE


def library_options(
    config: EncoderConfig, cores: int, tier: str, colour: Colour, told: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What `video_options` gives to the program, and the tags of the colour.

    Args:
        config: a named encoder, its pixel format settled.
        cores: as for `video_options`.
        tier: as for `video_options`.
        colour: what the frames hold; what is not told stays untold.
        told: further options, such as those of `hdr_options`.
    """
    full = replace(config, options={**(told or {}), **config.options})
    options = video_options(full, cores, tier) | output_options(colour)
    named = {name.removesuffix(":v"): value for name, value in options.items() if name not in _NO_OPTIONS}
    return _held(config.codec, _steadied(config.codec, _quieted(config.codec, named)))


def _quieted(codec: str, options: dict[str, str]) -> dict[str, str]:
    """x265 and SVT-AV1 write what they think to the terminal, past every log; only their errors are wanted there."""
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")
    return _with(options, "x265-params", "log-level=error") if codec == "libx265" else options


def _steadied(codec: str, options: dict[str, str]) -> dict[str, str]:
    """x264 must give the same each time, also in a process that has used its memory for other things before.

    Its code for AVX-512 (core 165) reads memory that it never wrote where macroblocks in a row are no multiple of 8,
    and decides by it. That for AVX2 does not, and is as fast.
    """
    return _with(options, "x264-params", "asm=AVX2") if codec == "libx264" and _has_avx512() else options


def _held(codec: str, options: dict[str, str]) -> dict[str, str]:
    """By a rate too they must give the same each time, and not by which of their threads was ahead of which.

    x264 under a highest rate looks at what its other threads have spent so far, whether they do frames or slices;
    SVT-AV1 does with any rate, and its level 1 (`lp`) does one picture after another.
    """
    capped = "maxrate" in options
    if codec == "libx264" and capped:
        return options | {"threads": "1"}
    if codec == "libx265" and capped:
        return _with(options, "x265-params", "const-vbv=1")
    if codec == "libsvtav1" and (capped or "b" in options):
        given = [one for one in options.get("svtav1-params", "").split(":") if one and one.partition("=")[0] != "lp"]
        return options | {"svtav1-params": ":".join([*given, "lp=1"])}
    return options


def held_note(config: EncoderConfig) -> list[str]:
    """That fewer threads are taken than was asked for."""
    if not config.maxrate or config.codec != "libx264" or (config.threads or 1) == 1:
        return []
    why = "with a highest rate x264 gives the same film each time in one thread alone"
    return [f"encoder.threads={config.threads}: {why}, and was given one"]


def _with(options: dict[str, str], name: str, param: str) -> dict[str, str]:
    """One more `key=value` in a row of them, unless its key is there."""
    given = options.get(name, "")
    key = param.partition("=")[0]
    if any(one.partition("=")[0] == key for one in given.split(":")):
        return options
    return options | {name: f"{given}:{param}" if given else param}


@cache
def _has_avx512() -> bool:
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return any(name.startswith(("AVX512", "X86_V4")) for name in found)


def describe(stream: Any, shape: tuple[int, int, str], base: Fraction, aspect: Fraction, rotation: int) -> None:
    """All that is told about the pictures before the encoder is opened."""
    stream.width, stream.height, stream.pix_fmt = shape
    stream.time_base = Fraction(1, base.denominator)
    context = stream.codec_context
    context.time_base, context.sample_aspect_ratio, context.field_order = base, aspect, _PROGRESSIVE
    context.thread_type = "AUTO"  # as the program does; with PyAV's own choice x264 cuts pictures into slices
    if rotation:
        stream.set_display_rotation(rotation)


def open_encoder(stream: Any, config: EncoderConfig, options: dict[str, str]) -> None:
    """Open it.

    Raises:
        StageError: ENCODER when it cannot be opened so, or does not know one of the options.
        av.FFmpegError: there is not enough memory.
    """
    import av

    stream.options = options
    try:
        stream.codec_context.open()
    except av.FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        sentence = f"encoder={config.name} cannot be opened in this process ({error.strerror}); choose another encoder"
        raise StageError(Failure.ENCODER, sentence, detail=repr(error)) from error
    if stream.options:  # what nobody took
        names = ", ".join(stream.options)
        sentence = f"encoder={config.name}: {config.codec} has no option {names}; take it out of encoder.options"
        raise StageError(Failure.ENCODER, sentence)
