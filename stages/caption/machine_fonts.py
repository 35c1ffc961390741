"""Where the fonts of this machine lie: the one place of the captions that knows systems."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.contract import StageError
from stages.media.processes import run_process

_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_ANSWER_S = 30.0
_MOST_BYTES = 64 * 1024 * 1024


def files_in(folder: Path) -> list[Path]:
    """Font files of a folder and of those in it, in order of their paths; none when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


def machine_fonts(wanted: frozenset[str]) -> list[Path]:
    """Font files of the system that have at least one of the wanted characters, as far as it can be told quickly.

    fontconfig is asked where there is one; else every file of the usual folders is named.
    """
    program = shutil.which("fc-list")
    if program is None:
        return [file for folder in usual_folders() for file in files_in(folder)]
    codes = {ord(sign) for sign in wanted}
    return sorted({file for file, spans in _told_by(program) if any(_within(code, spans) for code in codes)})


def usual_folders() -> list[Path]:
    """Where this system keeps fonts, whether or not the folders are there."""
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
        return [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts"), local / "Microsoft" / "Windows" / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path.home() / "Library" / "Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local" / "share" / "fonts"]


@functools.cache
def _told_by(program: str) -> tuple[tuple[Path, tuple[tuple[int, int], ...]], ...]:
    """What fontconfig tells of all fonts: file, and the spans of code points that it has."""
    try:
        done = run_process([program, "--format", "%{file}\t%{charset}\n"], timeout_s=_ANSWER_S, keep_stdout=_MOST_BYTES)
    except StageError:  # a broken fontconfig: the folders serve as well
        return tuple((file, ((0, sys.maxunicode),)) for folder in usual_folders() for file in files_in(folder))
    return tuple(_rows(done.stdout.decode("utf-8", "replace")))


def _rows(told: str) -> Iterator[tuple[Path, tuple[tuple[int, int], ...]]]:
    for line in told.splitlines():
        name, _, charset = line.partition("\t")
        file = Path(name)
        if file.suffix.lower() in _SUFFIXES:
            yield file, tuple(_span(word) for word in charset.split())


def _span(word: str) -> tuple[int, int]:
    first, _, last = word.partition("-")
    return int(first, 16), int(last or first, 16)


def _within(code: int, spans: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in spans)
