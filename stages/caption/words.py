"""Words as they are set: in which fonts, how wide, and from when to when they are spoken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from stages.caption.face import Face
from stages.caption.fonts import Fonts, clusters
from stages.caption.match import Span
from stages.caption.tokens import Token

_LEAST_SCALE = 0.62  # a word that is too long is set smaller down to this, then broken


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a piece of one that is too long for a line.

    Attributes:
        text: as it is written; `runs`: what is drawn of it, by font.
        spaced: a space stands before it.
        start, end: when it is spoken, s.
        width: in px, as wide as it is or as wide as a line when it is set smaller for that.
        scale: how much smaller.
    """

    text: str
    runs: tuple[tuple[Face, str], ...]
    spaced: bool
    start: float
    end: float
    width: float
    scale: float = 1.0


def set_words(tokens: Sequence[Token], spans: Sequence[Span], fonts: Fonts, em: float, room: float) -> list[Word]:
    """The words of a text as they are set.

    Args:
        tokens: the words.
        spans: their start and end, s.
        fonts: the fonts that the text needs.
        em: size of the letters, px.
        room: width of a line, px.
    """
    words = (_word(token, span, fonts, em) for token, span in zip(tokens, spans, strict=True))
    return [piece for word in words for piece in _fitted(word, fonts, em, room)]


def _word(token: Token, span: Span, fonts: Fonts, em: float) -> Word:
    runs = tuple(fonts.of(token.text))
    return Word(token.text, runs, token.spaced, *span, width_of(runs, em) + em * _left_out(token.text, fonts))


def _left_out(text: str, fonts: Fonts) -> int:
    """Signs that nothing draws: an em each, so that an .srt has pages of a usual length."""
    return sum(sign in fonts.missing for sign in text)


def width_of(runs: Iterable[tuple[Face, str]], em: float) -> float:
    """Width in px by the advances of the fonts. Kerning, which is left out, makes text narrower."""
    return em * sum(face.advance(sign) for face, text in runs for sign in text)


def _fitted(word: Word, fonts: Fonts, em: float, room: float) -> Iterator[Word]:
    """The word, smaller where it has to be, or in pieces that are each as wide as a line allows."""
    if word.width <= room:
        yield word
    elif word.width * _LEAST_SCALE <= room:
        yield replace(word, width=room, scale=room / word.width)
    else:
        yield from _pieces(word, fonts, em, room)


def _pieces(word: Word, fonts: Fonts, em: float, room: float) -> Iterator[Word]:
    texts = _broken(word.text, fonts, em, room)
    done, total = 0, len(word.text)
    for number, text in enumerate(texts):
        start, end = (word.start + (word.end - word.start) * place / total for place in (done, done + len(text)))
        runs = tuple(fonts.of(text))
        yield Word(text, runs, word.spaced and number == 0, start, end, min(width_of(runs, em), room))
        done += len(text)


def _broken(text: str, fonts: Fonts, em: float, room: float) -> list[str]:
    """A text in pieces that each fit, between what is seen as one sign."""
    pieces, width = [""], 0.0
    for cluster in clusters(text):
        wide = width_of(fonts.of(cluster), em) + em * _left_out(cluster, fonts)
        if pieces[-1] and width + wide > room:
            pieces.append("")
            width = 0.0
        pieces[-1] += cluster
        width += wide
    return pieces
