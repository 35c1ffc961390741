"""A piece of a film: the frames of one chunk of one video stream, or all that has to be converted beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction

from stages.contract import Json

PICTURES, SIDES = "pictures", "sides"
_TUPLES = ("pts", "filters", "size")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one task encodes, fully settled: nothing is decided any more when it runs.

    Attributes:
        kind: `pictures` or `sides`.
        stream: index of the video stream in the film.
        first: index of its first frame.
        count: frames that go in; 0: all that decode.
        expected: frames that come out; 0 when that cannot be known before (another rate, salvage).
        exact: every frame gets the very time it has in the film; else the times that come out hold.
        pts: those of the first frame, and of the frame after the last (or its end), in `time_base`.
        time_base: seconds per unit, as `1/30000`.
        seek: time in seconds, as a fraction, to start decoding at; "" for the beginning.
        options: FFmpeg's video options.
        filters: FFmpeg's filters, in order.
        size: of the pictures as they are coded; the filters keep it steady. (0, 0): they may not change.
        upright: FFmpeg turns the picture as the film asks players to; else they go on doing that.
        encoder: option of the group `encoder`.
        threads: that the encode keeps busy.
        ram_mb: memory of the encode, MB.
        sessions: sessions of a hardware encoder.
        strict: damage ends the work.
        sides: streams to convert → encoder.
        format: container of the sides, FFmpeg's name.
        bitrate: of sound that is coded.
    """

    kind: str
    stream: int = 0
    first: int = 0
    count: int = 0
    expected: int = 0
    exact: bool = True
    pts: tuple[int, int] = (0, 0)
    time_base: str = "1/1000"
    seek: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    upright: bool = False
    encoder: str = ""
    threads: int = 1
    ram_mb: int = 300
    sessions: int = 0
    strict: bool = True
    sides: Mapping[str, str] = field(default_factory=dict)
    format: str = ""
    bitrate: str = ""

    @property
    def base(self) -> Fraction:
        """The time base as a number."""
        return Fraction(self.time_base)

    def to_json(self) -> dict[str, Json]:
        """As an item carries it."""
        lists = {name: list(getattr(self, name)) for name in _TUPLES}
        return {**asdict(self), **lists, "options": dict(self.options), "sides": dict(self.sides)}

    @classmethod
    def from_json(cls, said: Mapping[str, Json]) -> Piece:
        """Read again."""
        return cls(**{**said, **{name: tuple(said[name]) for name in _TUPLES}})
