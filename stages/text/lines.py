"""Texts from a list: plain lines, a table (CSV, TSV), or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, StageError
from stages.settings import setting
from stages.source import Found, Source, Unreadable
from stages.text.decode import check_text, open_text
from stages.text.rows import Names, NotATextError, Row, line_name
from stages.text.table import json_rows, table_rows


@dataclass(frozen=True, slots=True)
class LinesSettings:
    """How a list of texts is read."""

    column: str = setting("text", "column (or JSON field) that holds the text")


class TextLines(Source[LinesSettings]):
    """One text per item, from a file of any length, read as it is needed.

    The suffix decides how a file is read:
        `.csv` `.tsv`: a header line with the column `text` (or `sentence`), and `id` (or `name`), `voice`, `rate` if
            wanted; parted by commas, semicolons or tabs.
        `.jsonl` `.ndjson`: one object a line with the same fields.
        any other: one text per line; the name of a text is the number of its line.
    `rate` is a change in percent (`+10%`, `-5`). An item has `voice` and `rate` only where its row says so.
    """

    config_class = LinesSettings
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")
    lists = True
    writes: ClassVar[tuple[str, ...]] = ("text", "voice", "rate")
    measure = "items"

    def read(self, path: Path) -> Iterator[Found | Unreadable]:
        """Items of one file.

        Raises:
            StageError: BAD_INPUT when the file cannot be opened, is not UTF-8, or is a table without a text column.
        """
        try:
            check_text(path)
            yield from self._items(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StageError(Failure.BAD_INPUT, f"{path}: cannot be read ({reason}); name a file that can") from error

    def excerpt(self, paths: Sequence[Path], amount: float, folder: Path) -> list[Path]:
        """Short and long texts as they come in the lists, `amount` in all, as one list."""
        texts = [found for path in paths for found in self.read(path) if isinstance(found, Found)]
        if len(texts) <= amount:
            return list(paths)
        by_length = sorted(texts, key=lambda found: len(found.data["text"]))
        count = max(1, int(amount))
        chosen = [by_length[int((place + 0.5) * len(by_length) / count)] for place in range(count)]
        target = folder / "excerpt.jsonl"
        rows = [json.dumps({**found.data, "id": line_name(n)}, ensure_ascii=False) for n, found in enumerate(chosen, 1)]
        target.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return [target]

    def _items(self, path: Path) -> Iterator[Found | Unreadable]:
        suffix = path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            delimiters = "\t" if suffix == ".tsv" else ",;\t"
            yield from _named(path, table_rows(path, self.config.column, delimiters))
        elif suffix in (".jsonl", ".ndjson"):
            yield from _named(path, json_rows(path, self.config.column))
        else:
            yield from _lines(path)


def _lines(path: Path) -> Iterator[Found | Unreadable]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if "\0" in text:
                sentence = f"{path}, line {number}: holds a NUL byte; delete it, or save the file as text"
                yield Unreadable(line_name(number), sentence)
            elif text:
                yield Found(line_name(number), {"text": text})


def _named(path: Path, rows: Iterator[Row | NotATextError]) -> Iterator[Found | Unreadable]:
    """Rows as items; each name once, and fit to become part of a file name."""
    names = Names()
    for row in rows:
        try:
            if isinstance(row, NotATextError):
                raise row
            yield Found(names.take(row), row.data())
        except NotATextError as error:
            # not the plain number: a list may well use numbers as ids
            yield Unreadable(f"line-{line_name(error.line)}", f"{path}, line {error.line}: {error}")
