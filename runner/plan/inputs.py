"""What the user named → files → items, read once and frozen."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runner.plan.index import Index
from runner.plan.plan import PlannedItem
from stages.contract import Artifact, Item, StageError
from stages.settings import Problem
from stages.source import Source, Unreadable

_GLOB = set("*?[")
_LIST_SUFFIXES = (".txt", ".lst", ".list")


def named_files(words: Sequence[str], source: type[Source[Any]]) -> tuple[list[Path], list[Problem]]:
    """Files behind the words: files, folders (searched for the source's suffixes), globs, list files."""
    found = [found for word in words for found in _files_or_problem(word, source)]
    files = [entry for entry in found if isinstance(entry, Path)]
    problems = [entry for entry in found if isinstance(entry, Problem)]
    return files, problems


def _files_or_problem(word: str, source: type[Source[Any]], inside: tuple[Path, ...] = ()) -> list[Path | Problem]:
    found = list(_files_of(word, source, inside)) or [_nothing(word, source)]
    return [_unnamable(entry) if isinstance(entry, Path) and not _is_text(str(entry)) else entry for entry in found]


def _files_of(word: str, source: type[Source[Any]], inside: tuple[Path, ...]) -> Iterator[Path | Problem]:
    path = Path(word)
    if _is(path, "is_dir"):
        yield from sorted(f for f in path.rglob("*") if f.is_file() and _suits(f.relative_to(path), source))
    elif _is(path, "is_file"):
        if _is_list(path, source):
            yield from _listed(path, source, inside)
        else:
            yield path
    elif _GLOB & set(word):
        yield from sorted(Path(f) for f in glob.glob(word, recursive=True) if Path(f).is_file())  # noqa: PTH207


def _is_list(path: Path, source: type[Source[Any]]) -> bool:
    """A text file of names, for a source that reads no text files itself."""
    suffix = path.suffix.lower()
    return bool(not source.lists and source.suffixes and suffix in _LIST_SUFFIXES and suffix not in source.suffixes)


def _listed(path: Path, source: type[Source[Any]], inside: tuple[Path, ...]) -> Iterator[Path | Problem]:
    """The files that a list file names, a line each, from its own folder on."""
    if path.resolve() in inside:
        yield Problem("input", f"the list {str(path)!r} names itself", "take that line out")
        return
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except UnicodeDecodeError:
        yield Problem("input", f"the list {str(path)!r} is no UTF-8 text", "save it as UTF-8")
        return
    if not lines:
        yield Problem("input", f"the list {str(path)!r} is empty", "write a file name on each line")
    for line in lines:
        yield from _files_or_problem(str(path.parent / line), source, (*inside, path.resolve()))


def _is_text(name: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _unnamable(path: Path) -> Problem:
    """Keys, journal and results are UTF-8; a file's name may be any bytes."""
    return Problem("input", f"the name of {str(path)!r} is not UTF-8", "rename the file")


def _is(path: Path, what: str) -> bool:
    try:
        return bool(getattr(path, what)())
    except (OSError, ValueError):
        return False


def _suits(path: Path, source: type[Source[Any]]) -> bool:
    """Nothing hidden, on the way down either."""
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    return not hidden and (not source.suffixes or path.suffix.lower() in source.suffixes)


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
