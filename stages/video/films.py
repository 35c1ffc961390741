"""Films: one file is one item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.contract import Json
from stages.settings import setting
from stages.source import Found, Source, Unreadable

KIND = "video/film"


@dataclass(frozen=True)
class FilmsSettings:
    """What the finished films are compared with."""

    reference: str = setting("", "a film, or a folder of films named like the inputs; empty: the input itself")


class Films(Source[FilmsSettings]):
    """One film per file. Whether it is one, and what it holds, is found by the first stage that looks into it.

    `reference` is what the finished film is compared with: the same file, or the one that the settings name for it.
    Then `against` tells so: `{"file": name}`, or `{"missing": sentence}` where the folder holds none for this film.
    """

    config_class = FilmsSettings
    suffixes: ClassVar[tuple[str, ...]] = (
        ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob",
        ".flv", ".f4v", ".wmv", ".asf", ".3gp", ".3g2", ".ogv", ".mxf", ".y4m", ".nut", ".gif", ".h264", ".hevc",
    )  # fmt: skip
    provides: ClassVar[Mapping[str, str]] = {"film": KIND, "reference": KIND}
    writes: ClassVar[tuple[str, ...]] = ("against",)
    measure = "seconds"

    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """The file itself, and its reference; nothing is opened."""
        reference, against = path, dict[str, Json]()
        if self.config.reference:
            found = self._partner(path)
            reference = found or path
            against = {"file": found.name} if found else {"missing": self._missing(path)}
        data = {"against": against} if against else {}
        yield Found(path.stem or path.name, data, {"film": (path, KIND), "reference": (reference, KIND)})

    def excerpt(self, paths: Sequence[Path], amount: float, folder: Path) -> list[Path]:
        """Groups of pictures, easy and hard ones as they come in the films, of together about `amount` seconds.

        With a reference the films are taken whole: only then are they compared with what they belong to.
        """
        from stages.video.excerpt import excerpt

        return list(paths) if self.config.reference else excerpt(paths, amount, folder)

    def _partner(self, path: Path) -> Path | None:
        """The file that was named, or the one in the folder of the same name, or of the same stem."""
        named = Path(self.config.reference)
        if not named.is_dir():
            return named
        films = sorted(file for file in named.iterdir() if file.suffix.lower() in self.suffixes and file.is_file())
        alike = [file for file in films if file.stem == path.stem]
        return next((file for file in alike if file.name == path.name), alike[0] if alike else None)

    def _missing(self, path: Path) -> str:
        return f"{self.config.reference} holds no film named {path.stem} to compare with"
