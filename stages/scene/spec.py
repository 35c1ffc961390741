"""How clips are coded. Nothing in it hangs on what a scene shows, so that all clips of a film are joined by copying."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stages.contract import Json
from stages.media.color import conversion, output_options
from stages.media.encoders.arguments import video_options
from stages.media.encoders.catalog import AUTO, adapter
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.settle import settle
from stages.media.encoders.trial import Trial, try_encoder
from stages.media.saturation import encoding_mb
from stages.platform.limits import usable_cpus
from stages.scene.drawn import RAW
from stages.scene.planes import COLOUR
from stages.scene.settings import SceneClipSettings
from stages.scene.timing import FINE, rate_of

_SHARED_FROM = 4  # cores: below, one encode alone keeps them busy


@dataclass(frozen=True, slots=True)
class Spec:
    """One way of coding for all clips.

    Attributes:
        encoder: option of the group `encoder`.
        options: FFmpeg's output options.
        filters: from the raw frames to the pixel format that is coded.
        notes: what is not as it was asked.
        effective: config key → what is really used.
    """

    encoder: str
    options: Mapping[str, str]
    filters: tuple[str, ...]
    notes: tuple[str, ...]
    effective: Mapping[str, Json]


def spec_of(config: SceneClipSettings) -> Spec:
    """The coding that these settings lead to on this machine, found by a trial at the real size.

    Raises:
        StageError: ENCODER when no encoder works.
    """
    threads = threads_each(config)

    def trial(ready: EncoderConfig, memory: TrialMemory | None) -> Trial:
        return try_encoder(ready, config.width, config.height, threads, config.tier, memory=memory)

    chosen, told = settle(EncoderConfig(**config.encoder), RAW, config.tier, config.trials, trial)
    chosen = replace(chosen, gop=chosen.gop or max(1, math.ceil(config.gop_s * rate_of(config.fps))))
    filters, colour, said = conversion(COLOUR, RAW, chosen.pix_fmt, size=(config.width, config.height))
    options = video_options(chosen, threads, config.tier) | output_options(colour)
    options |= {"flags:v": "+cgop", "video_track_timescale": str(timescale(config.fps))}
    preset = chosen.preset or adapter(chosen.name).tiers[config.tier]
    effective = {
        "encoder.name": chosen.name, "encoder.codec": chosen.codec, "encoder.preset": preset,
        "encoder.quality": chosen.quality, "encoder.pix_fmt": chosen.pix_fmt,
        "encoder.threads": chosen.threads or threads, "encoder.gop": chosen.gop,
    }  # fmt: skip
    return Spec(chosen.name, options, tuple(filters), (*told, *said), effective)


def timescale(fps: str) -> int:
    """Units per second of a clip's clock: a whole number of them to each frame, and fine enough."""
    scale = rate_of(fps).numerator
    while scale < FINE:
        scale *= 2
    return scale


def threads_each(config: SceneClipSettings) -> int:
    """Threads of one encode: from four cores on half of them, as two encodes at once waste less than one on all."""
    cores = config.cores or len(usable_cpus())
    asked = config.encoder.get("threads")
    return int(asked) if asked else max(1, cores // 2 if cores >= _SHARED_FROM else cores)


def encode_mb(config: SceneClipSettings) -> int:
    """Memory of FFmpeg with its encoder, MB; of `auto` that of x264, which is what it comes to without a GPU."""
    name = config.encoder.get("name", AUTO)
    found = adapter("x264" if name == AUTO else name)
    preset = config.encoder.get("preset") or found.tiers[config.tier]
    preset = preset if preset in found.presets else found.tiers[config.tier]
    return math.ceil(encoding_mb(found.name, preset, config.width, config.height, 8, threads_each(config)))
