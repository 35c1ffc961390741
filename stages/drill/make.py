"""A small source: one item per line of JSON or per plain line, for drills and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.source import Found, Source, Unreadable


@dataclass(frozen=True)
class MakeSettings:
    """Nothing to set."""


class Make(Source[MakeSettings]):
    """Each non-empty line is an item whose `text` is the line."""

    config_class = MakeSettings
    lists: ClassVar[bool] = True
    writes: ClassVar[Sequence[str]] = ("text",)
    provides: ClassVar[Mapping[str, str]] = {}

    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """One item per line, named by its number."""
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield Found(f"{number:06d}", {"text": line.strip()})
