"""Films: one file is one item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.contract import Found, Source, Unreadable

KIND = "video/film"


@dataclass(frozen=True)
class FilmsSettings:
    """Nothing to set: the file says what it is."""


class Films(Source[FilmsSettings]):
    """One film per file. Whether it is one, and what it holds, is found by the first stage that looks into it.

    `reference` is the same file, for the stage that compares what was made with what it was made from.
    """

    config_class = FilmsSettings
    suffixes: ClassVar[tuple[str, ...]] = (
        ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob",
        ".flv", ".f4v", ".wmv", ".asf", ".3gp", ".3g2", ".ogv", ".mxf", ".y4m", ".nut", ".gif", ".h264", ".hevc",
    )  # fmt: skip
    provides: ClassVar[Mapping[str, str]] = {"film": KIND, "reference": KIND}
    measure = "seconds"

    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """The file itself; nothing is opened."""
        yield Found(path.stem or path.name, files=dict.fromkeys(self.provides, (path, KIND)))

    def excerpt(self, paths: Sequence[Path], amount: float, folder: Path) -> list[Path]:
        """Groups of pictures, easy and hard ones as they come in the films, of together about `amount` seconds."""
        from stages.video.excerpt import excerpt

        return excerpt(paths, amount, folder)
