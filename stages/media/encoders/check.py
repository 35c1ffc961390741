"""Everything that an encoder would refuse, or worse, change silently, said before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stages.media.encoders.adapter import Adapter
from stages.media.encoders.catalog import AUTO, UnknownEncoderError, adapter, known_encoders
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.settings import Problem, bits_per_second, nearest, range_problems

# Options that have a setting of their own: in `options` they would fight with it.
_OWN = {
    "c": "codec", "c:v": "codec", "preset": "preset", "tune": "tune", "crf": "quality", "cq": "quality",
    "global_quality": "quality", "b": "bitrate", "b:v": "bitrate", "maxrate": "maxrate", "bufsize": "bufsize",
    "pix_fmt": "pix_fmt", "g": "gop", "threads": "threads",
}  # fmt: skip


def encoder_problems(config: EncoderConfig) -> list[Problem]:
    """Every value that this encoder does not take. With `auto`: that no encoder it may choose takes."""
    try:
        adapters = [adapter(name) for name in (known_encoders() if config.name == AUTO else [config.name])]
    except UnknownEncoderError as error:
        return [Problem("encoder.name", str(error), "choose an option with encoder=<name>")]
    return [
        *range_problems(config, "encoder"),
        *_codec_problems(config, adapters),
        *_word_problems(config, adapters),
        *_quality_problems(config, adapters),
        *_rate_problems(config, adapters),
        *_option_problems(config),
    ]


def _codec_problems(config: EncoderConfig, adapters: Sequence[Adapter]) -> Iterator[Problem]:
    codec = AUTO if config.name == AUTO else adapters[0].codec
    if config.codec != codec:
        yield Problem("encoder.codec", f"{config.codec!r} is not the codec of encoder={config.name}", f"use {codec}")


def _word_problems(config: EncoderConfig, adapters: Sequence[Adapter]) -> Iterator[Problem]:
    words = {
        "preset": (config.preset, [preset for found in adapters for preset in found.presets]),
        "tune": (config.tune, [tune for found in adapters for tune in found.tunes]),
        "pix_fmt": (config.pix_fmt, [AUTO_PIXELS, *(one for found in adapters for one in found.pixel_formats)]),
    }
    for key, (word, takes) in words.items():
        if word is not None and word not in takes:
            yield _word_problem(config.name, key, word, list(dict.fromkeys(takes)))
    if config.threads is not None and not any(found.threads_option for found in adapters):
        yield Problem("encoder.threads", f"{config.name} takes no number of threads", "set encoder.threads=null")


def _word_problem(name: str, key: str, word: str, takes: list[str]) -> Problem:
    mend = f"use {', '.join(takes)}" if takes else f"set encoder.{key}=null"
    return Problem(f"encoder.{key}", f"{name} does not take {word!r}{nearest(word, takes)}", mend)


def _quality_problems(config: EncoderConfig, adapters: Sequence[Adapter]) -> Iterator[Problem]:
    low = min(found.quality_low for found in adapters)
    high = max(found.quality_high for found in adapters)
    if config.quality is not None and not low <= config.quality <= high:
        reason = f"{config.quality:g} is outside what {config.name} takes"
        yield Problem("encoder.quality", reason, f"use {low:g} (best) to {high:g} (worst)")


def _rate_problems(config: EncoderConfig, adapters: Sequence[Adapter]) -> Iterator[Problem]:
    if config.quality is not None and config.bitrate and not any(found.quality_and_bitrate for found in adapters):
        yield Problem(
            "encoder.bitrate", f"{config.name} takes a quality or a bitrate, not both",
            "set encoder.quality=null to code by bitrate, or encoder.bitrate='' to code by quality",
        )  # fmt: skip
    if config.name != AUTO and config.quality is None and not config.bitrate:
        mend = f"set encoder.quality={adapters[0].quality_default:g} or encoder.bitrate=5M"
        yield Problem("encoder.quality", "neither a quality nor a bitrate is set", mend)
    if bool(config.maxrate) != bool(config.bufsize):
        missing, given = ("bufsize", "maxrate") if config.maxrate else ("maxrate", "bufsize")
        yield Problem(f"encoder.{missing}", f"encoder.{given} without it is ignored", "set both, or neither ('')")
    rate, most = _bits(config.bitrate), _bits(config.maxrate)
    if rate is not None and most is not None and rate > most:
        reason = f"{config.maxrate} is below encoder.bitrate={config.bitrate}"
        yield Problem("encoder.maxrate", reason, f"use {config.bitrate} or more")


def _bits(rate: str) -> int | None:
    """None for what is no bitrate: its range check has told that."""
    try:
        return bits_per_second(rate)
    except ValueError:
        return None


def _option_problems(config: EncoderConfig) -> Iterator[Problem]:
    for option in config.options:
        own = _OWN.get(option)
        if own:
            yield Problem(f"encoder.options.{option}", "has a setting of its own", f"set encoder.{own} instead")
