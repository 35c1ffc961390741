"""What the survey found for a target: the pieces carry it to the stage that finishes the film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stages.contract import Json


@dataclass(frozen=True, slots=True)
class Sought:
    """A quality number, and what it was found by.

    Attributes:
        quality: the number that the pieces are encoded with.
        curve: number → score, of what was probed.
        whole: the curve is that of all of the film, else of windows.
        settled: the target is out of reach, and the number as near as one gets: the film is not encoded once more.
    """

    quality: float
    curve: Mapping[float, float]
    whole: bool = False
    settled: bool = False

    def to_json(self) -> dict[str, Json]:
        """As an item carries it."""
        curve = sorted([number, score] for number, score in self.curve.items())
        return {"quality": self.quality, "curve": curve, "whole": self.whole, "settled": self.settled}

    @classmethod
    def from_json(cls, said: Mapping[str, Json]) -> Sought:
        """Read again."""
        return cls(**{**said, "curve": dict(said["curve"])})
