"""An encoder's settings as FFmpeg's output options."""

from __future__ import annotations

from stages.media.encoders.catalog import adapter
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.media.saturation import svtav1_level


def video_options(config: EncoderConfig, cores_physical: int, tier: str = "balanced") -> dict[str, str]:
    """FFmpeg's options (without dash) → values, for a named encoder (`auto` is decided before).

    Args:
        config: checked settings.
        cores_physical: threads of a software encoder when `config.threads` is not set.
        tier: profile tier that gives the preset when `config.preset` is not set.

    Raises:
        ValueError: `config.pix_fmt` is still `auto` (see `stages.media.encoders.pixels.settled`).
    """
    if config.pix_fmt == AUTO_PIXELS:
        raise ValueError("encoder.pix_fmt=auto must be settled by the pixel format of the source before it is encoded")
    found = adapter(config.name)
    options = {
        "c:v": config.codec,
        "preset": config.preset or found.tiers[tier],
        found.tune_option: config.tune or "",
        found.quality_option: "" if config.quality is None else f"{config.quality:g}",
        "b:v": config.bitrate,
        "maxrate": config.maxrate,
        "bufsize": config.bufsize,
        "pix_fmt": config.pix_fmt,
        "g": str(config.gop or ""),
        found.threads_option: str(config.threads or cores_physical),
        found.level_option: str(svtav1_level(cores_physical)),
        **config.options,
    }
    return _joined({name: value for name, value in options.items() if name and value})


def _joined(options: dict[str, str]) -> dict[str, str]:
    """`x265-params:pools` = 2 becomes part of the one option `x265-params` = `…:pools=2`."""
    flat: dict[str, str] = {}
    for name, value in options.items():
        option, _, sub = name.partition(":")
        if option.endswith("-params") and sub:
            flat[option] = ":".join(filter(None, [flat.get(option, ""), f"{sub}={value}"]))
        else:
            flat[name] = ":".join([flat[name], value]) if name in flat else value
    return flat
