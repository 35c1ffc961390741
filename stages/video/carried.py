"""What the survey tells the joiner: the container, which streams are copied, and how to compare the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from stages.contract import Json


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes beside the pictures.

    Attributes:
        container: option of `container`.
        copied: indices of the film's streams that are copied.
        converted: those that are converted, in the order of the file of sides.
        compare: how the result is compared with the film (see `stages.quality.picture`).
        shift: seconds, as a fraction, that are taken from every time.
    """

    container: str
    copied: tuple[int, ...]
    converted: tuple[int, ...]
    compare: Mapping[str, Json] = field(default_factory=dict)
    shift: str = "0"

    def to_json(self) -> dict[str, Json]:
        """As an item carries it."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Json]) -> Carried:
        """Read again."""
        return cls(**{**said, "copied": tuple(said["copied"]), "converted": tuple(said["converted"])})
