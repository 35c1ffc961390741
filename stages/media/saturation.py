"""How many threads one encode keeps busy, the memory it takes, and so whether a film is encoded whole or in chunks.

What is measured and what is taken from others' findings is told in `docs/decisions/0010-chunks.md`; the measurement is
`python -m benchmarks saturation`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LEAST_S = 4.0  # of a chunk: each begins with a key frame, which must not weigh
MOST_S = 60.0  # of a chunk: no more is lost when an encode breaks off
LONG_S = 300.0  # a film longer than this is cut even where one encode fills the machine
MARGIN = 1.25  # what is planned over the memory that the model tells: footage and builds differ
_PER_WORKER = 3  # chunks per worker: with one each, all would wait for the slowest
_DEEPER = {"x264": 1.85, "x265": 1.7, "svtav1": 1.5}  # times the memory of pictures above 8 bit


@dataclass(frozen=True, slots=True)
class _Preset:
    """What a preset means for threads and memory.

    Attributes:
        threads: most threads that it feeds, on large pictures.
        lookahead: frames looked ahead.
        kept: B-frames and reference frames.
        unit: side of a coding unit, pixels.
    """

    threads: float
    lookahead: int
    kept: int
    unit: int


_X264 = {
    "ultrafast": _Preset(4.0, 0, 1, 16), "superfast": _Preset(4.0, 0, 4, 16), "veryfast": _Preset(4.5, 10, 4, 16),
    "faster": _Preset(5.5, 20, 5, 16), "fast": _Preset(6.5, 30, 5, 16), "medium": _Preset(8.0, 40, 6, 16),
    "slow": _Preset(9.0, 50, 8, 16), "slower": _Preset(10.0, 60, 11, 16), "veryslow": _Preset(12.0, 60, 24, 16),
    "placebo": _Preset(16.0, 60, 32, 16),
}  # fmt: skip
_X265 = {
    "ultrafast": _Preset(6.0, 5, 4, 32), "superfast": _Preset(6.0, 10, 4, 32), "veryfast": _Preset(6.0, 15, 6, 64),
    "faster": _Preset(6.0, 15, 6, 64), "fast": _Preset(6.0, 15, 7, 64), "medium": _Preset(8.0, 20, 7, 64),
    "slow": _Preset(10.0, 25, 8, 64), "slower": _Preset(12.0, 40, 13, 64), "veryslow": _Preset(12.0, 40, 13, 64),
    "placebo": _Preset(16.0, 60, 13, 64),
}  # fmt: skip
_SVTAV1 = {str(number): _Preset(6.0, 32, 0, 64) for number in range(14)}
_PRESETS: Mapping[str, Mapping[str, _Preset]] = {"x264": _X264, "x265": _X265, "svtav1": _SVTAV1}
_SVTAV1_LARGE = 1_500_000  # pixels from which its preset 8 does without what costs memory
_LEVELS = (1, 2, 5, 11, 23)  # SVT-AV1: most threads that each level of parallelism stands for; the sixth has no end


def _preset(encoder: str, name: str) -> _Preset:
    presets = _PRESETS[encoder]
    if name not in presets:
        raise LookupError(f"encoder.preset: {encoder} has no {name!r}; use {', '.join(presets)}")
    return presets[name]


def threads_fed(encoder: str, preset: str, width: int, height: int) -> float:
    """The most threads that one encode keeps busy, however many it is given; at least 1.

    Args:
        encoder: option of the group `encoder` (`x264`). A hardware encoder keeps one thread busy, which feeds it.
        preset: the encoder's own word.
        width: pixels.
        height: pixels.

    Raises:
        LookupError: when the encoder has no such preset.
    """
    if encoder not in _PRESETS:
        return 1.0
    found = _preset(encoder, preset)
    columns, rows = math.ceil(width / found.unit), math.ceil(height / found.unit)
    if encoder == "x264":
        # frame threads follow each other some rows of macroblocks apart: with fewer than four rows each they wait
        return max(1.0, min(found.threads, rows / 4))
    # SVT-AV1 codes more than one picture of a mini-GOP at once
    abreast = 1.5 if encoder == "svtav1" else 1.0
    return max(1.0, min(found.threads, abreast * _wavefront(columns, rows)))


def _wavefront(columns: int, rows: int) -> float:
    """Units coded at once, on average, where each row of units follows the one above it by two units."""
    return columns * rows / (columns + 2 * (rows - 1))


def svtav1_level(threads: int) -> int:
    """The level of parallelism, 1 to 6 (`svtav1-params:lp`), that SVT-AV1 itself takes for so many cores."""
    return bisect_left(_LEVELS, threads) + 1


def encoding_mb(encoder: str, preset: str, width: int, height: int, depth: int, threads: int) -> float:
    """Peak resident memory of an encode from raw pictures, MB, as measured on 360p to 1080p.

    Args:
        encoder: option of the group `encoder`. For a hardware encoder: the process and its driver, as others tell.
        preset: the encoder's own word.
        width: pixels.
        height: pixels.
        depth: bits per component.
        threads: threads it is given.

    Raises:
        LookupError: when the encoder has no such preset.
    """
    size = width * height / 1e6 * (_DEEPER.get(encoder, 2.0) if depth > 8 else 1.0)
    if encoder not in _PRESETS:
        return 300 + 60 * size
    found = _preset(encoder, preset)
    if encoder == "x264":
        frames = min(threads, math.ceil(height / 32))  # it starts no more than one per two rows of macroblocks
        pictures = 42 + 3.0 * found.lookahead + 6.8 * found.kept
        return 30 + size * pictures + frames * (1 + size * (5.6 + 0.6 * found.kept))
    if encoder == "x265":
        each = 5.5 + 3.0 * size if found.unit == 32 else 9.0 + 3.7 * size
        return 45 + size * (115 + 4.2 * found.lookahead) + threads * each
    level = svtav1_level(threads)
    if int(preset) <= 7 or (preset == "8" and width * height < _SVTAV1_LARGE):
        return 45 + 20 * level + size * (210 + 88 * level)
    return 45 + 13 * level + size * (110 + 55 * level)


def decoding_mb(width: int, height: int, depth: int, threads: int) -> float:
    """What decoding the source adds, MB: a few pictures per thread, of which decoders take 16 at most."""
    return min(threads, 16) * 3.0 * width * height / 1e6 * (2 if depth > 8 else 1)


def memory_mb(encoder: str, preset: str, width: int, height: int, depth: int, threads: int) -> int:
    """Memory to plan with for one encode and its decoder, MB: what the model tells and a quarter more.

    Raises:
        LookupError: when the encoder has no such preset.
    """
    needed = encoding_mb(encoder, preset, width, height, depth, threads) + decoding_mb(width, height, depth, threads)
    return math.ceil(MARGIN * needed)


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How a film is encoded.

    Attributes:
        workers: encodes at once.
        threads: threads of each.
        target: frames of a chunk; 0: whole.
        reason: why so, in a sentence.
    """

    workers: int
    threads: int
    target: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Encode:
    """One encode on a machine with so many cores and so much free memory."""

    encoder: str
    preset: str
    width: int
    height: int
    depth: int
    cores: int
    ram_mb: int

    @property
    def fed(self) -> float:
        """Threads that it keeps busy."""
        return threads_fed(self.encoder, self.preset, self.width, self.height)

    @property
    def abreast(self) -> int:
        """How many it takes to keep the cores busy; a second one from half the cores of the first on.

        A hardware encoder is one engine: how many it codes at once is a matter of its sessions, not of cores.
        """
        return max(1, math.floor(self.cores / self.fed + 0.5)) if self.encoder in _PRESETS else 1

    @property
    def room(self) -> int:
        """The same, as far as memory goes."""
        fitting = (n for n in range(self.abreast, 1, -1) if n * self.memory(n) <= self.ram_mb)
        return next(fitting, 1)

    def memory(self, workers: int) -> int:
        """MB that each of so many takes."""
        return memory_mb(self.encoder, self.preset, self.width, self.height, self.depth, self.threads(workers))

    def threads(self, workers: int) -> int:
        """Threads of each of so many: no more than it feeds."""
        return max(1, min(math.ceil(self.fed), self.cores // workers))


def plan_chunks(
    frames: int, fps: float, encoder: str, preset: str, width: int, height: int, cores: int, ram_mb: int,
    wish: Literal["auto", "off"] | float = "auto", bitrate_mode: bool = False, *,
    workers: int | None = None, depth: int = 8,
) -> ChunkPlan:  # fmt: skip
    """Whole, or chunks of which length, how many at once, and with how many threads each.

    Args:
        frames: how many the film has.
        fps: about how many a second.
        encoder: option of the group `encoder`.
        preset: the encoder's own word.
        width: pixels that are encoded.
        height: pixels that are encoded.
        cores: physical cores that may be used.
        ram_mb: memory that is free.
        wish: `auto`, `off`, or seconds of a chunk.
        bitrate_mode: coded by bitrate alone; its rate control sees the whole film only when it is not cut.
        workers: encodes at once, when somebody said so; memory is then not asked.
        depth: bits per component.

    Raises:
        LookupError: when the encoder has no such preset.
    """
    encode = _Encode(encoder, preset, width, height, depth, max(1, cores), ram_mb)
    count = encode.room if workers is None else max(1, workers)
    if wish == "off":
        return _whole(encode, "chunks are switched off")
    if wish != "auto":
        note = "; rate control begins anew in each" if bitrate_mode else ""
        return _cut(encode, frames, max(1, round(wish * fps)), count, f"chunks of {wish:g} s, as asked{note}")
    if bitrate_mode:
        return _whole(encode, "rate control by bitrate needs the film in one piece")
    return _automatic(encode, frames, fps, count)


def _whole(encode: _Encode, why: str) -> ChunkPlan:
    return ChunkPlan(1, encode.threads(1), 0, f"encoded whole: {why}")


def _cut(encode: _Encode, frames: int, target: int, count: int, why: str) -> ChunkPlan:
    count = max(1, min(count, math.ceil(frames / target)))
    threads = encode.threads(count)
    each = f"{threads} thread{'s' if threads > 1 else ''} each"
    return ChunkPlan(count, threads, target, f"{why}; {count} at once, {each}")


def _automatic(encode: _Encode, frames: int, fps: float, count: int) -> ChunkPlan:
    seconds = frames / fps
    count = max(1, min(count, int(seconds / LEAST_S)))
    rounds = max(1, min(_PER_WORKER, int(seconds / (LEAST_S * count))))  # each worker gets as many chunks
    length = min(MOST_S, seconds / (rounds * count))
    target = max(1, round(length * fps))
    if count > 1:
        why = f"chunks of {length:.0f} s: one encode keeps only {encode.fed:.2g} of {encode.cores} cores busy"
        return _cut(encode, frames, target, count, why)
    if seconds > LONG_S:
        return _cut(encode, frames, target, 1, f"chunks of {length:.0f} s, so that a break costs little of a long film")
    return _whole(encode, _why_whole(encode, seconds))


def _why_whole(encode: _Encode, seconds: float) -> str:
    if encode.encoder not in _PRESETS:
        return "a hardware encoder gains nothing from chunks"
    if encode.abreast == 1:
        return f"one encode keeps {encode.fed:.2g} threads busy, and there are {encode.cores} cores"
    if encode.room == 1:
        return f"one encode keeps only {encode.fed:.2g} of {encode.cores} cores busy, but memory is short for a second"
    return f"{seconds:.1f} s are too short for chunks of {LEAST_S:g} s"
