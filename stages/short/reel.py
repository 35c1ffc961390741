"""The clips of all scenes as one row of packets: integer times on one clock, nothing coded again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from stages.contract import Failure, StageError
from stages.media.faults import reading
from stages.media.probe import opened
from stages.scene.timing import FINE


@dataclass(frozen=True, slots=True)
class Clip:
    """One scene's pictures, as they lie in their file.

    Attributes:
        key: the scene.
        path: the file.
        start: frames of the film before it.
        order: for each packet, as they follow each other, which frame of the clip it holds.
        parameters: what a decoder is set up with, and the size: equal in all clips that can be joined.
        digest: sha256 of the sha256 of its packets.
    """

    key: str
    path: Path
    start: int
    order: tuple[int, ...]
    parameters: tuple[Any, ...]
    digest: bytes

    @property
    def ahead(self) -> int:
        """How many frames the decoder must be ahead of what is shown."""
        return max(number - frame for number, frame in enumerate(self.order))


def look(key: str, path: Path, start: int, frames: int, fps: Fraction) -> Clip:
    """Read a clip's packets; nothing is decoded.

    Args:
        key: the scene.
        path: the clip.
        start: frames of the film before it.
        frames: how many it must have.
        fps: frames per second.

    Raises:
        StageError: ENCODER when its frames are not those of the scene; BAD_INPUT when it cannot be read.
    """
    digest = hashlib.sha256()
    with opened(path) as container, reading(path):
        if not container.streams.video:
            raise _wrong(key, "its clip holds no pictures")
        stream = container.streams.video[0]
        times: list[Fraction] = []
        packets: Iterator[Any] = container.demux(stream)
        for packet in packets:
            if packet.size:
                digest.update(hashlib.sha256(bytes(packet)).digest())
                times.append(packet.pts * packet.time_base * fps)
        context = stream.codec_context
        parameters = (context.codec.canonical_name, context.width, context.height, context.pix_fmt, context.extradata)
    order = tuple(round(time) for time in times)
    if any(abs(time - frame) > Fraction(1, 100) for time, frame in zip(times, order, strict=True)):
        raise _wrong(key, f"its clip is not coded at {fps} frames per second")
    if sorted(order) != list(range(frames)):
        raise _wrong(key, f"its clip has {len(order)} frames, its sound takes {frames}")
    return Clip(key, path, start, order, parameters, digest.digest())


def _wrong(key: str, said: str) -> StageError:
    return StageError(Failure.ENCODER, f"{key}: {said}; have the clip made again")


def joinable(clips: Sequence[Clip]) -> None:
    """Refuse clips that were not coded alike: a film has one set of parameters for all its pictures.

    Raises:
        StageError: ENCODER, naming the scenes that differ from most, and how.
    """
    most, count = Counter(clip.parameters for clip in clips).most_common(1)[0]
    odd = [clip for clip in clips if clip.parameters != most]
    if not odd:
        return
    names = ", ".join(clip.key for clip in odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
    said = f"coded as {_told(odd[0].parameters)}, the other {count} scenes as {_told(most)}"
    mend = "name one encoder that does all of them, such as encoder=x264"
    raise StageError(Failure.ENCODER, f"{names}: {said}, so they cannot be joined by copying; {mend}")


def _told(parameters: tuple[Any, ...]) -> str:
    codec, width, height, pix_fmt, extradata = parameters
    mark = hashlib.sha256(extradata or b"").hexdigest()[:6]
    return f"{codec} {width}×{height} {pix_fmt} (parameter sets {mark})"


@dataclass(frozen=True, slots=True)
class Reel:
    """Clips in order, at one frame rate."""

    clips: tuple[Clip, ...]
    fps: Fraction

    @property
    def frames(self) -> int:
        """Of the whole film."""
        return self.clips[-1].start + len(self.clips[-1].order)

    @property
    def step(self) -> int:
        """Units of the clock per frame."""
        return self.fps.denominator * self._finer

    @property
    def base(self) -> Fraction:
        """Seconds per unit of the clock."""
        return Fraction(1, self.fps.numerator * self._finer)

    @property
    def _finer(self) -> int:
        return -(-FINE // self.fps.numerator)

    def packets(self) -> Iterator[Any]:
        """Packets of all clips in the order of decoding, frame by frame at its time.

        Decoding times run on over the joints: each packet is decoded one frame after the one before it.
        """
        ahead = max(clip.ahead for clip in self.clips)
        for clip in self.clips:
            with opened(clip.path) as container, reading(clip.path):
                packets = (p for p in container.demux(container.streams.video[0]) if p.size)
                for number, packet in enumerate(packets):
                    packet.time_base = self.base
                    packet.pts = (clip.start + clip.order[number]) * self.step
                    packet.dts = (clip.start + number - ahead) * self.step
                    packet.duration = self.step
                    yield packet
