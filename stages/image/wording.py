"""The words of a card: what is set large, what small above it, and where lines break."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.caption.fonts import clusters

_FIRST_WORDS = 9
_FIRST_SIGNS = 70
_LONGEST_OVERLINE = 40
_LONGEST_TITLE = 240
_PARTS = re.compile(r"^(.{2,}?)(?::\s+|：|\s+[–—|]\s+)(\S.*)$")
_WIDE = frozenset("WF")  # East Asian signs: a line may break after each
_HYPHENED = 0x530  # Latin, Greek, Cyrillic: words that are parted get a hyphen
_NOT_FIRST = frozenset("、。，．・：；？！」』）】〉》”’ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.;:!?)]}")


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on a card; `over` is a small line above `main`, or "". `quoted`: the scene has no title."""

    main: str
    over: str = ""
    quoted: bool = False


def words_of(title: str, text: str) -> Words:
    """The title, in two parts where it has them, else the first words of the text."""
    title = _one_line(title)
    if len(title) > _LONGEST_TITLE:
        title = title[:_LONGEST_TITLE].rsplit(" ", 1)[0] + "…"
    if not title:
        return Words(first_words(_one_line(text)), quoted=True)
    parts = _PARTS.match(title)
    if parts and len(parts[1]) <= _LONGEST_OVERLINE:
        return Words(parts[2], parts[1])
    return Words(title)


def _one_line(text: str) -> str:
    """Without line breaks, control signs and halves of characters."""
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join("".join(sign for sign in shown if unicodedata.category(sign) != "Cs").split())


def first_words(text: str) -> str:
    """The first sentence if it is short, else its first words."""
    sentence = re.match(r".+?[.!?。！？…](?=\s|$|[^\x00-\x7f])", text)
    if sentence and len(sentence[0]) <= _FIRST_SIGNS and len(sentence[0].split()) <= _FIRST_WORDS:
        return sentence[0].rstrip(".。")
    words = text.split()
    begun = " ".join(words[:_FIRST_WORDS])[:_FIRST_SIGNS]
    if begun == text:
        return text.rstrip(".。")
    whole = begun.rsplit(" ", 1)[0] if len(begun) == _FIRST_SIGNS and " " in begun else begun
    return whole.rstrip(" ,;:.-–—、，") + "…"


def is_right_to_left(text: str) -> bool:
    """Whether the first letter that has a direction runs to the left."""
    directions = (unicodedata.bidirectional(sign) for sign in text)
    return next((direction for direction in directions if direction in ("L", "R", "AL")), "L") != "L"


@dataclass(frozen=True, slots=True)
class Piece:
    """What no line break parts; `spaced`: a space goes before it, unless it begins a line."""

    text: str
    spaced: bool


def pieces_of(text: str, width_of: Callable[[str], float], widest: float) -> list[Piece]:
    """Words, the signs of scripts without spaces, and the parts of words that are wider than a line."""
    found: list[Piece] = []
    for word in text.split():
        for number, part in enumerate(_unbroken(word)):
            short = _cut(part, width_of, widest)
            found += [Piece(bit, number == place == 0 and bool(found)) for place, bit in enumerate(short)]
    return found


def _unbroken(word: str) -> list[str]:
    parts = [""]
    for sign in word:
        wide = unicodedata.east_asian_width(sign) in _WIDE and sign not in _NOT_FIRST
        after_wide = parts[-1] and unicodedata.east_asian_width(parts[-1][-1]) in _WIDE
        if parts[-1] and sign not in _NOT_FIRST and not unicodedata.combining(sign) and (wide or after_wide):
            parts.append("")
        parts[-1] += sign
    return parts


def _cut(word: str, width_of: Callable[[str], float], widest: float) -> list[str]:
    if width_of(word) <= widest:
        return [word]
    hyphen = "-" if word.isalpha() and ord(max(word)) < _HYPHENED else ""
    signs, count = list(clusters(word)), 2
    while True:
        length = -(-len(signs) // count)
        parts = ["".join(signs[begin : begin + length]) for begin in range(0, len(signs), length)]
        cuts = [part + hyphen for part in parts[:-1]] + parts[-1:]
        if length == 1 or all(width_of(cut) <= widest for cut in cuts):
            return cuts
        count += 1


def lines_of(pieces: Sequence[Piece], widths: Sequence[float], space: float, widest: float) -> list[str]:
    """Lines no wider than `widest`: as few as can be, and then as even as can be."""
    fewest = len(_broken(pieces, widths, space, widest))
    low, high = max(widths, default=0.0), widest
    for _ in range(12):
        middle = (low + high) / 2
        if len(_broken(pieces, widths, space, middle)) > fewest:
            low = middle
        else:
            high = middle
    return _broken(pieces, widths, space, high)


def _broken(pieces: Sequence[Piece], widths: Sequence[float], space: float, widest: float) -> list[str]:
    lines: list[str] = []
    filled = 0.0
    for piece, width in zip(pieces, widths, strict=True):
        gap = space if piece.spaced else 0.0
        if lines and filled + gap + width <= widest + 1e-6:
            lines[-1] += (" " if piece.spaced else "") + piece.text
            filled += gap + width
        else:
            lines.append(piece.text)
            filled = width
    return lines
