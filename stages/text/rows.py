"""One row of a list of texts: what it may hold, and what its name may be."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RATE = re.compile(r"^([+-]?\d{1,4})(?:\.0+)?\s*%?$")
_NAME_BYTES = 200  # file systems take 255; suffixes and temporary names need the rest
_SHOWN = 60


class NotATextError(Exception):
    """A row that gives no text; the message says why and how to mend it, `line` where it begins."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """A text with what its row says about it. `rate` is a change in percent; `line` counts from 1."""

    line: int
    text: str
    id: str = ""
    voice: str = ""
    rate: int | None = None

    def data(self) -> dict[str, Any]:
        """The data fields of the item."""
        extra = {"voice": self.voice or None, "rate": self.rate}
        return {"text": self.text} | {name: value for name, value in extra.items() if value is not None}


def line_name(number: int) -> str:
    """`7` → `0007`."""
    return f"{number:04d}"


def row_of(line: int, fields: Mapping[str, Any]) -> Row:
    """A row from its fields `text`, `id`, `voice`, `rate`; None and blanks count as absent.

    Raises:
        NotATextError: when the text is missing or a field is not what it should be.
    """
    text = _word(line, fields, "text")
    if not text:
        raise NotATextError(line, "has no text; write one or delete the row")
    name = fields.get("id")
    if isinstance(name, int) and not isinstance(name, bool):
        fields = {**fields, "id": str(name)}
    return Row(line, text, _word(line, fields, "id"), _word(line, fields, "voice"), _rate(line, fields.get("rate")))


def _word(line: int, fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotATextError(line, f"{name} is {_show(value)}, not a text; put it in quotes")
    if "\0" in value:
        raise NotATextError(line, f"{name} holds a NUL character; delete it")
    if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise NotATextError(line, f"{name} holds half a character (a lone surrogate); write the whole one")
    return value.strip()


def _rate(line: int, value: Any) -> int | None:
    if value is None or value == "":
        return None
    match = None if isinstance(value, bool) else _RATE.match(str(value).strip())
    if match is None:
        raise NotATextError(line, f"rate is {_show(value)}; write a change in whole percent like +10 or -5")
    return int(match[1])


class Names:
    """Gives each row its name and refuses what is taken or cannot be part of a file name.

    Remembers 8 bytes of digest a name, not the names, so that a list of millions fits.
    """

    def __init__(self) -> None:
        self._taken: set[bytes] = set()

    def take(self, row: Row) -> str:
        """The row's id, or the number of its line.

        Raises:
            NotATextError: when the name is no good.
        """
        name = unicodedata.normalize("NFC", row.id) or line_name(row.line)
        reason = _name_problem(name)
        if reason:
            raise NotATextError(row.line, f"the id {_show(name)} {reason}; rename it")
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        if digest in self._taken:
            raise NotATextError(row.line, f"the id {_show(name)} is used already; give it another")
        self._taken.add(digest)
        return name


def _name_problem(name: str) -> str:
    if "/" in name or "\\" in name:
        return "holds a path separator"
    if name in (".", ".."):
        return "is a folder's name"
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name):
        return "holds a control character"
    if len(name.encode()) > _NAME_BYTES:
        return f"is longer than {_NAME_BYTES} bytes"
    return ""


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
