"""Scripts from files: one file, one film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, StageError
from stages.script.model import ScriptError
from stages.script.parse import FORMATS, parse_script
from stages.script.pictures import assets_of
from stages.script.settings import ScriptSettings
from stages.source import Found, Source, Unreadable
from stages.text.decode import check_text, open_text

LARGEST_MB = 1


class ScriptFiles(Source[ScriptSettings]):
    """Each text file as an item: its text, how it is written, and the pictures that its scenes name.

    Data: `source_text`, `source_format` (txt, md, yaml), `folder` (absolute, where pictures are looked for), `assets`
    {name as written: {"path", "digest"} or {"problem"}}. Whether the text is a good script is for `script.write` to
    say: with a service that writes, it is only what the film is about.
    """

    config_class = ScriptSettings
    suffixes: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    lists = False
    writes: ClassVar[tuple[str, ...]] = ("source_text", "source_format", "folder", "assets")

    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """The one item of a file.

        Raises:
            StageError: BAD_INPUT when it cannot be read, is no UTF-8 text, holds a NUL, or is far too large.
        """
        written = FORMATS.get(path.suffix.lower(), "txt")
        text = _read(path)
        folder = (Path(self.config.folder) if self.config.folder else path.parent).absolute()
        if not str(folder).isprintable() and any("\ud800" <= sign <= "\udfff" for sign in str(folder)):
            raise StageError(Failure.BAD_INPUT, f"the name of the folder {str(folder)!r} is not UTF-8; rename it")
        yield Found(
            path.stem,
            {
                "source_text": text,
                "source_format": written,
                "folder": str(folder),
                "assets": assets_of(_pictures(text, written), folder),
            },
        )


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_MB * 1_000_000:
            raise StageError(Failure.BAD_INPUT, f"{path}: is larger than {LARGEST_MB} MB, no script; name another file")
        check_text(path)
        with open_text(path) as file:
            text = file.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StageError(Failure.BAD_INPUT, f"{path}: cannot be read ({reason}); name a file that can") from error
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise StageError(Failure.BAD_INPUT, f"{path}, line {number}: holds a NUL byte; delete it")
    return text


def _pictures(text: str, written: str) -> list[str]:
    try:
        scenes = parse_script(text, written).script.scenes
    except ScriptError:
        return []  # `script.write` says what is wrong, if it is to be a script at all
    return [scene.image for scene in scenes if scene.image]
