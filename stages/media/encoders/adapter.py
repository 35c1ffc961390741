"""What one encoder takes: the shape that every adapter file fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIERS = ("fast", "balanced", "quality")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One option of the group `encoder`.

    Attributes:
        name: the option, which is also the name of its file.
        codec: FFmpeg's name of the encoder.
        family: what it makes: `h264`, `hevc` or `av1`. A fall-back looks for the same first.
        presets: its preset words, slowest (best) first.
        quality_low: best legal quality number.
        quality_high: worst legal quality number.
        quality_default: what is used when nobody says.
        quality_step: smallest change of the number that the encoder takes.
        tiers: profile tier → preset.
        tunes: what it can be tuned for.
        pixel_formats: those it really encodes; FFmpeg changes any other silently.
        quality_option: FFmpeg option that takes the quality number.
        tune_option: option that takes the tune, or `key:sub` for a sub-option of a parameter string.
        threads_option: the same for threads; "" when it takes no number of threads.
        level_option: the same for a level of parallelism, told from the threads there are; "" when it has none.
        hardware: it runs on a GPU, in sessions.
        quality_and_bitrate: both at once have a meaning: quality is the aim, bitrate the bound.
        variant_of: name of the adapter with the same codec that stands for the codec itself.
        own: settings of its YAML file that differ from the schema's, but name, codec and quality. A fall-back to
            this encoder begins with them (a test holds both equal).
    """

    name: str
    codec: str
    family: str
    presets: tuple[str, ...]
    quality_low: float
    quality_high: float
    quality_default: float
    tiers: Mapping[str, str]
    tunes: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    quality_option: str = "crf"
    quality_step: float = 0.1
    tune_option: str = "tune"
    threads_option: str = "threads"
    level_option: str = ""
    hardware: bool = False
    quality_and_bitrate: bool = False
    variant_of: str = ""
    own: Mapping[str, Any] = field(default_factory=dict)
