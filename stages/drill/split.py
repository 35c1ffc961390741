"""A small fan-out: one child per word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.contract import Child, Failure, Result, Stage, StageError, Work
from stages.settings import setting


@dataclass(frozen=True)
class SplitSettings:
    """Where to cut."""

    separator: str = setting(" ", "what parts the children")
    fail_on: str = setting("", "a text that cannot be split", affects_output=False)
    files: bool = setting(False, "give each child a file")


class Split(Stage[SplitSettings]):
    """Children `000`, `001`, … whose `text` is one part each."""

    config_class = SplitSettings
    reads: ClassVar[Sequence[str]] = ("text",)
    writes: ClassVar[Sequence[str]] = ("text", "number")
    produces: ClassVar[Mapping[str, str]] = {}
    fans_out: ClassVar[bool] = True

    def run(self, work: Work) -> Result:
        """Cut the text."""
        text = str(work.item.data["text"])
        if self.config.fail_on and self.config.fail_on in text:
            raise StageError(Failure.BAD_INPUT, f"{text!r} cannot be split")
        parts = [part for part in text.split(self.config.separator) if part]
        return Result(children=[self._child(work, number, part) for number, part in enumerate(parts)])

    def _child(self, work: Work, number: int, part: str) -> Child:
        files = {}
        if self.config.files:
            files["part"] = work.scratch / f"{number}.txt"
            files["part"].write_text(part, encoding="utf-8")
        return Child(f"{number:03d}", {"text": part, "number": number}, files)
