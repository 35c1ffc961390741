"""Pictures that lie in a folder: found by the scene's number or title, else dealt out in order of their names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.contract import Failure, Needs, StageError
from stages.image.decode import SUFFIXES, BrokenPictureError, Picture, decode
from stages.image.provider import Painted, Provider, Request
from stages.image.settings import ImageSettings
from stages.settings import Problem

_NUMBER = re.compile(r"\d+")


class Folder(Provider):
    """Takes pictures from `images.folder`."""

    needs = Needs(cpu_threads=1.0, ram_mb=700)

    def paint(self, request: Request) -> Painted:
        """The scene's own picture, else the one whose turn it is."""
        file, note = chosen(pictures_in(self.config.folder), request)
        if file is None:
            raise StageError(
                Failure.BAD_INPUT, f"images.folder: no picture lies in {self.config.folder}; put some there"
            )
        try:
            picture = decode(file, self.config.size)
        except BrokenPictureError as error:
            raise StageError(Failure.BAD_INPUT, f"{file} cannot be used: {error}; put another in its place") from error
        told = (f"{file.name}: {said}" for said in picture.notes)
        return Painted(Picture(picture.image, (*told, *note)))

    @classmethod
    def problems(cls, config: ImageSettings, key: str) -> Iterable[Problem]:
        """No folder, or one without pictures."""
        if not config.folder:
            yield Problem(f"{key}.folder", "it is empty", "name the folder of your pictures")
        elif not Path(config.folder).expanduser().is_dir():
            yield Problem(f"{key}.folder", f"there is no folder {config.folder}", "name the folder of your pictures")
        elif not pictures_in(config.folder):
            kinds = ", ".join(SUFFIXES)
            yield Problem(f"{key}.folder", f"no picture lies in {config.folder}", f"put some there ({kinds})")

    @classmethod
    def tools(cls, config: ImageSettings) -> Mapping[str, str]:
        """What lies in the folder: another picture there may be another picture here."""
        rows = [
            f"{file.name}\0{(stat := file.stat()).st_size}\0{stat.st_mtime_ns}" for file in pictures_in(config.folder)
        ]
        return {"pictures": hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()}


def pictures_in(folder: str) -> list[Path]:
    """Picture files of a folder, as a person counts: 2 before 10."""
    home = Path(folder).expanduser()
    if not folder or not home.is_dir():
        return []
    files = (file for file in home.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted((file for file in files if file.is_file()), key=lambda file: (_counted(file.stem), file.name))


def _counted(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def chosen(files: list[Path], request: Request) -> tuple[Path | None, tuple[str, ...]]:
    """The picture of a scene, and what has to be said of the choice."""
    if not files:
        return None, ()
    if own := _own(files, request):
        return own, ()
    place = max(request.number, 1) - 1
    note = f"images.folder holds {len(files)} pictures: {files[place % len(files)].name} is shown again"
    return files[place % len(files)], (note,) if place >= len(files) else ()


def _own(files: list[Path], request: Request) -> Path | None:
    """The picture that bears the scene's title, its name, or its number and no other."""
    by_word = {_plain(file.stem): file for file in reversed(files)}
    for word in (request.title, request.name):
        if word and _plain(word) in by_word:
            return by_word[_plain(word)]
    numbered = [(file, [int(number) for number in _NUMBER.findall(file.stem)]) for file in files]
    bearers = [file for file, numbers in numbered if numbers == [request.number]]
    every = all(len(numbers) == 1 for _, numbers in numbered)
    return bearers[0] if len(bearers) == 1 and every and request.number else None


def _plain(name: str) -> str:
    """Letters and digits alone: `The Old Lighthouse!` is `the_old-lighthouse`."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).casefold() if sign.isalnum())
