"""What a larger film may take on disk, and how it keeps to it.

Sixteen times the pixels do not take sixteen times the bits, but more than four: that a film takes no more than four
times its input is a limit of its bitrate. Where ordinary footage would pass it, all segments are held to a highest
rate, and that is said. Elsewhere none is: a rate costs x264 its threads (see `stages.media.encoders.library`). Each
segment then has its share of the bytes, and the rare one that passes it is made again, held to the rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from stages.contract import Failure, StageError
from stages.media.encoders.catalog import adapter
from stages.media.encoders.settings import EncoderConfig
from stages.settings import bits_per_second
from stages.upscale.bits import raw_bits
from stages.upscale.guard import BUFFER_S, HEAD, INDEX, Extent, estimate_disk, sized

_FULL = 0.97  # of what is allowed that is given away: rate control may miss by a little
_MISSED = 1.25  # times its share that a segment held to the rate may take; the next ones take less for it
_LEAST = 10_000  # bits per second, below which no encoder takes a rate
_LITTLE = 100_000  # bytes that no disk feels: a multiple of a tiny input is no reason to refuse it


class PassedError(Exception):
    """A segment that is held to no rate takes more than its share."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one segment may take.

    Attributes:
        nbytes: of its pictures; 0: any.
        rate: highest rate, bits per second, that keeps to it.
        held: it is held to that rate from the beginning.
    """

    nbytes: int = 0
    rate: int = 0
    held: bool = False

    def check(self, nbytes: int) -> None:
        """Called while a segment is written that is held to no rate.

        Raises:
            PassedError: so that it is made again, held to the rate.
        """
        if self.nbytes and nbytes > self.nbytes:
            raise PassedError

    def check_held(self, nbytes: int, what: str) -> None:
        """Called for a segment that was held to the rate.

        Raises:
            StageError: ENCODER, when the encoder did not keep to it.
        """
        if self.nbytes and nbytes > _MISSED * self.nbytes:
            sentence = f"{what}: takes {sized(nbytes)}, may take {sized(self.nbytes)}, and its encoder keeps to no rate"
            mend = "choose another encoder, or raise upscaler.disk_factor or upscaler.disk_limit_gb"
            raise StageError(Failure.ENCODER, f"{sentence}; {mend}")

    def note(self, what: str) -> str:
        """That a segment was made twice."""
        return (
            f"{what}: passed the {sized(self.nbytes)} that it may take, and was made again at most {_rate(self.rate)}"
        )


@dataclass(frozen=True, slots=True)
class DiskLimit:
    """What may lie on the disk.

    Attributes:
        total: bytes of segments and finished file together; 0: no limit.
        pictures: bytes of the pictures of all segments, which the finished film has once more.
        rate: highest rate of the pictures, bits per second, that keeps to it, noise or not; 0: none is needed.
        sentence: what it means, when ordinary footage feels it; else "".
        holds: all segments are held to the rate from the beginning.
    """

    total: int = 0
    pictures: int = 0
    rate: int = 0
    sentence: str = ""
    holds: bool = False

    def applied(self, config: EncoderConfig) -> EncoderConfig:
        """The settings that segments are begun with."""
        return held(config, self.rate) if self.holds else config

    def share(self, frames: int, count: int) -> Share:
        """What a segment of so many of all the frames may take."""
        if not self.rate:
            return Share()
        return Share(self.pictures * frames // max(1, count), self.rate, self.holds)


def held(config: EncoderConfig, rate: int) -> EncoderConfig:
    """The settings with this rate as their highest, bits per second; those that are lower already stay."""
    if not rate:
        return config
    rates: dict[str, Any] = {}
    if config.bitrate and bits_per_second(config.bitrate) > rate:
        rates["bitrate"] = str(rate)
    by_rate_alone = config.quality is None and adapter(config.name).family == "av1"
    if by_rate_alone and not adapter(config.name).hardware:  # SVT-AV1 takes a highest rate with a quality only
        return replace(config, **rates)
    if not config.maxrate or bits_per_second(config.maxrate) > rate:
        rates |= {"maxrate": str(rate), "bufsize": str(round(rate * BUFFER_S))}
    return replace(config, **rates)


def limit_rate(
    extent: Extent,
    config: EncoderConfig,
    *,
    tier: str = "balanced",
    input_bytes: int,
    grown: float,
    factor: float = 4.0,
    limit_gb: float = 20.0,
    once: bool = False,
    what: str = "the film",
) -> DiskLimit:
    """The highest rate that keeps segments and finished file within `factor` inputs and `limit_gb`, noise or not.

    Args:
        extent: what will be written.
        config: a named encoder, its pixel format settled.
        tier: profile tier that gives the preset when none is set.
        input_bytes: size of the input.
        grown: pixels of the output per pixel of the input.
        factor: `upscaler.disk_factor`; 0: no limit.
        limit_gb: `upscaler.disk_limit_gb`, 10⁹ bytes; 0: no limit.
        once: segments cannot be made again: the rate holds whether ordinary footage feels it or not.
        what: name of the film.

    Raises:
        StageError: BAD_INPUT when next to nothing is left for the pictures.
    """
    total, key = _total(input_bytes, factor, limit_gb)
    around = extent.copied + 2 * (extent.converted + extent.frames * INDEX) + (extent.segments + 1) * HEAD
    pictures = (total - around) // 2
    if not total or pictures >= extent.frames * extent.width * extent.height * raw_bits(config.pix_fmt) / 8:
        return DiskLimit(total)  # even pictures that are not coded at all would fit
    # each segment begins with a full buffer of its rate control
    rate = math.floor(_FULL * pictures * 8 / (extent.seconds + extent.segments * BUFFER_S))
    if rate < _LEAST:
        sentence = f"{what}: {key} allows {sized(total)} on disk, and all but the pictures takes {sized(around)}"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; raise {key.partition('=')[0]}, or set it to 0")
    said = _said(what, key, total, rate, grown) if estimate_disk(extent, config, tier).peak > total else ""
    return DiskLimit(total, pictures, rate, said, holds=once or bool(said))


def _total(input_bytes: int, factor: float, limit_gb: float) -> tuple[int, str]:
    """Bytes that may lie on the disk, 0 for any, and the key that says so."""
    limits = [
        (math.ceil(max(factor * input_bytes, _LITTLE * (factor > 0))), f"upscaler.disk_factor={factor:g}"),
        (math.floor(limit_gb * 1e9), f"upscaler.disk_limit_gb={limit_gb:g}"),
    ]
    return min((one for one in limits if one[0]), default=(0, ""))


def _said(what: str, key: str, total: int, rate: int, grown: float) -> str:
    why = f"{key} allows {sized(total)} for segments and finished file together"
    if grown > 1 and "factor" in key:
        why += f", which is a limit of the bitrate when pixels grow {grown:.3g}-fold"
    name = key.partition("=")[0]
    return f"{what}: pictures are held to {_rate(rate)}: {why}; raise {name}, or set it to 0, for finer ones"


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.3g} Mb/s" if rate >= 1e6 else f"{rate / 1e3:.3g} kb/s"
