"""What is made of one segment: which frames go in, which come out, by which model and encoder. Nothing is left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from stages.contract import Json
from stages.media.encoders.settings import EncoderConfig


@dataclass(frozen=True, slots=True)
class Order:
    """One segment.

    Attributes:
        stream: index of the video stream.
        size: of its pictures, pixels.
        time_base: seconds per unit of every pts here, as `1/30000`.
        decode: pts of the first frame to decode, and of the first that is no longer wanted; None: to the end. Frames
            before `keep` and after it are there for filters and stabilising that look at their neighbours.
        keep: the same of the frames that are written.
        count: frames that are written; 0 when that is known only when all is decoded (salvage).
        frames: indices of the first and of the one after the last, for sentences.
        deinterlace: frames are made of two fields.
        encoder: settings, none of them open.
        rate: frames per second, as a fraction; the encoder's rate control wants to know.
        scale: how many times larger.
        model: name and sha256 of the model.
        precision: what the model computes in.
        stabilise: level.
        strict: damage ends the work.
        share: what it may take on disk (see `stages.upscale.limit.Share`).
    """

    stream: int
    size: tuple[int, int]
    time_base: str
    decode: tuple[int | None, int | None]
    keep: tuple[int | None, int | None]
    count: int
    frames: tuple[int, int]
    deinterlace: bool
    encoder: Mapping[str, Any]
    rate: str
    scale: int
    model: Mapping[str, str] = field(default_factory=dict)
    precision: str = "fp32"
    stabilise: str = "off"
    strict: bool = True
    share: Mapping[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> Fraction:
        """The time base as a number."""
        return Fraction(self.time_base)

    @property
    def step(self) -> int:
        """From one frame to the next at its rate, in units of the time base."""
        return max(1, round(1 / (Fraction(self.rate) * self.base)))

    @property
    def config(self) -> EncoderConfig:
        """The encoder's settings."""
        return EncoderConfig(**self.encoder)

    def to_json(self) -> dict[str, Json]:
        """As an item carries it."""
        return {**asdict(self), "encoder": dict(self.encoder), "model": dict(self.model), "share": dict(self.share)}

    @classmethod
    def from_json(cls, said: Mapping[str, Json]) -> Order:
        """Read again."""
        pairs = {name: tuple(said[name]) for name in ("size", "decode", "keep", "frames")}
        return cls(**{**said, **pairs})
