"""Words to pages: what stands in the picture at once, in lines that fit and are about equally long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stages.caption.tokens import ends_sentence
from stages.caption.words import Word

_HOLD_S = 0.25  # a page stays this long after its last word when nothing follows at once
_HALVINGS = 9  # of a search: to a five hundredth of the limit
_SLACK = 1e-6

Lines = tuple[tuple["Word", ...], ...]


@dataclass(frozen=True, slots=True)
class Room:
    """What one page may hold: `width` of a line and of a `space` (px), lines, seconds, and the pause that ends it."""

    width: float
    space: float
    lines: int
    max_s: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of words, shown from `start` to `end` (s)."""

    lines: tuple[tuple[Word, ...], ...]
    start: float
    end: float

    @property
    def words(self) -> list[Word]:
        """All of its words in order."""
        return [word for line in self.lines for word in line]

    @property
    def scale(self) -> float:
        """How much smaller its letters are, so that its longest word fits."""
        return min(word.scale for word in self.words)

    @property
    def text(self) -> str:
        """What is written on it, line by line."""
        return "\n".join(line_text(line) for line in self.lines)


def line_text(line: Sequence[Word]) -> str:
    """The words of a line with the spaces between them."""
    return "".join(f" {word.text}" if word.spaced and number else word.text for number, word in enumerate(line))


def pages_of(words: Sequence[Word], room: Room, duration_s: float) -> list[Page]:
    """Pages of a text, none longer than allowed, each sentence and each pause beginning a new one.

    Args:
        words: in order of time.
        room: what a page may hold.
        duration_s: end of the speech, after which nothing is shown.
    """
    if not words:
        return []
    filled = [lines for phrase in _phrases(words, room.pause_s) for lines in _balanced(phrase, room)]
    starts = [lines[0][0].start for lines in filled]
    after = [*starts[1:], duration_s]
    return [
        Page(lines, start, _end(lines[-1][-1].end, following, room.pause_s))
        for lines, start, following in zip(filled, starts, after, strict=True)
    ]


def _end(last: float, following: float, pause_s: float) -> float:
    return following if following - last < pause_s else last + _HOLD_S


def _phrases(words: Sequence[Word], pause_s: float) -> Iterator[list[Word]]:
    phrase = [words[0]]
    for before, word in pairwise(words):
        whole = word.spaced or not before.text[-1:].isalnum()
        if word.start - before.end >= pause_s or (whole and ends_sentence(before.text, word.text)):
            yield phrase
            phrase = []
        phrase.append(word)
    yield phrase


def _balanced(words: Sequence[Word], room: Room) -> list[Lines]:
    """As few pages as it takes, none much shorter or narrower than the others; then the lines of each likewise."""

    def pages_in(max_s: float, width: float) -> list[Lines]:
        return _fill(words, replace(room, max_s=max_s), width)

    max_s = _least(lambda seconds: len(pages_in(seconds, room.width)), 0.0, room.max_s)
    narrowest = max(word.width for word in words)
    width = _least(lambda wide: len(pages_in(max_s, wide)), narrowest, room.width)
    return [_evened(page, room) for page in pages_in(max_s, width)]


def _evened(page: Lines, room: Room) -> Lines:
    words = [word for line in page for word in line]
    narrowest = max(word.width for word in words)
    return tuple(_lines(words, room, _least(lambda wide: len(_lines(words, room, wide)), narrowest, room.width)))


def _least(count: Callable[[float], int], low: float, high: float) -> float:
    """The least limit with which no more is needed than with the highest."""
    enough = count(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if count(middle) <= enough else (middle, high)
    return high


def _lines(words: Sequence[Word], room: Room, width: float) -> list[tuple[Word, ...]]:
    """Words to lines, as many on each as fit."""
    lines: list[list[Word]] = []
    used = 0.0
    for word in words:
        wide = word.width + (room.space if word.spaced else 0.0)
        if lines and used + wide <= width + _SLACK:
            lines[-1].append(word)
            used += wide
        else:
            lines.append([word])
            used = word.width
    return [tuple(line) for line in lines]


def _fill(words: Sequence[Word], room: Room, width: float) -> list[Lines]:
    """Words to pages, as many on each as its lines and its time allow."""
    pages: list[list[Word]] = []
    for word in words:
        page = [*pages[-1], word] if pages else []
        if page and len(_lines(page, room, width)) <= room.lines and word.end - page[0].start <= room.max_s:
            pages[-1].append(word)
        else:
            pages.append([word])
    return [tuple(_lines(page, room, width)) for page in pages]
