"""What the user named → files → items, read once and frozen."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runner.plan.index import Index
from runner.plan.plan import PlannedItem
from stages.contract import Artifact, Item, Source, StageError, Unreadable
from stages.settings import Problem

_GLOB = set("*?[")
_LIST_SUFFIXES = (".txt", ".lst", ".list")


def named_files(words: Sequence[str], source: type[Source[Any]]) -> tuple[list[Path], list[Problem]]:
    """Files behind the words: files, folders (searched for the source's suffixes), globs, list files."""
    files: list[Path] = []
    problems: list[Problem] = []
    for word in words:
        found = list(_files_of(word, source))
        if not found:
            problems.append(_nothing(word, source))
        files.extend(found)
    return files, problems


def _files_of(word: str, source: type[Source[Any]]) -> Iterator[Path]:
    path = Path(word)
    if _is(path, "is_dir"):
        yield from sorted(f for f in path.rglob("*") if f.is_file() and _suits(f, source))
    elif _is(path, "is_file"):
        if not source.lists and source.suffixes and path.suffix.lower() in _LIST_SUFFIXES and not _suits(path, source):
            lines = path.read_text(encoding="utf-8").splitlines()
            for line in filter(None, map(str.strip, lines)):
                yield from _files_of(str(path.parent / line), source)
        else:
            yield path
    elif _GLOB & set(word):
        yield from sorted(Path(f) for f in glob.glob(word, recursive=True) if Path(f).is_file())  # noqa: PTH207


def _is(path: Path, what: str) -> bool:
    try:
        return bool(getattr(path, what)())
    except (OSError, ValueError):
        return False


def _suits(path: Path, source: type[Source[Any]]) -> bool:
    return not path.name.startswith(".") and (not source.suffixes or path.suffix.lower() in source.suffixes)


def _nothing(word: str, source: type[Source[Any]]) -> Problem:
    path = Path(word)
    if _is(path, "is_dir"):
        kinds = ", ".join(source.suffixes) or "any"
        return Problem("input", f"the folder {word!r} holds no file of its kind ({kinds})", "name another folder")
    siblings = [p.name for p in path.parent.iterdir()] if _is(path.parent, "is_dir") else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f" (did you mean {path.parent / near[0]}?)" if near else ""
    return Problem("input", f"there is no file {word!r}{hint}", "check the name, or write a setting as key=value")


def planned_items(files: Sequence[Path], source: Source[Any], index: Index) -> Iterator[PlannedItem]:
    """Every item of the files, numbered, each with a key of its own; what cannot be read is an item with a problem."""
    number = 0
    stems: set[str] = set()
    for file in files:
        stem = _free(file.stem or file.name, stems)
        for item, problem in _items_of(file, stem, source, index):
            yield PlannedItem(number, item, problem)
            number += 1


def _items_of(file: Path, stem: str, source: Source[Any], index: Index) -> Iterator[tuple[Item, str]]:
    try:
        for found in source.read(file):
            key = f"{stem}/{found.name}" if source.lists else stem
            if isinstance(found, Unreadable):
                yield Item(key), found.sentence
                continue
            files = {name: _outside(path, kind, index) for name, (path, kind) in found.files.items()}
            yield Item(key, found.data, files), ""
    except StageError as error:
        yield Item(stem), error.sentence
    except OSError as error:
        yield Item(stem), f"{file}: {error.strerror or error}; check that it can be read"


def _outside(path: Path, kind: str, index: Index) -> Artifact:
    stat = path.stat()
    return Artifact(path.resolve(), kind, index.digest(path), stat.st_size, stat.st_mtime_ns)


def _free(stem: str, taken: set[str]) -> str:
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name
