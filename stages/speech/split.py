"""Cutting a long text where a speaker would breathe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice

_WORDS = re.compile(r"\S+\s*")
# coarse to fine: paragraphs, sentences, clauses, words
_BREATHS = (
    re.compile(r".+?(?:\n\s*\n+|\Z)", re.DOTALL),
    re.compile(r".+?(?:(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n+|\Z)", re.DOTALL),
    re.compile(r".+?(?:(?<=[,;:–—])\s+|(?<=[，、；：])|\Z)", re.DOTALL),
    re.compile(r".+?(?:\s+|\Z)", re.DOTALL),
)


def split_text(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Pieces that fit, cut as coarsely as can be: nothing is lost but white space at the cuts.

    Args:
        text: any text.
        fits: whether a piece is short enough; a single character must fit.
    """
    return [piece for piece in (piece.strip() for piece in _pack(_cut(text, fits, 0), fits)) if piece]


def _cut(text: str, fits: Callable[[str], bool], level: int) -> Iterator[str]:
    if fits(text.strip()):
        yield text
    elif level < len(_BREATHS):
        for piece in _BREATHS[level].findall(text):
            yield from _cut(piece, fits, level + 1)
    else:
        yield from text  # one endless word: by characters, packed again below


def _pack(pieces: Iterator[str], fits: Callable[[str], bool]) -> Iterator[str]:
    """Put neighbours together as long as they fit."""
    packed = ""
    for piece in pieces:
        if packed and not fits((packed + piece).strip()):
            yield packed
            packed = ""
        packed += piece
    if packed:
        yield packed


def halves(text: str) -> tuple[str, str] | None:
    """A text cut at the sentence end, else the word, nearest its middle; None when it is a single word."""
    words = list(_WORDS.findall(text.strip()))
    if len(words) < 2:
        return None
    ends = [index for index, word in enumerate(words[:-1], 1) if word.rstrip().endswith((".", "!", "?", "…", "。"))]
    middle = len(words) / 2
    near = [index for index in ends if abs(index - middle) <= middle / 2]
    place = min(near or [len(words) // 2], key=lambda index: abs(index - middle))
    return "".join(islice(words, place)).strip(), "".join(words[place:]).strip()
