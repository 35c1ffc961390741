"""A small stage that sets one field, so that a join has two sides."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.contract import Result, Stage, Work
from stages.settings import setting


@dataclass(frozen=True)
class MarkSettings:
    """Which field, and how slowly."""

    field: str = setting("left", "the field to set", choices=("left", "right"))
    prefix: str = setting("", "put before the text")
    sleep_s: float = setting(0.0, "waits this long", low=0, unit="s", affects_output=False)


class Mark(Stage[MarkSettings]):
    """field = prefix + text."""

    config_class = MarkSettings
    reads: ClassVar[Sequence[str]] = ("text",)
    writes: ClassVar[Sequence[str]] = ("left", "right")
    produces: ClassVar[Mapping[str, str]] = {}

    def run(self, work: Work) -> Result:
        """Set the field."""
        time.sleep(self.config.sleep_s)
        return Result(data={self.config.field: self.config.prefix + str(work.item.data["text"])})
