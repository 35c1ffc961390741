"""Rows from tables (CSV, TSV) and JSON lines. A broken row costs itself alone."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from stages.contract import Failure, StageError
from stages.settings import nearest
from stages.text.decode import open_text
from stages.text.rows import NotATextError, Row, row_of

_ALIASES = {"id": ("id", "name"), "voice": ("voice",), "rate": ("rate",)}
_RECORD_LINES = 200  # a quote that is never closed is given up after so many lines
_RECORD_CHARS = 1_000_000
_OPEN_QUOTE = "unexpected end of data"  # what the csv module says when a quoted field goes on in the next line


def json_rows(path: Path, column: str) -> Iterator[Row | NotATextError]:
    """One row per JSON object; blank lines count but give nothing."""
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = _object(number, line)
                places = _places(list(value), column)
                yield row_of(number, {field: value[name] for field, name in places.items()})
            except NotATextError as error:
                yield error


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = str(error).split(":")[0]
        raise NotATextError(number, f'is broken JSON ({reason}); write {{"text": "…"}} on one line') from error
    if not isinstance(value, dict):
        raise NotATextError(number, 'is no JSON object; write {"text": "…"}')
    return value


def table_rows(path: Path, column: str, delimiters: str) -> Iterator[Row | NotATextError]:
    """One row per record of the table; a quoted text may go over several lines.

    Raises:
        StageError: BAD_INPUT when the header has no text column.
    """
    with open_text(path) as file:
        lines = _Lines(file)
        head = lines.first_written()
        if head is None:
            return
        table = _header(path, head[0], head[1], column, delimiters)
        while (start := lines.next()) is not None:
            if start[1].strip():
                yield _record(lines, start, table)


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[str]
    places: Mapping[str, str]
    delimiter: str


class _Lines:
    """Numbered lines of a file; some can be put back, for the next record to begin there."""

    def __init__(self, file: TextIO) -> None:
        self._file = enumerate(file, 1)
        self._waiting: deque[tuple[int, str]] = deque()

    def next(self) -> tuple[int, str] | None:
        return self._waiting.popleft() if self._waiting else next(self._file, None)

    def put_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._waiting.extendleft(reversed(lines))

    def first_written(self) -> tuple[int, str] | None:
        line = self.next()
        while line is not None and not line[1].strip():
            line = self.next()
        return line


def _record(lines: _Lines, start: tuple[int, str], table: _Table) -> Row | NotATextError:
    """The record that begins at `start`. When it is broken, the next one is looked for in the very next line."""
    taken = [start]
    try:
        values = _values(lines, taken, table.delimiter)
        if len(values) != len(table.columns):
            raise NotATextError(start[0], _count_reason(len(values), len(table.columns), table.delimiter))
        by_name = dict(zip(table.columns, values, strict=True))
        return row_of(start[0], {field: by_name[name] for field, name in table.places.items()})
    except NotATextError as error:
        lines.put_back(taken[1:])
        return error


def _values(lines: _Lines, taken: list[tuple[int, str]], delimiter: str) -> list[str]:
    """Fields of one record; lines are added to `taken` while a quote is open."""
    while True:
        try:
            return _split([line for _, line in taken], delimiter)
        except csv.Error as error:
            still_open = _OPEN_QUOTE in str(error)
            small = len(taken) < _RECORD_LINES and sum(len(line) for _, line in taken) < _RECORD_CHARS
            more = lines.next() if still_open and small else None
            if more is None:
                unclosed = still_open or len(taken) > 1
                reason = "a quote is opened and never closed" if unclosed else f"the quotes are broken ({error})"
                message = f'{reason}; put the whole text in "…" and write "" for a quote inside it'
                raise NotATextError(taken[0][0], message) from error
            taken.append(more)


def _split(lines: Sequence[str], delimiter: str) -> list[str]:
    return next(csv.reader(lines, delimiter=delimiter, strict=True), [])


def _header(path: Path, number: int, line: str, column: str, delimiters: str) -> _Table:
    """Column names and the delimiter that parts the table: the one that shows the text column, else most columns."""
    try:
        splits = [(delimiter, [name.strip() for name in _split([line], delimiter)]) for delimiter in delimiters]
    except csv.Error as error:
        sentence = f"{path}, line {number}: the header is broken ({error}); mend its quotes"
        raise StageError(Failure.BAD_INPUT, sentence) from error
    tables = [_Table(names, _places(names, column), delimiter) for delimiter, names in splits]
    best = max(tables, key=lambda table: ("text" in table.places, len(table.columns)))
    if reason := _header_reason(best, column):
        raise StageError(Failure.BAD_INPUT, f"{path}, line {number}: {reason}")
    return best


def _header_reason(table: _Table, column: str) -> str:
    twice = [name for name in table.columns if name and table.columns.count(name) > 1]
    if twice:
        return f"the header names {twice[0]!r} twice; rename one"
    if "text" not in table.places:
        there = f"{nearest(column, table.columns)}, only {', '.join(table.columns)}"
        return f"there is no column {column!r}{there}; name the one with the texts {column!r}"
    return ""


def _places(names: Sequence[str], column: str) -> dict[str, str]:
    """Our field → the name that the file has for it; case does not count, the first alias wins."""
    known = {name.casefold(): name for name in names}
    wanted = {"text": (column.casefold(), "sentence"), **_ALIASES}
    found = {field: [known[alias] for alias in aliases if alias in known] for field, aliases in wanted.items()}
    return {field: present[0] for field, present in found.items() if present}


def _count_reason(found: int, wanted: int, delimiter: str) -> str:
    sign = {"\t": "tab"}.get(delimiter, delimiter)
    if found > wanted:
        return f'has {found} fields where the header has {wanted}; put a text that holds "{sign}" in quotes'
    return f"has {found} fields where the header has {wanted}; add the missing ones, even if empty"
