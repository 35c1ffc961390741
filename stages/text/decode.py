"""Opening text files: UTF-8, with or without a byte order mark, any kind of line end."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TextIO

from stages.contract import Failure, StageError

_BLOCK = 1 << 16
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MANY_NULS = 0.1  # of the first block: UTF-16 without a mark is half NULs, a text has none


def open_text(path: Path) -> TextIO:
    """The file as text; lines end at LF, CRLF or CR, and a byte order mark is no part of the first."""
    return path.open(encoding="utf-8-sig")


def check_text(path: Path) -> None:
    """Refuse a file that is not UTF-8 before anything is made of its first half. Reads it once, block by block.

    Raises:
        StageError: BAD_INPUT, naming the line and the byte.
        OSError: when it cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = lines = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if done == 0:
                _refuse_other_kinds(path, block)
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                raise _not_utf8(path, lines + 1, done - held + error.start + 1) from error
            done += len(block)
            lines += block.count(b"\n")
    if held := len(decoder.getstate()[0]):
        raise _not_utf8(path, lines + 1, done - held + 1)


def _refuse_other_kinds(path: Path, block: bytes) -> None:
    if block.startswith(_UTF16) or block.count(0) > _MANY_NULS * len(block):
        sentence = f"{path}: is UTF-16 or no text at all; save it as UTF-8 text"
        raise StageError(Failure.BAD_INPUT, sentence)


def _not_utf8(path: Path, line: int, byte: int) -> StageError:
    return StageError(Failure.BAD_INPUT, f"{path}, line {line}: byte {byte} is not UTF-8; save the file as UTF-8")
