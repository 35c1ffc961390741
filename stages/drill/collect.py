"""A small gather: the texts of all children, in their order, as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.contract import Result, Stage, Work
from stages.settings import setting


@dataclass(frozen=True)
class CollectSettings:
    """What stands between."""

    between: str = setting(" ", "stands between the children's texts")


class Collect(Stage[CollectSettings]):
    """Children's `text` → one `film` file of their parent."""

    config_class = CollectSettings
    reads: ClassVar[Sequence[str]] = ("text",)
    writes: ClassVar[Sequence[str]] = ("text",)
    produces: ClassVar[Mapping[str, str]] = {"film": "text/plain"}
    gathers: ClassVar[bool] = True

    def run(self, work: Work) -> Result:
        """Join the children's texts in order."""
        text = self.config.between.join(str(part.data["text"]) for part in work.parts)
        film = work.scratch / "film.txt"
        film.write_text(text, encoding="utf-8")
        return Result(files={"film": film}, data={"text": text})
