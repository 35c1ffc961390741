"""A small join: the notes of two stages, by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.contract import Result, Stage, Work
from stages.settings import setting


@dataclass(frozen=True)
class PairSettings:
    """What stands between."""

    between: str = setting("+", "stands between the two")


class Pair(Stage[PairSettings]):
    """`left` and `right`, set by two stages above, become `text`."""

    config_class = PairSettings
    reads: ClassVar[Sequence[str]] = ("left", "right")
    writes: ClassVar[Sequence[str]] = ("text",)
    produces: ClassVar[Mapping[str, str]] = {}

    def run(self, work: Work) -> Result:
        """Join the two."""
        data = work.item.data
        return Result(data={"text": f"{data['left']}{self.config.between}{data['right']}"})
