"""Type for a card: the largest size at which its words fit their column, and where every line goes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stages.caption.face import Face
from stages.caption.fonts import Fonts, find_fonts, needs_glyph
from stages.image.wording import Words, is_right_to_left, lines_of, pieces_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import ImageDraw, ImageFont

    Floats = NDArray[np.floating[Any]]

_EM = 100  # widths are measured at this size; type grows in proportion
_FINER = 2  # type is drawn at twice the size and averaged: smooth however slowly the camera moves
_SHRINK = 0.94
_LARGEST, _LARGEST_QUOTED, _FEW_LINES, _SMALLEST = 12.8, 7.8, 5.5, 2.6  # in hundredths of the width
_OVER, _OVER_GAP = 4.0, 0.62  # the small line: its size, likewise; its distance, of that size
_MOST_LINES = 5  # of type larger than _FEW_LINES
_LEADING = 1.16
_LEADING_TALL = 1.42  # scripts with marks above and below
_LOST = 0.3  # with more than this missing, words are no words any more


@dataclass(frozen=True, slots=True)
class Box:
    """The column that type may fill, pixels; `middle` is the height around which it stands."""

    left: int
    width: int
    middle: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its words, size in pixels, baseline, and whether it is the small one."""

    text: str
    size: float
    baseline: float
    small: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that fit, and the rectangle (left, top, right, bottom) that they fill, pixels."""

    lines: tuple[Line, ...]
    bounds: tuple[int, int, int, int]
    right_to_left: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """The fonts of one text, measured."""

    fonts: Fonts
    right_to_left: bool
    _widths: dict[str, float] = field(default_factory=dict)

    def runs(self, text: str) -> Iterator[tuple[Face, str]]:
        """A line as runs of one font each. Letters that run to the left need one font for all, to join and turn."""
        if self.right_to_left:
            yield self.main, text
            return
        for number, word in enumerate(text.split(" ")):
            if number:
                yield self.fonts.main, " "
            yield from self.fonts.of(word)

    @property
    def main(self) -> Face:
        """The font that leads; for letters that run to the left, the one with most of them."""
        return self.fonts.faces[-1] if self.right_to_left else self.fonts.main

    def width(self, text: str) -> float:
        """Width in em."""
        if text not in self._widths:
            drawn = (font_of(face, _EM).getlength(run, **self.direction) for face, run in self.runs(text))
            self._widths[text] = sum(drawn) / _EM
        return self._widths[text]

    @property
    def direction(self) -> dict[str, Any]:
        """What the layout engine is told."""
        return {"direction": "rtl"} if self.right_to_left else {}


@functools.lru_cache(maxsize=64)
def font_of(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """A font at a size in pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(str(face.path), size, index=face.index)


def type_for(text: str, *, bold: bool) -> tuple[Type | None, list[str]]:
    """The fonts for a text and what has to be said of them; None when too little of it can be drawn."""
    from PIL import features

    fonts, right_to_left = find_fonts(text, weight="bold" if bold else "regular"), is_right_to_left(text)
    if right_to_left and not features.check("raqm"):
        return None, ["the card has no words: this Pillow cannot join letters (it has no libraqm)"]
    needed = [sign for sign in text if needs_glyph(sign)]
    if right_to_left:
        best = max(fonts.faces, key=lambda face: sum(map(face.covers, needed)))
        missing = frozenset(sign for sign in needed if not best.covers(sign))
        fonts = Fonts((best,), missing)
    lost = sorted({sign for sign in needed if sign in fonts.missing})
    if not needed or sum(sign in fonts.missing for sign in needed) > _LOST * len(needed):
        why = f"no font on this machine draws {''.join(lost[:12])}" if lost else "there are none that can be drawn"
        return None, [f"the card has no words: {why}"]
    notes = [f"the card leaves out {' '.join(lost[:12])}: no font on this machine draws them"] if lost else []
    return Type(fonts, right_to_left), notes


def block_of(words: Words, bold: Type, plain: Type | None, box: Box, unit: float) -> Block:
    """Where the lines go; `plain` sets the small line, None for none; `unit` is a hundredth of the width, pixels."""
    lines, size = _fitted(words, bold, box, unit)
    leading = size * _leading_of(words.main)
    over = min(_OVER * unit, size, box.width / plain.width(words.over)) if plain and words.over else 0.0
    head = over * (1 + _OVER_GAP)
    top = box.middle - (head + leading * len(lines)) / 2
    placed = [Line(words.over, over, top + over * 0.8, small=True)] if over else []
    first = top + head + (leading + 0.72 * size) / 2
    placed += [Line(line, size, first + leading * number) for number, line in enumerate(lines)]
    bottom = top + head + leading * len(lines)
    return Block(tuple(placed), (box.left, round(top), box.left + box.width, round(bottom)), bold.right_to_left)


def _fitted(words: Words, type_: Type, box: Box, unit: float) -> tuple[list[str], float]:
    size = (_LARGEST_QUOTED if words.quoted else _LARGEST) * unit
    smallest = _SMALLEST * unit
    leading = _leading_of(words.main)
    text = " ".join(filter(None, map(type_.fonts.drawable, words.main.split())))
    while True:
        em = box.width / size
        # words are parted only when even the smallest type cannot hold them
        longest = em if size <= smallest * 2 else float("inf")
        pieces = pieces_of(text, type_.width, longest)
        widths = [type_.width(piece.text) for piece in pieces]
        lines = lines_of(pieces, widths, type_.width(" "), em)
        few = len(lines) <= _MOST_LINES or size < _FEW_LINES * unit
        if (max(widths) <= em and few and len(lines) * size * leading <= box.height) or size * _SHRINK < smallest:
            return lines, size
        size *= _SHRINK


def _leading_of(text: str) -> float:
    tall = any("\u0590" <= sign <= "\u109f" and needs_glyph(sign) for sign in text)
    return _LEADING_TALL if tall else _LEADING


def mask_of(lines: list[Line], block: Block, type_: Type, size: tuple[int, int], centred: bool) -> Floats:
    """Coverage 0..1 [height, width] of some lines of a block; `size` is width and height of the picture."""
    import numpy as np
    from PIL import Image, ImageDraw

    sheet = Image.new("L", (size[0] * _FINER, size[1] * _FINER))
    pen = ImageDraw.Draw(sheet)
    for line in lines:
        _draw_line(pen, line, type_, _start(block, line, type_, centred))
    return np.asarray(sheet.reduce(_FINER), np.float32) / 255


def _start(block: Block, line: Line, type_: Type, centred: bool) -> float:
    left, _, right, _ = block.bounds
    free = right - left - type_.width(line.text) * line.size
    return left + (free / 2 if centred else free if block.right_to_left else 0.0)


def _draw_line(pen: ImageDraw.ImageDraw, line: Line, type_: Type, x: float) -> None:
    size = max(1, round(line.size * _FINER))
    for face, run in type_.runs(line.text):
        font = font_of(face, size)
        pen.text((x * _FINER, line.baseline * _FINER), run, 255, font, anchor="ls", **type_.direction)
        x += font.getlength(run, **type_.direction) / _FINER
