"""The disk: what a larger film will take, the rate that keeps it within bounds, and a watch while it is made.

Sixteen times the pixels do not take sixteen times the bits, but more than four: that a film takes no more than four
times its input is a limit of its bitrate, and where it bites that is said.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.media.encoders.catalog import adapter
from stages.media.encoders.settings import EncoderConfig
from stages.settings import bits_per_second
from stages.upscale.bits import bits_per_pixel, raw_bits

_FRAME = 200  # bytes that even a black frame takes
_HEAD, _INDEX = 8_000, 24  # bytes of a file without frames, and of its index for each
_FULL = 0.97  # of what is allowed that is given away: rate control may miss by a little
_LEAST = 10_000  # bits per second, below which no encoder takes a rate
_LITTLE = 100_000  # bytes that no disk feels: a multiple of a tiny input is no reason to refuse it
_BUFFER_S = 1.0  # of pictures at the highest rate, which may come at once


@dataclass(frozen=True, slots=True)
class Extent:
    """What will be written.

    Attributes:
        width: of the pictures, pixels.
        height: of the pictures, pixels.
        frames: how many.
        seconds: how long.
        segments: in how many parts they are coded.
        copied: bytes that go into the finished file as they are: sound, subtitles, attachments.
        converted: bytes of what is converted, which lies there twice like the pictures.
    """

    width: int
    height: int
    frames: int
    seconds: float
    segments: int = 1
    copied: int = 0
    converted: int = 0


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes of all segments, and of the finished file, which lies beside them when they are joined."""

    segments: int
    final: int

    @property
    def peak(self) -> int:
        """Bytes that lie on the disk at once."""
        return self.segments + self.final


def estimate_disk(extent: Extent, config: EncoderConfig, tier: str = "balanced") -> DiskEstimate:
    """What segments and finished file will take at most, unless the film is nothing but noise.

    Args:
        extent: what will be written.
        config: a named encoder, its pixel format settled.
        tier: profile tier that gives the preset when none is set.
    """
    coded = math.ceil(_bits(extent, config, tier) / 8) + extent.frames * _INDEX + extent.converted
    return DiskEstimate(coded + extent.segments * _HEAD, coded + _HEAD + extent.copied)


def _bits(extent: Extent, config: EncoderConfig, tier: str) -> float:
    """Bits of the pictures, by quality or by rate, and never more than the highest rate allows."""
    rate = bits_per_second(config.bitrate) if config.bitrate else 0
    if rate and config.quality is None:
        bits = 1.1 * rate * extent.seconds + rate * _BUFFER_S
    else:
        bits = extent.frames * (bits_per_pixel(config, tier) * extent.width * extent.height + 8 * _FRAME)
    most = bits_per_second(config.maxrate) if config.maxrate else math.inf
    return min(bits, most * (extent.seconds + extent.segments * _BUFFER_S))


def check_room(folder: Path, estimate: DiskEstimate, *, keep_free_mb: int = 0, what: str = "the film") -> None:
    """Refuse before any work what will not fit.

    Raises:
        StageError: DISK_FULL.
    """
    free = shutil.disk_usage(folder).free
    if estimate.peak + keep_free_mb * 1_000_000 <= free:
        return
    needs = f"segments and finished file may take {_size(estimate.peak)}"
    kept = f", of which {keep_free_mb} MB stay free" if keep_free_mb else ""
    sentence = f"{what}: {needs}, and {folder} has {_size(free)} free{kept}; make room, or set upscaler.disk_limit_gb"
    raise StageError(Failure.DISK_FULL, sentence)


# --- the limit ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiskLimit:
    """What may lie on the disk.

    Attributes:
        total: bytes of segments and finished file together; 0: no limit.
        pictures: bytes of the pictures of all segments, which the finished file has once more.
        rate: highest rate of the pictures, bits per second, that keeps to it; 0: none is needed.
        sentence: what it means, when it bites; "" when nothing will be seen of it.
    """

    total: int = 0
    pictures: int = 0
    rate: int = 0
    sentence: str = ""

    def applied(self, config: EncoderConfig) -> EncoderConfig:
        """The settings with this rate as their highest; those that are lower already stay."""
        if not self.rate:
            return config
        rates: dict[str, Any] = {}
        if config.bitrate and bits_per_second(config.bitrate) > self.rate:
            rates["bitrate"] = str(self.rate)
        by_rate_alone = config.quality is None and adapter(config.name).family == "av1"
        if by_rate_alone and not adapter(config.name).hardware:  # SVT-AV1 takes a highest rate with a quality only
            return replace(config, **rates)
        if not config.maxrate or bits_per_second(config.maxrate) > self.rate:
            rates |= {"maxrate": str(self.rate), "bufsize": str(round(self.rate * _BUFFER_S))}
        return replace(config, **rates)

    def passed(self, segments: int, *, what: str = "the film") -> None:
        """Refuse to go on when the pictures coded so far take more than all of them may.

        Raises:
            StageError: DISK_FULL; the encoder did not keep to its rate.
        """
        if self.pictures and segments > self.pictures:
            sentence = f"{what}: its segments take {_size(segments)}, and may take {_size(self.pictures)}"
            raise StageError(Failure.DISK_FULL, f"{sentence}; raise upscaler.disk_factor or upscaler.disk_limit_gb")


def limit_rate(
    extent: Extent,
    config: EncoderConfig,
    *,
    tier: str = "balanced",
    input_bytes: int,
    grown: float,
    factor: float = 4.0,
    limit_gb: float = 20.0,
    what: str = "the film",
) -> DiskLimit:
    """The highest rate that keeps segments and finished file within `factor` inputs and `limit_gb`, noise or not.

    It is set wherever there is a limit, and told where ordinary footage will feel it.

    Args:
        extent: what will be written.
        config: a named encoder, its pixel format settled.
        tier: profile tier that gives the preset when none is set.
        input_bytes: size of the input.
        grown: pixels of the output per pixel of the input.
        factor: `upscaler.disk_factor`; 0: no limit.
        limit_gb: `upscaler.disk_limit_gb`, 10⁹ bytes; 0: no limit.
        what: name of the film.

    Raises:
        StageError: BAD_INPUT when next to nothing is left for the pictures.
    """
    total, key = _total(input_bytes, factor, limit_gb)
    around = extent.copied + 2 * (extent.converted + extent.frames * _INDEX) + (extent.segments + 1) * _HEAD
    pictures = (total - around) // 2
    if not total or pictures >= extent.frames * extent.width * extent.height * raw_bits(config.pix_fmt) / 8:
        return DiskLimit(total)  # even pictures that are not coded at all would fit
    # each segment begins with a full buffer of its rate control
    rate = math.floor(_FULL * pictures * 8 / (extent.seconds + extent.segments * _BUFFER_S))
    if rate < _LEAST:
        sentence = f"{what}: {key} allows {_size(total)} on disk, and all but the pictures takes {_size(around)}"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; raise {key.partition('=')[0]}, or set it to 0")
    said = _said(what, key, total, rate, grown) if estimate_disk(extent, config, tier).peak > total else ""
    return DiskLimit(total, pictures, rate, said)


def _total(input_bytes: int, factor: float, limit_gb: float) -> tuple[int, str]:
    """Bytes that may lie on the disk, 0 for any, and the key that says so."""
    limits = [
        (math.ceil(max(factor * input_bytes, _LITTLE * (factor > 0))), f"upscaler.disk_factor={factor:g}"),
        (math.floor(limit_gb * 1e9), f"upscaler.disk_limit_gb={limit_gb:g}"),
    ]
    return min((one for one in limits if one[0]), default=(0, ""))


def _said(what: str, key: str, total: int, rate: int, grown: float) -> str:
    why = f"{key} allows {_size(total)} for segments and finished file together"
    if grown > 1 and "factor" in key:
        why += f", which is a limit of the bitrate when pixels grow {grown:.3g}-fold"
    name = key.partition("=")[0]
    return f"{what}: pictures are held to {_rate(rate)}: {why}; raise {name}, or set it to 0, for finer ones"


def _size(count: float) -> str:
    unit, name = next(((one, name) for one, name in ((1e9, "GB"), (1e6, "MB")) if count >= one), (1e3, "kB"))
    return f"{count / unit:.3g} {name}"


def _rate(rate: float) -> str:
    return f"{rate / 1e6:.3g} Mb/s" if rate >= 1e6 else f"{rate / 1e3:.3g} kb/s"


# --- the watch ---------------------------------------------------------------------------------


class DiskWatch:
    """Asked often while something is written: waits while the disk is nearly full, and gives up in the end.

    Args:
        folder: a folder of that disk.
        keep_free_mb: megabytes (10⁶) that must stay free.
        wait_s: how long room is waited for; 0: not at all.
        every_s: how often the disk is asked.
        cancel: ends the waiting when it is set.

    Attributes:
        waited_s: seconds that were waited so far.
        pauses: how often.
    """

    def __init__(
        self,
        folder: Path,
        keep_free_mb: int = 500,
        *,
        wait_s: float = 600.0,
        every_s: float = 1.0,
        cancel: threading.Event | None = None,
    ) -> None:
        self._folder, self._keep = folder, keep_free_mb * 1_000_000
        self._wait_s, self._every_s = wait_s, every_s
        self._cancel = cancel or threading.Event()
        self._next = 0.0
        self.waited_s, self.pauses = 0.0, 0

    def check(self) -> None:
        """Go on at once when there is room, or when the disk was asked a moment ago; else wait for room.

        Raises:
            StageError: DISK_FULL when none was made in time.
        """
        if time.monotonic() < self._next:
            return
        if self._short():
            self._pause()
        self._next = time.monotonic() + self._every_s

    def _short(self) -> bool:
        return shutil.disk_usage(self._folder).free < self._keep

    def _pause(self) -> None:
        self.pauses += 1
        began = time.monotonic()
        try:
            while self._short() and not self._cancel.is_set():
                if time.monotonic() - began >= self._wait_s:
                    raise self._full()
                self._cancel.wait(min(self._every_s, self._wait_s))
        finally:
            self.waited_s += time.monotonic() - began

    def _full(self) -> StageError:
        free = _size(shutil.disk_usage(self._folder).free)
        waited = f", and {self._wait_s:g} s brought no more" if self._wait_s else ""
        sentence = f"only {free} are free on the disk of {self._folder}, less than {_size(self._keep)}{waited}"
        return StageError(Failure.DISK_FULL, f"{sentence}; make room there, and run it again")

    def note(self) -> str:
        """What is worth telling afterwards; "" for nothing."""
        if not self.pauses:
            return ""
        times = "once" if self.pauses == 1 else f"{self.pauses} times"
        return f"waited {times}, {self.waited_s:.0f} s in all, for room on the disk of {self._folder}"
