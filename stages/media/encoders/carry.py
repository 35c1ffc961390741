"""From the settings of one encoder to those of another: its own, and of what the user set, what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from stages.media.encoders.adapter import Adapter
from stages.media.encoders.catalog import AUTO, adapter
from stages.media.encoders.check import encoder_problems
from stages.media.encoders.settings import AUTO_PIXELS, EncoderConfig
from stages.settings import bits_per_second

_IDENTITY = {"name", "codec"}
_RATES = ("bitrate", "maxrate", "bufsize")
# The same bits and the same colour resolution, laid out in another way.
_TWINS = {"yuv420p": "nv12", "nv12": "yuv420p", "yuv420p10le": "p010le", "p010le": "yuv420p10le"}


@dataclass(frozen=True, slots=True)
class Carried:
    """Settings for another encoder.

    Attributes:
        config: None when that encoder cannot do what was asked.
        left: what was set and does not carry, `key=value`.
        refusal: why there is no config.
    """

    config: EncoderConfig | None
    left: tuple[str, ...] = ()
    refusal: str = ""


def own_config(name: str) -> EncoderConfig:
    """The settings of an option of the group `encoder` as its YAML file has them.

    Raises:
        UnknownEncoderError: when there is none of that name.
    """
    if name == AUTO:
        return EncoderConfig()
    found = adapter(name)
    return EncoderConfig(**{"name": name, "codec": found.codec, "quality": found.quality_default, **found.own})


def was_set(wanted: EncoderConfig, tier: str = "balanced") -> dict[str, Any]:
    """What differs from the encoder's own settings: set by the user, as far as that can be told.

    The preset that the profile's tier stands for is the profile's: the next encoder has its own for that tier.
    """
    own = own_config(wanted.name)
    names = [f.name for f in fields(EncoderConfig) if f.name not in _IDENTITY]
    found = {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(own, name)}
    if wanted.name != AUTO and wanted.preset == adapter(wanted.name).tiers[tier]:
        found.pop("preset", None)
    return found


def carry(wanted: EncoderConfig, name: str, tier: str = "balanced") -> Carried:
    """The settings for encoder `name` in place of the wanted one.

    Quality numbers stay behind between named encoders: CRF 23 of one is not CQ 23 of another. What was set
    with `auto` was meant for whatever is chosen. The preset, when not set, is left to the profile's tier.
    The pixel format is carried even when nobody set it: another encoder is no reason for another picture.
    """
    target, asked = adapter(name), was_set(wanted, tier)
    base = replace(own_config(name), preset=None if wanted.name == AUTO else target.tiers[tier])
    pixels = _pixels(wanted.pix_fmt, target)
    if pixels is None:
        return Carried(None, refusal=f"does not take {wanted.pix_fmt}")
    taken = {key: value for key, value in asked.items() if _takes(key, value, target, wanted)}
    changes = {**taken, "pix_fmt": pixels, **_rates(wanted, asked, base)}
    if "options" in taken:
        changes["options"] = {**base.options, **taken["options"]} if wanted.name == AUTO else taken["options"]
    config = replace(base, **changes)
    problems = encoder_problems(config)
    if problems:
        return Carried(None, refusal=problems[0].sentence())
    return Carried(config, tuple(f"{key}={value}" for key, value in asked.items() if not _kept(config, key, value)))


def _takes(key: str, value: Any, target: Adapter, wanted: EncoderConfig) -> bool:
    """Whether a set value means the same to the target; pixel format and rates are decided on their own."""
    if key in ("pix_fmt", *_RATES):
        return False
    if key == "quality":
        return value is not None and wanted.name == AUTO and target.quality_low <= value <= target.quality_high
    if key == "options":
        return wanted.name == AUTO or wanted.codec == target.codec
    words: Mapping[str, tuple[str, ...]] = {"preset": target.presets, "tune": target.tunes}
    if key in words:
        return value is None or value in words[key]
    limits = {"threads": bool(target.threads_option), "sessions": target.hardware}
    return limits.get(key, True)


def _kept(config: EncoderConfig, key: str, value: Any) -> bool:
    kept = getattr(config, key)
    if key == "options":
        return bool(value.items() <= kept.items())
    return bool(kept == value or (key == "pix_fmt" and _TWINS.get(value) == kept))


def _pixels(wanted: str, target: Adapter) -> str | None:
    """The pixel format or its twin; anything else would throw colour or bits away. `auto` goes with every encoder."""
    if wanted == AUTO_PIXELS:
        return wanted
    return next((one for one in (wanted, _TWINS.get(wanted)) if one in target.pixel_formats), None)


def _rates(wanted: EncoderConfig, asked: Mapping[str, Any], base: EncoderConfig) -> dict[str, Any]:
    """Bitrates mean the same everywhere. One that was set goes before the target's quality, where both cannot be.

    The target's own cap stays where nobody set one and the bitrate fits under it.
    """
    if not any(key in asked for key in _RATES):
        return {}
    bitrate = asked.get("bitrate", "")
    cap = wanted if "maxrate" in asked or "bufsize" in asked else base
    if cap is base and not _fits(bitrate, base.maxrate):
        cap = EncoderConfig()
    rates: dict[str, Any] = {"bitrate": bitrate, "maxrate": cap.maxrate, "bufsize": cap.bufsize}
    by_rate_alone = wanted.name != AUTO and wanted.quality is None
    if bitrate and (by_rate_alone or not adapter(base.name).quality_and_bitrate):
        rates["quality"] = None
    return rates


def _fits(bitrate: str, maxrate: str) -> bool:
    return bool(bitrate and maxrate) and bits_per_second(bitrate) <= bits_per_second(maxrate)
