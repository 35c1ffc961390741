"""The disk: what a larger film will take, and a watch while it is made."""

from __future__ import annotations

import math
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from stages.contract import Failure, StageError
from stages.media.encoders.settings import EncoderConfig
from stages.settings import bits_per_second
from stages.upscale.bits import bits_per_pixel

_FRAME = 200  # bytes that even a black frame takes
HEAD, INDEX = 8_000, 24  # bytes of a file without frames, and of its index for each
BUFFER_S = 1.0  # of pictures at the highest rate, which may come at once


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
    coded = math.ceil(_bits(extent, config, tier) / 8) + extent.frames * INDEX + extent.converted
    return DiskEstimate(coded + extent.segments * HEAD, coded + HEAD + extent.copied)


def _bits(extent: Extent, config: EncoderConfig, tier: str) -> float:
    """Bits of the pictures, by quality or by rate, and never more than the highest rate allows."""
    rate = bits_per_second(config.bitrate) if config.bitrate else 0
    if rate and config.quality is None:
        bits = 1.1 * rate * extent.seconds + rate * BUFFER_S
    else:
        bits = extent.frames * (bits_per_pixel(config, tier) * extent.width * extent.height + 8 * _FRAME)
    most = bits_per_second(config.maxrate) if config.maxrate else math.inf
    return min(bits, most * (extent.seconds + extent.segments * BUFFER_S))


def check_room(folder: Path, needed: int, *, keep_free_mb: int = 0, what: str = "the film") -> None:
    """Refuse before any work what will not fit.

    Args:
        folder: where it will lie; what is not there yet will be made on the disk of the nearest folder above.
        needed: bytes of segments and finished file together.
        keep_free_mb: megabytes (10⁶) that must stay free.
        what: name of the film.

    Raises:
        StageError: DISK_FULL.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed + keep_free_mb * 1_000_000 <= free:
        return
    needs = f"segments and finished file may take {sized(needed)}"
    kept = f", of which {keep_free_mb} MB stay free" if keep_free_mb else ""
    sentence = f"{what}: {needs}, and {folder} has {sized(free)} free{kept}; make room, or set upscaler.disk_limit_gb"
    raise StageError(Failure.DISK_FULL, sentence)


def sized(count: float) -> str:
    """Bytes in the unit that people read: `3.4 MB`."""
    unit, name = next(((one, name) for one, name in ((1e9, "GB"), (1e6, "MB")) if count >= one), (1e3, "kB"))
    return f"{count / unit:.3g} {name}"


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
        free = sized(shutil.disk_usage(self._folder).free)
        waited = f", and {self._wait_s:g} s brought no more" if self._wait_s else ""
        sentence = f"only {free} are free on the disk of {self._folder}, less than {sized(self._keep)}{waited}"
        return StageError(Failure.DISK_FULL, f"{sentence}; make room there, and run it again")

    def note(self) -> str:
        """What is worth telling afterwards; "" for nothing."""
        if not self.pauses:
            return ""
        times = "once" if self.pauses == 1 else f"{self.pauses} times"
        return f"waited {times}, {self.waited_s:.0f} s in all, for room on the disk of {self._folder}"
