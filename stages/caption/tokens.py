"""A text as the words that are set: what stands between spaces, and single signs where a script puts no spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

SPACELESS = (
    "\u2e80-\u2fff\u3005-\u3007\u3021-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_OPENS = "(\\[{“‘«‹（〔［｛〈《「『【〖〝"
# What begins no line: closing signs, small kana, prolonged sounds, marks of iteration (the kinsoku of JIS X 4051).
_SMALL = "ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々〻ゝゞヽヾ"
_HANGS = f")\\]}}”’»›）〕］｝〉》」』】〗〟、。，．・：；！？!?.,:;…‥％%{_SMALL}"
_PIECES = re.compile(rf"[{_OPENS}]*[{SPACELESS}][{_HANGS}]*|[^{SPACELESS}]+?(?=[{_OPENS}]*[{SPACELESS}]|$)")
_ENDS = re.compile(r"[.!?…。！？؟۔।]+[^\w]*$")
_ABBREVIATIONS = frozenset(
    ("mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "no.", "prof.", "e.g.", "i.e.", "z.b.", "nr.", "sr.", "mme.")
)
SAID = "&%@#+=$€£°§×÷<>"  # signs that are read out, though they are no letters
_MARKS = re.compile(rf"^[^\w{_OPENS}{re.escape(SAID)}]+$")
_INITIAL = re.compile(r"^[^\W\d_]\.$")
_STRAY = frozenset({"Cc", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word to be set, as it is written. `spaced`: a space stands before it."""

    text: str
    spaced: bool


def tokens_of(text: str) -> list[Token]:
    """The words of a text in their order; control characters and halves of characters are left out."""
    words = (clean(word) for word in unicodedata.normalize("NFC", text).split())
    tokens: list[Token] = []
    for word in filter(None, words):
        if tokens and _MARKS.match(word):  # a dash or a smiley between words stays with the one before
            tokens[-1] = Token(f"{tokens[-1].text} {word}", tokens[-1].spaced)
        else:
            tokens += [Token(piece, first) for piece, first in _pieces(word)]
    return tokens


def clean(word: str) -> str:
    """A word without signs that have no look and no meaning."""
    return "".join(sign for sign in word if unicodedata.category(sign) not in _STRAY)


def _pieces(word: str) -> Iterator[tuple[str, bool]]:
    for number, piece in enumerate(_PIECES.finditer(word)):
        yield piece[0], number == 0


def ends_sentence(word: str, following: str) -> bool:
    """Whether a sentence ends with a word. `Dr.`, an initial, or what goes on in small letters ends none."""
    if not _ENDS.search(word) or word.casefold() in _ABBREVIATIONS or _INITIAL.match(word):
        return False
    return not following[:1].islower()


def is_right_to_left(text: str) -> bool:
    """Whether a text is read from right to left: its first letter that has a direction says so."""
    sides = (unicodedata.bidirectional(sign) for sign in text)
    return next((side in ("R", "AL") for side in sides if side in ("L", "R", "AL")), False)
